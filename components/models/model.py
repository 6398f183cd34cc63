"""What the model components share: which network, with which weights, for which images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs
from attrs.validators import ge, optional

from graphkd.component import Port, Site
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from graphkd.components.models.library import Expectation, Library, Recipe
    from graphkd.components.models.tap_network import TapNetwork
    from graphkd.components.models.weights import WeightsFile

PRETRAINED = "pretrained"


@attrs.frozen
class Model:
    """A network of timm, of torchvision or a registered one.

    Attributes:
        model: `timm/NAME`, `torchvision/NAME` or the name of a registered model.
        weights: `pretrained` for the library's own, a `.safetensors` file, or `run:DIR` for the
            student of an earlier run; empty: random initial weights.
        args: keyword arguments of the model's constructor, `{depth: 4, embed_dim: 64}`.
        classes: number of classes; empty: the data's.
        channels: number of input channels; empty: the data's (torchvision always takes 3).
        size: height and width of the input in pixels; empty: that of the weights where they fix
            one, else the data's.
    """

    ports: ClassVar = (Port("input", "b c h w"),)
    learns: ClassVar[bool] = False
    delivered: ClassVar[bool] = False

    model: str
    weights: str | None = None
    # a dict has no hash; leaving it out keeps equal components equal in their hash
    args: dict[str, Any] = attrs.field(factory=dict, hash=False)
    classes: int | None = attrs.field(default=None, validator=optional(ge(1)))
    channels: int | None = attrs.field(default=None, validator=optional(ge(1)))
    size: int | None = attrs.field(default=None, validator=optional(ge(1)))

    @property
    def has_weights(self) -> bool:
        """Whether the model starts from weights that were trained before."""
        return self.weights is not None

    def build(self, site: Site) -> TapNetwork:
        """Build the network and give it its weights.

        Args:
            site: where it is built; its `folder` is what weights files are relative to. With
                `load_weights` False the weights are compared with the model but not read.

        Returns:
            A `Network`; its input is "b c h w", resized and normalized as its `image` says.

        Raises:
            ComponentError: there is no such model, or the weights or `args` do not fit it.
        """
        from graphkd.components.models.library import find_library

        library, name = find_library(self.model)
        file = self._weights_file(site)
        recipe = self._recipe(site, library, name, file=file)
        model, args = library.make(recipe, download=site.load_weights)
        if file is not None:
            # what the user did not write comes from the data, and the message says so
            origin = "classes is" if self.classes else "the data has"
            file.check(model, name=self.model, recipe=recipe, origin=origin)
            if site.load_weights:
                file.load(model)
        passport = {
            "library": library.name,
            "model": name,
            "args": args,
            "mean": list(recipe.image.mean),
            "std": list(recipe.image.std),
            "size": [recipe.image.height, recipe.image.width],
        }
        return library.network(model, recipe, passport)

    def _weights_file(self, site: Site) -> WeightsFile | None:
        from graphkd.components.models.weights import open_weights

        if self.weights is None or self.weights == PRETRAINED:
            return None
        return open_weights(self.weights, site.folder)

    def _recipe(
        self, site: Site, library: Library, name: str, *, file: WeightsFile | None
    ) -> Recipe:
        from graphkd.components.models.arguments import check_args
        from graphkd.components.models.library import Expectation, Recipe, image_spec

        check_args(self.args)
        expected = Expectation() if file is None else file.expectation()
        if self.weights == PRETRAINED:
            expected = library.pretrained(name)
            self._check_head(site, expected)
        return Recipe(
            name=name,
            classes=self._classes(site),
            image=image_spec(self, site, library=library, expected=expected),
            args=self.args,
            pretrained=self.weights == PRETRAINED,
        )

    def _classes(self, site: Site) -> int:
        classes = self.classes or site.classes
        if not classes:
            raise ComponentError("the data has no classes; write classes: N", field="classes")
        return classes

    def _check_head(self, site: Site, expected: Expectation) -> None:
        """Refuse a frozen head that the library would leave at its random initial weights."""
        if self.learns or self.classes or expected.classes in (None, site.classes):
            return
        if not expected.classes:
            raise ComponentError(
                f"the pretrained weights of {self.model} have no classifier; "
                "write classes: 1 for one at random that no flow should use",
                field="weights",
            )
        raise ComponentError(
            f"the pretrained weights of {self.model} have {expected.classes} classes, "
            f"the data has {site.classes}; write classes: {expected.classes} or use other weights",
            field="weights",
        )
