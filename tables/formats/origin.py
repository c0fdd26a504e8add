"""Origins: what is known of a public table besides its numbers, which is little."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..errors import FormatError
from ..provenance import Condition, Provenance

UNKNOWN = "unknown"

ASSUMED = "assumed"
"""Option of a condition whose threads, batch and data type nobody stated: 1, 1 and float32."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a public table comes from.

    Attributes:
        name: of the table to be.
        file: its name, without the folder.
        content: all of it.
        device: on which it was measured, as the user says.
        runtime: by which it was measured, as the user says.
        imported_at: UTC, ISO 8601.
        sartor_version: that imports it.

    Raises:
        FormatError: the device's name is empty.
    """

    name: str
    file: str
    content: bytes
    imported_at: str
    sartor_version: str
    device: str = UNKNOWN
    runtime: str = UNKNOWN

    def __post_init__(self) -> None:
        if not self.device.strip():
            raise FormatError("a device has to have a name; say nothing where nobody knows it")

    def provenance(self, written_as: str) -> Provenance:
        """Say what is known, and of all else that it is not."""
        facts = {
            "file": self.file,
            "file_sha256": hashlib.sha256(self.content).hexdigest(),
            "format": written_as,
            "imported_at": self.imported_at,
        }
        return Provenance(
            device=self.device,
            facts=tuple(sorted(facts.items())),
            condition=Condition(self.runtime, options=ASSUMED),
            runtime_version=UNKNOWN,
            runtime_sha256=UNKNOWN,
            agent_version=UNKNOWN,
            writer_version=UNKNOWN,
            created_at=UNKNOWN,
            sartor_version=self.sartor_version,
        )
