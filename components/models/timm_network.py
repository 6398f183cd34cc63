"""Taps around a model of timm, read by `forward_intermediates`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from einops import rearrange
from torch import Tensor, nn

from graphkd.component import ImageSpec
from graphkd.components.models.tap_network import Reading, TapNetwork
from graphkd.components.models.timm_anatomy import Anatomy, dissect
from graphkd.components.models.watch import Place, Watch

if TYPE_CHECKING:
    from graphkd.components.models.tail import Tail


class TimmNetwork(TapNetwork):
    """A timm model; its stages are those of `forward_intermediates`.

    stage4 is what the head reads, after the final norm and, where there is one, the last
    convolution. Isotropic models have their stages after blocks 2, 4, 10 and 12 of 12.
    """

    def __init__(self, model: nn.Module, *, image: ImageSpec, passport: Mapping[str, Any]) -> None:
        super().__init__(model, image=image, passport=passport)
        self.anatomy = dissect(model)

    def taps(self) -> tuple[str, ...]:
        """Name the taps, module paths left out."""
        return self.anatomy.taps

    def tap_layout(self, tap: str) -> str:
        """Say the axis words of one of `taps`."""
        special = {"logits": "b c", "embedding": "b d", "tokens": "b n d"}
        return special.get(tap, self.anatomy.layout)

    def classifier_path(self) -> str:
        """Name the module that reads the embedding; empty where there are several."""
        places = self.anatomy.places.get("embedding")
        if places is None:
            model: Any = self.model
            head = model.get_classifier()
            return str(next(name for name, each in model.named_modules() if each is head))
        return places[0].path if len(places) == 1 else ""

    def reading(self, taps: Sequence[str], *, stop: bool) -> Reading:
        """Plan one forward that gives these taps."""
        return TimmReading(self, taps, stop=stop)

    def tail(self, stage: str) -> Tail:
        """Give what runs from the beginning of a stage on, in the families that are known."""
        from graphkd.components.models.timm_tail import TimmTail

        return TimmTail(self, stage)


class TimmReading:
    """One forward of a timm model: its features as far as needed, then its head."""

    def __init__(self, network: TimmNetwork, taps: Sequence[str], *, stop: bool) -> None:
        self.taps = tuple(taps)
        self.anatomy = network.anatomy
        places = {tap: _places(network, tap) for tap in taps}
        self.counts = {tap: len(each) for tap, each in places.items() if each}
        watched = [place for each in places.values() for place in each]
        asked = {tap for tap, each in places.items() if not each}
        self.watch = Watch(network.model, watched, stop=stop and not asked) if watched else None
        # without a stop the whole model runs, as it does in a plain loop
        self.head = not stop or bool(watched) or not asked.isdisjoint(("logits", "embedding"))
        self.final = self.head or not asked.isdisjoint(("stage4", "tokens"))
        self.plain = self.head and asked <= {"logits"}
        self.embedding = "embedding" in asked
        self.logits = not stop or "logits" in asked
        self.stage4 = "stage4" in asked
        named = {tap: index for tap, index in self.anatomy.indices.items() if tap in asked}
        self.indices = sorted(set(named.values()))
        self.named = {tap: self.indices.index(index) for tap, index in named.items()}

    def __call__(self, model: nn.Module, image: Tensor) -> tuple[Tensor, ...]:
        """Run the model once and give the taps."""
        if self.watch is None:
            found = self._forward(model, image)
        else:
            result, values = self.watch(self._forward, model, image)
            found = {**(result or {}), **self._hooked(values)}
        return tuple(found[tap] for tap in self.taps)

    def close(self) -> None:
        """Take the hooks off."""
        if self.watch is not None:
            self.watch.close()

    def _forward(self, model: Any, image: Tensor) -> dict[str, Tensor]:
        if self.plain:
            return {"logits": model(image)}
        final, intermediates = self._features(model, image)
        found = {tap: intermediates[index] for tap, index in self.named.items()}
        if self.final:
            found["tokens"] = tokens(self.anatomy, final)
        if self.stage4:
            found["stage4"] = stage4(self.anatomy, final, found["stage4"])
        if self.head:
            found |= self._head(model, final)
        return found

    def _features(self, model: Any, image: Tensor) -> tuple[Any, list[Tensor]]:
        if not self.indices:
            return model.forward_features(image), []
        form = "NLC" if self.anatomy.layout == "b n d" else "NCHW"
        if self.final:
            final, found = model.forward_intermediates(image, indices=self.indices, output_fmt=form)
            return final, found
        early = model.forward_intermediates(
            image,
            indices=self.indices,
            output_fmt=form,
            stop_early=True,
            intermediates_only=True,
        )
        return None, early

    def _head(self, model: Any, final: Any) -> dict[str, Tensor]:
        if not self.embedding:
            return {"logits": model.forward_head(final)}
        embedding = model.forward_head(final, pre_logits=True)
        if not self.logits:
            return {"embedding": embedding}
        return {"embedding": embedding, "logits": model.get_classifier()(embedding)}

    def _hooked(self, values: Sequence[Tensor]) -> dict[str, Tensor]:
        found = {}
        start = 0
        for tap, count in self.counts.items():
            found[tap] = _joined(values[start : start + count])
            start += count
        return found


def _places(network: TimmNetwork, tap: str) -> tuple[Place, ...]:
    """Say where hooks read a tap; none for those that the forward gives by itself."""
    if tap in network.taps():
        return network.anatomy.places.get(tap, ())
    return (Place(tap),)


def stage4(anatomy: Anatomy, final: Any, last: Tensor) -> Tensor:
    """Bring what the head reads into the layout of the stages.

    Args:
        anatomy: of the model.
        final: what `forward_features` gives: a grid with the channels second or last, tokens, or
            a list in models with several branches.
        last: the last intermediate, in the layout of the stages.

    Returns:
        `final` in that layout; `last` where `final` holds no image, only a class token or a list.
    """
    if not isinstance(final, Tensor):
        return last
    if anatomy.layout == "b n d":
        sequence: Tensor = tokens(anatomy, final)
        return sequence[:, anatomy.prefix :]
    if final.ndim == 4:
        return rearrange(final, "b h w c -> b c h w") if anatomy.channels_last else final
    height, width = last.shape[-2:]
    prefix = final.shape[1] - height * width
    if prefix < 0:
        return last
    return rearrange(final[:, prefix:], "b (h w) c -> b c h w", h=height)


def tokens(anatomy: Anatomy, final: Any) -> Any:
    """Give what the head reads as a sequence, where it is a grid of tokens ("b h w d")."""
    if anatomy.layout == "b n d" and final.ndim == 4:
        return rearrange(final, "b h w d -> b (h w) d")
    return final


def _joined(values: Sequence[Tensor]) -> Tensor:
    """Make one embedding of those of several heads: the mean, or side by side."""
    if len(values) == 1:
        return values[0]
    if len({value.shape for value in values}) > 1:
        return torch.cat(tuple(values), dim=1)
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total / len(values)
