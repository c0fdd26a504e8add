"""Provenance: under what circumstances the numbers of a table were measured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from .cores import cores_text, parse_cores
from .errors import FormatError
from .operator import DTYPES

_NAME = "[a-z][a-z0-9_-]*"
_COUNT = "[1-9][0-9]*"
_TEXT = re.compile(
    f"({_NAME})/threads=({_COUNT}),batch=({_COUNT})(?:,cores=([0-9,-]+))?"
    f"/({'|'.join(DTYPES)})/(-|[a-z0-9_][a-z0-9_=,.-]*)"
)
_FORM = "RUNTIME/threads=N,batch=N/DTYPE/OPTIONS, and ,cores=LIST after the batch if pinned"

_HARDWARE = ("architecture", "cores", "cpu_model", "governor")
"""Facts that tell one machine from another of the same name."""

_GPU = ("gpu", "gpu_driver", "gpu_mig")
"""Further ones, where a GPU did the work."""


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """How a runtime was asked to run: tables of different conditions never mix.

    The text reads back: ``litert/threads=1,batch=1/float32/-``, and pinned to cores
    ``litert/threads=4,batch=1,cores=4-7/float32/-``.

    Attributes:
        runtime: a name in the profiler's ``RUNTIMES``; of a table that others published, what is
            said of it, or ``unknown``.
        threads: that the runtime may use.
        batch: samples in one inference.
        dtype: of activations and weights.
        options: of the runtime, in its own words; empty for its defaults.
        cores: that it was pinned to, as ``cores_text`` writes them; empty where the system chose.
            By number, not by a name such as ``big``: one set of cores has one text.

    Raises:
        FormatError: a field makes no sense, or there are more threads than cores.
    """

    runtime: str
    threads: int = 1
    batch: int = 1
    dtype: str = "float32"
    options: str = ""
    cores: str = ""

    def __post_init__(self) -> None:
        if _TEXT.fullmatch(str(self)) is None or self.options == "-":
            raise FormatError(f"{str(self)!r} is not {_FORM}")
        if self.cores != cores_text(self.pinned):
            raise FormatError(f"the cores {self.cores} are written {cores_text(self.pinned)}")
        check_threads(self.threads, self.pinned)

    def __str__(self) -> str:
        counts = f"threads={self.threads},batch={self.batch}"
        pinned = f",cores={self.cores}" if self.cores else ""
        return f"{self.runtime}/{counts}{pinned}/{self.dtype}/{self.options or '-'}"

    @property
    def pinned(self) -> tuple[int, ...]:
        """The cores that it was pinned to; none where the system chose."""
        return parse_cores(self.cores) if self.cores else ()

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU does the work, as far as the options say."""
        return "=cuda" in self.options

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read back what ``str(condition)`` wrote; FormatError when it is anything else."""
        if (match := _TEXT.fullmatch(text)) is None:
            raise FormatError(f"{text!r} is not {_FORM}")
        runtime, threads, batch, cores, dtype, options = match.groups()
        options = "" if options == "-" else options
        return cls(runtime, int(threads), int(batch), dtype, options, cores or "")


def check_threads(threads: int, cores: Sequence[int]) -> None:
    """Raise FormatError if threads would have to share cores: what they time then is the sharing.

    Args:
        threads: that a runtime is to use.
        cores: that it may use; empty where nobody knows.
    """
    if cores and threads > len(cores):
        places = f"cores {cores_text(cores)}" if len(cores) > 1 else f"core {cores[0]}"
        raise FormatError(
            f"{threads} threads would share the {places}; "
            f"ask for --threads {len(cores)} at most, or for more --cores"
        )


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the numbers of one table come from.

    Attributes:
        device: its name, as a user gives it.
        facts: (name, value) pairs about the device, sorted by name.
        condition: how the runtime was asked to run.
        runtime_version: as the runtime itself says.
        runtime_sha256: of the runtime's main binary, because builds of one version differ.
        agent_version: of the program that took the samples.
        writer_version: of the code that wrote the models.
        created_at: UTC, ISO 8601.
        sartor_version: that created the table.
    """

    device: str
    facts: tuple[tuple[str, str], ...]
    condition: Condition
    runtime_version: str
    runtime_sha256: str
    agent_version: str
    writer_version: str
    created_at: str
    sartor_version: str

    @property
    def identity(self) -> dict[str, str]:
        """What must agree, by name, before two measurements may share a table."""
        facts = dict(self.facts)
        telling = (*_HARDWARE, *(_GPU if self.condition.on_gpu else ()))
        return {
            "device": self.device,
            "condition": str(self.condition),
            "runtime version": self.runtime_version,
            "runtime binary": self.runtime_sha256,
            "agent version": self.agent_version,
            "writer version": self.writer_version,
        } | {name: facts.get(name, "unknown") for name in telling}

    def to_dict(self) -> dict[str, object]:
        """Write the provenance as an object of JSON."""
        return asdict(self) | {"facts": dict(self.facts), "condition": str(self.condition)}

    @classmethod
    def from_dict(cls, values: object) -> Provenance:
        """Read back what ``to_dict`` wrote; FormatError when it is anything else."""
        names = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or values.keys() != names:
            raise FormatError(f"a provenance is an object of {', '.join(sorted(names))}")
        facts = values["facts"]
        if not isinstance(facts, dict):
            raise FormatError("the facts of a provenance are an object")
        plain = {name: value for name, value in values.items() if name != "facts"}
        if not all(isinstance(text, str) for text in (*facts.values(), *plain.values())):
            raise FormatError("a provenance holds texts only")
        condition = Condition.parse(values["condition"])
        return cls(**plain | {"facts": tuple(sorted(facts.items())), "condition": condition})
