"""The search of the package ``ofa``, as it is, on the Note10 tables with the official predictor.

Its own classes do the work: ``EvolutionFinder``, ``AccuracyPredictor``, ``MobileNetArchEncoder``
and ``MBv3LatencyTable``. Two things are made easy for it. The table is asked for each block once,
before the clock starts, and a network's latency is then a sum of floats; its own latency model
would have built a configuration of the whole network for each. And it gets no
budget that nothing meets: it would never return.
"""

from __future__ import annotations

import importlib.util
import io
import random
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
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
    """

    folder: Path

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
        with _torchvision(), warnings.catch_warnings():
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
            of_sizes[size] = Latencies.of(table, size)
        return BlockLatencies(of_sizes)


@dataclass(frozen=True, slots=True)
class Latencies:
    """Of one resolution, in milliseconds.

    Attributes:
        fixed: of all that every network has.
        blocks: of each slot, by kernel and expansion.
    """

    fixed: float
    blocks: Sequence[Mapping[tuple[int, int], float]]

    @classmethod
    def of(cls, table: Any, resolution: int) -> Latencies:  # noqa: ANN401 # a class of ofa's
        """Ask a table of ofa's for every block."""
        widths = SUPERNET.widths
        size = resolution // 2
        stem, expand = widths.stem, widths.expand
        fixed = table.query("Conv", [resolution, resolution, 3], [size, size, stem])
        first = {"mid": stem, "ks": 3, "stride": 1, "id_skip": 1, "se": 0, "h_swish": 0}
        fixed += table.query("expanded_conv", [size, size, stem], [size, size, stem], **first)
        blocks, channels = [], stem
        for stage, out in enumerate(widths.stages):
            for place in range(MAX_DEPTH):
                stride = STRIDES[stage] if place == 0 else 1
                small = (size - 1) // stride + 1
                rest = {
                    "stride": stride,
                    "id_skip": int(place > 0 or (stride == 1 and channels == out)),
                    "se": int(SQUEEZE_EXCITE[stage]),
                    "h_swish": int(ACTIVATIONS[stage] == "hswish"),
                }
                shapes = [size, size, channels], [small, small, out]
                blocks.append(
                    {
                        (kernel, ratio): table.query(
                            "expanded_conv", *shapes, mid=channels * ratio, ks=kernel, **rest
                        )
                        for kernel in KERNELS
                        for ratio in EXPANSIONS
                    }
                )
                size, channels = small, out
        fixed += table.query("Conv_1", [size, size, channels], [size, size, expand])
        fixed += table.query("AvgPool2D", [size, size, expand], [1, 1, expand])
        fixed += table.query("Conv_2", [1, 1, expand], [1, 1, widths.feature])
        fixed += table.query("Logits", [1, 1, widths.feature], [SUPERNET.classes])
        return cls(fixed, blocks)


@dataclass(frozen=True, slots=True)
class BlockLatencies:
    """What ``EvolutionFinder`` asks for latencies.

    Attributes:
        of_sizes: by resolution.
    """

    of_sizes: Mapping[int, Latencies]

    def get_efficiency(self, architecture: Architecture) -> float:
        """Return the latency of a network in milliseconds."""
        latencies = self.of_sizes[architecture["image_size"]]
        kernels, ratios = architecture["ks"], architecture["e"]
        total = latencies.fixed
        for stage, depth in enumerate(architecture["d"]):
            for slot in range(stage * MAX_DEPTH, stage * MAX_DEPTH + depth):
                total += latencies.blocks[slot][kernels[slot], ratios[slot]]
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
def _torchvision() -> Iterator[None]:
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
