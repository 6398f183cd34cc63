"""Teacher, hybrid assistant and student (TAS) by hand: a transformer teaches a ResNet."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphkd.bench.gpu_by_hand import Eager, frozen_copy, learning, normalizer, plain_copy
from graphkd.run.session import Session


def by_assistant(session: Session) -> Eager:
    """Write TAS for a vision transformer without class token and a ResNet.

    The assistant goes from the student's third stage through new layers into the teacher's last
    blocks, which stay frozen but let gradients through.
    """
    teacher: Any = frozen_copy(session, "teacher")
    student: Any = plain_copy(session, "student")
    new = _new_parts(session)
    t_to_a, a_to_s, t_to_s = (new[f"flow{number}"].log_scale for number in (6, 7, 8))
    a_to_s_head, t_to_s_head = new["flow7_linear"], new["flow8_linear"]
    for_teacher, for_student = normalizer(session, "teacher"), normalizer(session, "student")
    early, bridge = _to_stage3(student), new["assistant"]["projector"]
    # blocks 11 and 12 of 12
    late = nn.Sequential(*teacher.blocks[len(teacher.blocks) * 10 // 12 :], teacher.norm)

    def loss(image: Tensor, label: Tensor) -> Tensor:
        with torch.no_grad():
            f_t = teacher.forward_head(
                teacher.forward_features(for_teacher(image)), pre_logits=True
            )
            p_t = teacher.head(f_t)
        stage3 = early(for_student(image))
        f_s = student.forward_head(student.layer4(stage3), pre_logits=True)
        p_s = student.fc(f_s)
        f_a = teacher.forward_head(late(bridge(stage3)), pre_logits=True)
        p_a = teacher.head(f_a)
        hard = F.cross_entropy(p_a, label) + 2 * F.cross_entropy(p_s, label)
        soft = _follow(p_a, p_t) + _follow(p_s, p_a) + _follow(p_s, p_t)
        near = _info_nce(f_a, f_t, t_to_a) + _info_nce(a_to_s_head(f_s), f_a, a_to_s)
        return hard + soft + near + _info_nce(t_to_s_head(f_s), f_t, t_to_s)

    return learning(loss, {"student": student, **new})


def _new_parts(session: Session) -> dict[str, Any]:
    """Copy the layers before the late stage, the temperatures and the heads."""
    parts = session.parts
    flows = ("flow6", "flow7", "flow8", "flow7_linear", "flow8_linear")
    new = nn.ModuleDict({name: copy.deepcopy(parts[name]) for name in flows})
    bridge = copy.deepcopy(parts["assistant"].projector)
    new["assistant"] = nn.ModuleDict({"projector": bridge})
    return dict(new.train().requires_grad_(True))


def _to_stage3(resnet: Any) -> nn.Sequential:
    stem = (resnet.conv1, resnet.bn1, resnet.act1, resnet.maxpool)
    return nn.Sequential(*stem, resnet.layer1, resnet.layer2, resnet.layer3)


def _follow(student: Tensor, teacher: Tensor) -> Tensor:
    """Compute the OFA loss at gamma 1, which is the cross-entropy with the teacher's classes."""
    return F.cross_entropy(student.float(), F.softmax(teacher.detach().float(), dim=-1))


def _info_nce(student: Tensor, teacher: Tensor, log_scale: Tensor) -> Tensor:
    """Let each row of the teacher look for its student, in float32."""
    with torch.autocast(student.device.type, enabled=False):
        keys = F.normalize(student.float(), dim=-1)
        queries = F.normalize(teacher.detach().float(), dim=-1)
        similar = log_scale.exp().clamp(max=100.0) * (queries @ keys.T)
    return F.cross_entropy(similar, torch.arange(len(similar), device=similar.device))
