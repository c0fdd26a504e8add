"""Which wheels bring a runtime to a Linux device: data, looked up in November 2026.

Source: what the Python Package Index lists for each version: the Pythons, the processors and, in
the ``manylinux`` tag (PEP 600), the oldest glibc that each wheel is for. Versions are pinned, so
that devices of a fleet do not differ by the day on which they were prepared. Of what a runtime
declares to need, only that is here which it imports to run a model: numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...tables.errors import RuntimeMissingError
from ..runtimes import find_runtime

ARCHITECTURES = ("x86_64", "aarch64")
"""As ``uname -m`` names them."""

PYTHONS = tuple((3, minor) for minor in range(9, 14))


@dataclass(frozen=True, slots=True)
class Recipe:
    """Wheels that make up a runtime, and what has to be there for them.

    Attributes:
        runtime: a name in ``RUNTIMES``.
        pins: (distribution, version) of all wheels; the first brings the runtime.
        module: what to import of it.
        pythons: (major, minor) versions that all of the wheels exist for.
        glibc: the oldest version that they run with, by architecture.
    """

    runtime: str
    pins: tuple[tuple[str, str], ...]
    module: str
    pythons: tuple[tuple[int, int], ...]
    glibc: Mapping[str, tuple[int, int]]

    def fits(self, python: tuple[int, int], architecture: str, glibc: tuple[int, int]) -> bool:
        """Whether it runs on such a Python, processor and C library."""
        oldest = self.glibc.get(architecture)
        return python in self.pythons and oldest is not None and glibc >= oldest


_LITERT = "ai_edge_litert.interpreter"
_TFLITE = "tflite_runtime.interpreter"
_NUMPY_1, _NUMPY_2, _NUMPY_OF_3_9 = ("numpy", "1.26.4"), ("numpy", "2.2.6"), ("numpy", "2.0.2")


def _from(x86_64: tuple[int, int], aarch64: tuple[int, int]) -> Mapping[str, tuple[int, int]]:
    return {"x86_64": x86_64, "aarch64": aarch64}


RECIPES: tuple[Recipe, ...] = (
    Recipe(
        runtime="litert",
        module=_LITERT,
        pins=(("ai-edge-litert", "2.3.0"), _NUMPY_2),
        pythons=PYTHONS[1:],
        glibc=_from((2, 27), (2, 27)),
    ),
    Recipe(
        runtime="litert",
        module=_LITERT,
        pins=(("ai-edge-litert", "2.1.0"), _NUMPY_OF_3_9),
        pythons=PYTHONS[:1],
        glibc=_from((2, 27), (2, 27)),
    ),
    Recipe(
        runtime="onnxruntime",
        module="onnxruntime",
        pins=(("onnxruntime", "1.32.0"), _NUMPY_2),
        pythons=PYTHONS[2:],
        glibc=_from((2, 28), (2, 28)),
    ),
    Recipe(
        runtime="onnxruntime",
        module="onnxruntime",
        pins=(("onnxruntime", "1.23.2"), _NUMPY_2),
        pythons=PYTHONS[1:],
        glibc=_from((2, 27), (2, 27)),
    ),
    Recipe(
        runtime="onnxruntime",
        module="onnxruntime",
        pins=(("onnxruntime", "1.19.2"), _NUMPY_OF_3_9),
        pythons=PYTHONS[:1],
        glibc=_from((2, 27), (2, 27)),
    ),
    # These were built for NumPy 1.
    Recipe(
        runtime="tflite-runtime",
        module=_TFLITE,
        pins=(("tflite-runtime", "2.14.0"), _NUMPY_1),
        pythons=PYTHONS[:3],
        glibc=_from((2, 17), (2, 34)),
    ),
    Recipe(
        runtime="tflite-runtime",
        module=_TFLITE,
        pins=(("tflite-runtime", "2.13.0"), _NUMPY_1),
        pythons=PYTHONS[:2],
        glibc=_from((2, 17), (2, 17)),
    ),
)
"""The better ones of a runtime first."""

_BY_HAND = {
    # Which build of it is right depends on the GPU and its driver, and the builds are gigabytes.
    "torch": "install the build of torch that suits its GPU there yourself, in an environment of "
    "its own, and name that by --python",
    "benchmark_model": "it is a program of Google's, and no wheel",
}


def can_prepare(runtime: str) -> bool:
    """Whether a runtime is one that Sartor puts on devices."""
    return any(recipe.runtime == runtime for recipe in RECIPES)


def recipes_of(runtime: str) -> tuple[Recipe, ...]:
    """Return all recipes of a runtime.

    Raises:
        UnknownNameError: there is no such runtime.
        RuntimeMissingError: it is none that Sartor puts on devices.
    """
    find_runtime(runtime)
    if found := tuple(recipe for recipe in RECIPES if recipe.runtime == runtime):
        return found
    raise RuntimeMissingError(f"Sartor puts no {runtime} on devices; {_BY_HAND[runtime]}")
