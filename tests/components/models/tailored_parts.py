"""A small tailored coordinate system, and how it learns by hand."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from graphkd.component import ImageSpec, Site, Socket, register_model
from graphkd.components.models import Student, Tailored
from graphkd.components.transforms import Coordinates

WIDTH = 16
"""Of the registered model `tiny`'s embedding."""


def vectors(count=200, width=12, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(width, width, generator=generator)
    return torch.randn(count, width, generator=generator) @ mix + 3


def axes_of(values, **settings):
    socket = Socket("b d", (2, values.shape[1]))
    made = Coordinates(**{"keep": 1.0, **settings}).build(Site(inputs={"input": (socket,)}))
    made.begin()
    for part in values.split(50):
        made.update(part)
    made.finish()
    return made


def student_of(model="tiny", *, classes=4, pixels=8, **settings):
    image = ImageSpec(3, pixels, pixels, (0.5,) * 3, (0.25,) * 3)
    return Student(model=model, **settings).build(Site(image=image, classes=classes))


def tailor(axes=None, *, student=None, width=WIDTH, seed=0, **settings):
    torch.manual_seed(seed)
    site = Site(
        inputs={"student": (Socket("b d", (2, width)),)},
        modules={
            "student": student_of() if student is None else student,
            "axes": axes_of(vectors()) if axes is None else axes,
        },
    )
    return Tailored(student="student.embedding", axes="axes", **settings).build(site)


def embeddings(count=8, width=WIDTH, *, seed=1):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def learn(network, embedding, label, *, steps=20, first=1, optimizer=None, mimic=None):
    """Train by hand as the loop does, and say how many coordinates are left after each step."""
    plain = [each for each in network.parameters() if each.requires_grad and each.ndim == 1]
    decayed = [each for each in network.parameters() if each.requires_grad and each.ndim > 1]
    groups = [{"params": plain, "weight_decay": 0.0}, {"params": decayed, "weight_decay": 0.05}]
    optimizer = optimizer or torch.optim.AdamW(groups, lr=0.02)
    left = []
    with torch.enable_grad():
        for step in range(first, steps + 1):
            logits, aligned = network.reader(("logits", "aligned"))(embedding)
            loss = F.cross_entropy(logits, label)
            if mimic is not None:
                loss = loss + F.mse_loss(aligned, mimic)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            network.advance(step, steps)
            left.append(int(network.active().sum()))
    return left


@register_model("headed")
def headed(num_classes, in_chans, width=6, scale=1.0, bias=True):
    """One linear layer on pooled pixels and another on that, scaled afterwards."""

    class Headed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.nn.Linear(in_chans, width)
            self.head = torch.nn.Linear(width, num_classes, bias=bias)

        def forward(self, image):
            return scale * self.head(self.body(image.mean((2, 3))).relu())

    return Headed()
