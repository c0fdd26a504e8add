"""Profiles of models: how long one takes, and which operators take it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..devices.health import Health
from ..tables.measurement import Measurement
from .dissect.pieces import Piece


@dataclass(frozen=True, slots=True)
class PieceLatency:
    """A piece of a model, and how long it takes.

    Attributes:
        piece: that was timed.
        measured: one run of it.
    """

    piece: Piece
    measured: Measurement

    @property
    def total_ms(self) -> float:
        """What all its occurrences in the model take together."""
        return self.piece.times * self.measured.median_ms


@dataclass(frozen=True, slots=True)
class KindLatency:
    """All pieces of one kind.

    Attributes:
        kind: of their operators, as the format calls them.
        pieces: how many of them the model has, repetitions included.
        total_ms: that they take together.
        share: of the sum of all pieces, 0..1.
    """

    kind: str
    pieces: int
    total_ms: float
    share: float


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """How long a model takes on a device, and what its pieces take by themselves.

    Latencies of the whole and of the pieces are corrected to the same level of the machine.

    Attributes:
        model: name of its file.
        device: name.
        runtime: that ran it.
        runtime_version: as the runtime itself says.
        threads: that the runtime used.
        passes: processes that timed everything once each.
        whole: one inference of the whole model.
        pieces: that were timed, in the order in which they first run.
        failures: pieces that were not, each with the reason.
        agent_deaths: how often an agent had to be started again.
        seconds: that it took.
        health_before: of the device.
        health_after: of the device.
        cores: that it was pinned to; empty where the system chose.
    """

    model: str
    device: str
    runtime: str
    runtime_version: str
    threads: int
    passes: int
    whole: Measurement
    pieces: tuple[PieceLatency, ...]
    failures: tuple[tuple[Piece, str], ...]
    agent_deaths: int
    seconds: float
    health_before: Health
    health_after: Health
    cores: str = ""

    @property
    def sum_ms(self) -> float:
        """The sum of all pieces that were timed, as often as they occur."""
        return math.fsum(piece.total_ms for piece in self.pieces)

    @property
    def sum_over_whole(self) -> float:
        """The sum of the pieces over the whole: 1 where cutting changes nothing.

        A piece pays for being called by itself, and for tensors that no neighbour left in a cache.
        """
        return self.sum_ms / self.whole.median_ms

    def share(self, piece: PieceLatency) -> float:
        """Return the share of the sum that all occurrences of a piece have: 0..1."""
        return piece.total_ms / self.sum_ms

    @property
    def ranked(self) -> tuple[PieceLatency, ...]:
        """The pieces, those first that take most."""
        return tuple(sorted(self.pieces, key=lambda piece: -piece.total_ms))

    @property
    def kinds(self) -> tuple[KindLatency, ...]:
        """All pieces by kind, those first that take most."""
        found: dict[str, list[PieceLatency]] = {}
        for piece in self.pieces:
            found.setdefault(piece.piece.kind, []).append(piece)
        kinds = [
            KindLatency(
                kind=kind,
                pieces=sum(piece.piece.times for piece in pieces),
                total_ms=math.fsum(piece.total_ms for piece in pieces),
                share=math.fsum(map(self.share, pieces)),
            )
            for kind, pieces in found.items()
        ]
        return tuple(sorted(kinds, key=lambda kind: (-kind.total_ms, kind.kind)))
