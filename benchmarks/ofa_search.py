"""The search of the package ``ofa``, as it is, on the Note10 tables with the official predictor.

Its own classes do the work: ``EvolutionFinder``, ``AccuracyPredictor``, ``MobileNetArchEncoder``
and ``MBv3LatencyTable``, which is asked for every block of every network, as the package's own
latency model asks it; that one would besides set up the torch module of each network first. Where
it is made easy for it (``summed``), the table is asked for each block once, before the clock
starts, and a network's latency is a sum of floats. It gets no budget that nothing meets: it would
never return.
"""

from __future__ import annotations

import importlib.util
import io
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from sartor.benchmarks.note10 import RESOLUTIONS, SUPERNET, predictor_file, table_files
from sartor.specializer.space import ABSENT, SubNetwork
from sartor.specializer.supernets.mobilenet_v3 import (
    ACTIVATIONS,
    CHOICES,
    EXPANSIONS,
    KERNELS,
    MAX_DEPTH,
    SQUEEZE_EXCITE,
    STRIDES,
)

_PREDICTED = tuple(range(112, 225, 16))
"""Resolutions that the official predictor has columns for."""
_MENTIONED = {
    "torchvision": (),
    "torchvision.datasets": (),
    "torchvision.transforms": ("Compose", "Normalize", "RandomResizedCrop"),
    "torchvision.transforms.functional": (),
}
"""Names that ``ofa`` needs to be imported, and never uses here."""

Architecture = Mapping[str, Any]
"""A network as ``ofa`` writes it: lists ``ks``, ``e`` and ``d``, and ``image_size``."""


