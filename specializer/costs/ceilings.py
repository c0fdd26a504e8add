"""Ceilings: the most that a network may cost in anything but latency, as limits of a search."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ...profiler.runtimes import RUNTIMES, Runtime
from ...tables.curve import Curve
from ...tables.errors import BudgetError
from ..choice import model_file, size_of
from ..cost import CostTensor
from ..search.problem import Limit
from ..supernets.supernet import Supernet
from .counted import compile_multiply_adds, compile_parameters
from .file_size import compile_file_size
from .peak import PeakTensor, compile_peak

MILLION = 1e6
"""Also the bytes of a MB."""

MEMORY = "activation memory"

_MILLIONTH = Curve((MILLION,), (1.0,))


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What is limited besides latency; None is not.

    Attributes:
        multiply_adds: of one image.
        parameters: number of weights, BatchNorm folded.
        memory_mb: peak memory of activations, in 10⁶ bytes.
        file_mb: size of the model's file, in 10⁶ bytes.

    Raises:
        BudgetError: one of them is no positive, finite number.
    """

    multiply_adds: float | None = None
    parameters: float | None = None
    memory_mb: float | None = None
    file_mb: float | None = None

    def __post_init__(self) -> None:
        for what, unit, most in (
            ("multiply-adds", "multiply-adds", self.multiply_adds),
            ("parameters", "weights", self.parameters),
            (MEMORY, "MB", self.memory_mb),
            ("the size of a file", "MB", self.file_mb),
        ):
            if most is not None and not (math.isfinite(most) and most > 0):
                raise BudgetError(f"a limit of {what} is a positive number of {unit}, not {most:g}")


@dataclass(frozen=True)
class Costs:
    """What the networks of a supernet cost, each kind compiled when it is first asked for.

    Attributes:
        supernet: whose networks.
    """

    supernet: Supernet

    @cached_property
    def multiply_adds(self) -> CostTensor:
        """Of one image, in millions."""
        return compile_multiply_adds(self.supernet).through(_MILLIONTH)

    @cached_property
    def parameters(self) -> CostTensor:
        """Number of weights, in millions."""
        return compile_parameters(self.supernet).through(_MILLIONTH)

    @cached_property
    def memory(self) -> PeakTensor:
        """Peak memory of activations, in MB."""
        peak = compile_peak(self.supernet)
        return replace(peak, fixed=peak.fixed / MILLION, choice=peak.choice / MILLION)

    def file_size(self, runtime: Runtime) -> CostTensor:
        """Size of a runtime's model file, in MB."""
        if runtime.suffix not in self._file_sizes:
            size = compile_file_size(self.supernet, runtime).through(_MILLIONTH)
            self._file_sizes[runtime.suffix] = size
        return self._file_sizes[runtime.suffix]

    @cached_property
    def _file_sizes(self) -> dict[str, CostTensor]:
        """What was asked for, by the suffix of the file."""
        return {}

    def limits(self, ceilings: Ceilings, runtimes: Sequence[Runtime]) -> Iterator[Limit]:
        """Yield a limit for each ceiling that there is; for that of files one for each format.

        Args:
            ceilings: that networks have to keep to.
            runtimes: whose files are meant.
        """
        if (most := ceilings.multiply_adds) is not None:
            yield Limit("multiply-adds", "M", self.multiply_adds, _MILLIONTH.at(most))
        if (most := ceilings.parameters) is not None:
            yield Limit("parameters", "M", self.parameters, _MILLIONTH.at(most))
        if (most := ceilings.memory_mb) is not None:
            yield Limit(MEMORY, "MB", self.memory, most)
        if (most := ceilings.file_mb) is not None:
            for suffix, runtime in {runtime.suffix: runtime for runtime in runtimes}.items():
                yield Limit(size_of(model_file(suffix)), "MB", self.file_size(runtime), most)


def shipping(runtime: str) -> tuple[Runtime, ...]:
    """Return the runtimes whose files networks for a condition are shipped in.

    Args:
        runtime: of the condition. One for which nothing is shipped, such as that of a published
            table, may be run by any.
    """
    suffixes = {each.suffix: each for each in RUNTIMES.values() if each.shipped}
    found = RUNTIMES.get(runtime)
    if found is not None and found.suffix in suffixes:
        return (suffixes[found.suffix],)
    return tuple(suffixes.values())
