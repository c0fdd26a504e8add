"""What every supernet is, as data: its space, the graph of any part of it, and its tensors.

``Supernet`` is what costs and searches need. ``SupernetSpec`` adds what a supernet with weights
needs; one frozen dataclass has all of it, and a supernet of any family is that value and a state
dict (``elastic.ElasticSupernet``). ``Family`` is what files need besides: the class of such values.

A new family is one class here and one entry in ``families``; a supernet of the user's own is the
same class in the user's own module (docs/supernets.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ...tables.errors import FormatError
from ...tables.graph import Graph, Weights
from ...tables.operator import Shape
from ..space import SearchSpace, SubNetwork

if TYPE_CHECKING:
    from torch import Tensor

Settings = Mapping[str, float]
"""What tells a supernet from others of its family, besides classes and resolutions: numbers by
name, such as ``{"width": 1.2}``."""

PUBLISHED_RESOLUTIONS = tuple(range(128, 225, 16))
"""Input sizes in pixels of the supernets that Once-for-All published; their files do not tell."""

MAX_CLASSES = 100_000
"""So that a shape in a damaged file asks for no more memory than there is."""


class Supernet(Protocol):
    """A supernet whose networks are a stem, the blocks in the slots, and a head.

    A block's graph depends on its context, slot and choice alone, never on what stands in other
    slots: this is what makes the cost of a network a sum. Where contexts have several axes, it
    depends on those alone that name the slot (``space.Axis``), so that few graphs have to be built
    for many contexts. The stem's graph, those of the filled slots and the head's together hold the
    same operators as the graph of the whole, and the same blocks (``tables.granularity``): none
    reaches from one of them into the next.
    """

    @property
    def space(self) -> SearchSpace:
        """Every sub-network there is."""
        ...

    def stem_graph(self, context: int) -> Graph:
        """Build what stands before the slots."""
        ...

    def block_graph(self, context: int, slot: int, choice: int) -> Graph:
        """Build what a choice (1, 2, …) puts into a slot (0, 1, …)."""
        ...

    def head_graph(self, context: int) -> Graph:
        """Build what stands behind the slots."""
        ...

    def graph(self, subnetwork: SubNetwork, weights: Weights | None = None) -> Graph:
        """Build a whole network, with its weights where they are given."""
        ...


class SupernetSpec(Supernet, Protocol):
    """Everything about a supernet but the numbers in its tensors; a frozen value.

    Its tensors have the names by which checkpoints of the family were published. A sub-network's
    weights have the names of its graph's, ``NODE.WEIGHT``; a convolution that BatchNorm still
    follows has ``NODE.norm.{weight,bias,running_mean,running_var}`` in place of ``NODE.bias``.
    """

    @property
    def family(self) -> str:
        """The name of its family, as files have it."""
        ...

    @property
    def settings(self) -> Settings:
        """What tells it from others of its family, besides classes and resolutions."""
        ...

    @property
    def classes(self) -> int:
        """Outputs of the classifier."""
        ...

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Input sizes in pixels, ascending."""
        ...

    @property
    def batch_norm_eps(self) -> float:
        """What every BatchNorm adds to the variance."""
        ...

    def resolution(self, subnetwork: SubNetwork) -> int:
        """Return a sub-network's input size in pixels."""
        ...

    def state_shapes(self) -> Mapping[str, Shape]:
        """List every tensor by its published name, with its shape."""
        ...

    def weights(self, subnetwork: SubNetwork, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take a sub-network's weights out of the supernet's tensors.

        They are views of them, or computed from them: gradients reach them, and nothing changes.

        Args:
            subnetwork: of the space.
            state: the tensors, as ``state_shapes`` names them.

        Returns:
            By the names of the sub-network's graph.
        """
        ...


class Family(Protocol):
    """Supernets that differ in numbers alone; the class of such specs, with these class methods."""

    def published(self) -> SupernetSpec:
        """Return the best-known one; all others have tensors of the same names."""
        ...

    def describe(
        self, settings: Settings, classes: int, resolutions: Sequence[int]
    ) -> SupernetSpec:
        """Describe a supernet from untrusted numbers; FormatError when they make no sense."""
        ...

    def infer(self, shapes: Mapping[str, Shape]) -> SupernetSpec:
        """Tell from the shapes of its tensors, by published names, which supernet it is.

        Raises:
            FormatError: there is no such supernet; a tensor may be missing, or of any shape.
        """
        ...


def checked_resolutions(classes: int, resolutions: Sequence[int]) -> tuple[int, ...]:
    """Return untrusted resolutions ascending, each once.

    Raises:
        FormatError: no supernet has these classes and resolutions.
    """
    sizes = tuple(sorted(set(resolutions)))
    fits = sizes and sizes[0] >= 32 and sizes[-1] <= 1024
    if not 1 <= classes <= MAX_CLASSES or not fits:
        raise FormatError(
            f"no supernet has {classes} classes and resolutions {sizes}: want 1–{MAX_CLASSES}, and "
            "32–1024 pixels"
        )
    return sizes


def checked_settings(settings: Settings, names: Sequence[str]) -> tuple[float, ...]:
    """Return untrusted settings in the order of their names; FormatError when these are others."""
    if settings.keys() != set(names):
        wanted = ", ".join(names) or "none"
        raise FormatError(f"a supernet has the settings {wanted}, not {', '.join(settings)}")
    return tuple(settings[name] for name in names)


def checked_width(settings: Settings) -> float:
    """Return the untrusted width of a family that has no other setting.

    Raises:
        FormatError: there are other settings, or no supernet has that width.
    """
    (width,) = checked_settings(settings, ["width"])
    if not 0.1 <= width <= 4:
        raise FormatError(f"no supernet has width {width:g}: want 0.1–4")
    return float(width)


def width_of(features: int, at_width_1: int) -> float:
    """Tell a width from a count of channels; steps of 8 channels are finer than 0.01."""
    return round(features / at_width_1, 2)


def classifier_shape(shapes: Mapping[str, Shape], classifier: str) -> tuple[int, int]:
    """Return how many classes and features a classifier has; FormatError where there is none."""
    shape = shapes.get(f"{classifier}.weight", ())
    if len(shape) != 2:
        raise FormatError("it has no classifier")
    return shape[0], shape[1]