@dataclass(frozen=True)
class OfaSearch:
    """The published search, ready to run.

    Attributes:
        folder: the data sets.
        summed: whether latencies of blocks are looked up before the search instead of in it.
    """

    folder: Path
    summed: bool = False

    def run(self, budget_ms: float, seed: int) -> tuple[SubNetwork, float]:
        """Search with the published settings: 100 networks, 500 generations.

        Args:
            budget_ms: that some networks meet, or the search never ends.
            seed: of both generators that it draws from.

        Returns:
            The network, and how long the search took, in seconds of wall time.
        """
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 # ofa draws from this one
        finder = self._modules["evolution"].EvolutionFinder(self._efficiency, self._accuracy)
        started = time.perf_counter()
        with redirect_stdout(io.StringIO()):
            _, (_, architecture, _) = finder.run_evolution_search(budget_ms)
        return subnetwork(architecture), time.perf_counter() - started

    def warm_up(self) -> None:
        """Load everything, so that no search has to wait for it."""
        _ = self._accuracy, self._efficiency

    @cached_property
    def _modules(self) -> dict[str, Any]:
        names = {
            "accuracy": "ofa.nas.accuracy_predictor",
            "evolution": "ofa.nas.search_algorithm",
            "table": "ofa.nas.efficiency_predictor",
        }
        with torchvision_or_a_stand_in(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the package's own, on import
            return {short: importlib.import_module(name) for short, name in names.items()}

    @cached_property
    def _accuracy(self) -> Any:  # noqa: ANN401 # a class of ofa's, which has no types
        """Load the official weights into the package's own predictor."""
        import torch

        encoder = self._modules["accuracy"].MobileNetArchEncoder(image_size_list=list(RESOLUTIONS))
        predictor = self._modules["accuracy"].AccuracyPredictor(encoder, device="cpu")
        state = torch.load(predictor_file(self.folder), map_location="cpu", weights_only=True)
        kernels, expansions, resolutions = state["0.weight"].split([60, 60, len(_PREDICTED)], 1)
        known = resolutions[:, [_PREDICTED.index(size) for size in RESOLUTIONS]]
        renamed = {
            "layers.0.0.weight": torch.cat([known, kernels, expansions], 1),
            "layers.3.weight": state["6.weight"],
            "base_acc": state["6.bias"],
        }
        for layer, published in enumerate((0, 2, 4)):
            renamed.setdefault(f"layers.{layer}.0.weight", state[f"{published}.weight"])
            renamed[f"layers.{layer}.0.bias"] = state[f"{published}.bias"]
        predictor.load_state_dict(renamed)
        return predictor.requires_grad_(requires_grad=False)

    @cached_property
    def _efficiency(self) -> BlockLatencies:
        import yaml

        of_sizes = {}
        for size, path in table_files(self.folder).items():
            table = object.__new__(self._modules["table"].MBv3LatencyTable)
            table.lut = yaml.safe_load(path.read_text())  # its own way of reading is out of date
            of_sizes[size] = _Queries.of(table, size)
        if not self.summed:
            return BlockLatencies(of_sizes)
        return BlockLatencies({size: queries.answered() for size, queries in of_sizes.items()})


@dataclass(frozen=True, slots=True)
class _Queries:
    """What a table of ofa's is asked about the networks of one resolution.

    Attributes:
        fixed: about all that every network has.
        blocks: about each slot, by kernel and expansion.
    """

    fixed: Sequence[Callable[[], float]]
    blocks: Sequence[Mapping[tuple[int, int], Callable[[], float]]]

    @classmethod
    def of(cls, table: Any, resolution: int) -> _Queries:  # noqa: ANN401 # a class of ofa's
        """Prepare the questions, in the shapes that ofa asks in."""
        widths, query = SUPERNET.widths, table.query
        size = resolution // 2
        stem, expand = widths.stem, widths.expand
        first = {"mid": stem, "ks": 3, "stride": 1, "id_skip": 1, "se": 0, "h_swish": 0}
        fixed = [
            partial(query, "Conv", [resolution, resolution, 3], [size, size, stem]),
            partial(query, "expanded_conv", [size, size, stem], [size, size, stem], **first),
        ]
        blocks, channels = [], stem
        for stage, out in enumerate(widths.stages):
            for place in range(MAX_DEPTH):
                stride = STRIDES[stage] if place == 0 else 1
                small = (size - 1) // stride + 1
                shapes = [size, size, channels], [small, small, out]
                rest = {
                    "stride": stride,
                    "id_skip": int(place > 0 or (stride == 1 and channels == out)),
                    "se": int(SQUEEZE_EXCITE[stage]),
                    "h_swish": int(ACTIVATIONS[stage] == "hswish"),
                }
                about = partial(query, "expanded_conv", *shapes, **rest)
                pairs = product(KERNELS, EXPANSIONS)
                blocks.append(
                    {(k, ratio): partial(about, mid=channels * ratio, ks=k) for k, ratio in pairs}
                )
                size, channels = small, out
        fixed += [
            partial(query, "Conv_1", [size, size, channels], [size, size, expand]),
            partial(query, "AvgPool2D", [size, size, expand], [1, 1, expand]),
            partial(query, "Conv_2", [1, 1, expand], [1, 1, widths.feature]),
            partial(query, "Logits", [1, 1, widths.feature], [SUPERNET.classes]),
        ]
        return cls(fixed, blocks)

    def answered(self) -> _Queries:
        """Ask everything now."""
        fixed = sum(ask() for ask in self.fixed)
        return _Queries(
            [lambda: fixed],
            [{pair: partial(float, ask()) for pair, ask in block.items()} for block in self.blocks],
        )


@dataclass(frozen=True, slots=True)
class BlockLatencies:
    """What ``EvolutionFinder`` asks for latencies.

    Attributes:
        of_sizes: by resolution.
    """

    of_sizes: Mapping[int, _Queries]

    def get_efficiency(self, architecture: Architecture) -> float:
        """Return the latency of a network in milliseconds."""
        queries = self.of_sizes[architecture["image_size"]]
        kernels, ratios = architecture["ks"], architecture["e"]
        total = sum(ask() for ask in queries.fixed)
        for stage, depth in enumerate(architecture["d"]):
            for slot in range(stage * MAX_DEPTH, stage * MAX_DEPTH + depth):
                total += queries.blocks[slot][kernels[slot], ratios[slot]]()
        return total


def subnetwork(architecture: Architecture) -> SubNetwork:
    """Translate a network of ofa's."""
    pairs = zip(architecture["ks"], architecture["e"], strict=True)
    filled = [
        slot % MAX_DEPTH < architecture["d"][slot // MAX_DEPTH]
        for slot in range(len(SUPERNET.space.slots))
    ]
    choices = [
        CHOICES.index(pair) + 1 if there else ABSENT
        for pair, there in zip(pairs, filled, strict=True)
    ]
    return (RESOLUTIONS.index(architecture["image_size"]), *choices)


@contextmanager
def torchvision_or_a_stand_in() -> Iterator[None]:
    """Let modules with the names that are mentioned stand in where torchvision is absent."""
    if importlib.util.find_spec("torchvision") is not None:
        yield
        return
    for name, attributes in _MENTIONED.items():
        module = sys.modules[name] = ModuleType(name)
        vars(module).update({attribute: type(attribute, (), {}) for attribute in attributes})
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)
    try:
        yield
    finally:
        for name in _MENTIONED:
            del sys.modules[name]
