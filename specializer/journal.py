"""Journals of evaluations: one line each, so that nothing is evaluated twice.

JSON Lines. The first says what is evaluated on what (``Subject``), every other one
``{"subnetwork": TEXT, "top1": 0.876, "log_likelihood": -0.41, "images": 1000}``.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ..tables.errors import CheckpointError, FormatError, OutputError
from .evaluate import Score


@dataclass(frozen=True, slots=True)
class Subject:
    """What accuracies depend on beside the sub-network.

    Attributes:
        supernet: its name.
        weights_sha256: of its weights.
        judged_images: how many images are judged on.
        judged_sha256: of their names.
        calibration_images: how many images BatchNorm is recalibrated with.
        calibration_sha256: of their names.
    """

    supernet: str
    weights_sha256: str
    judged_images: int
    judged_sha256: str
    calibration_images: int
    calibration_sha256: str

    def difference(self, other: Subject) -> str:
        """Say in a few words what another subject differs in; empty when in nothing."""
        if (self.supernet, self.weights_sha256) != (other.supernet, other.weights_sha256):
            return f"another supernet ({other.supernet}, weights {other.weights_sha256[:12]})"
        if (self.judged_images, self.judged_sha256) != (other.judged_images, other.judged_sha256):
            return f"other judged images ({other.judged_images})"
        if self != other:
            return f"other images to recalibrate with ({other.calibration_images})"
        return ""


class Journal:
    """Evaluations of one subject, read once and appended to; made by ``Journal.open``.

    Attributes:
        scores: what is known, by the text of a sub-network.
    """

    def __init__(self, path: Path, file: IO[bytes], subject: Subject) -> None:
        self._path, self._file, self._subject = path, file, subject
        self.scores: dict[str, Score] = {}

    @classmethod
    @contextmanager
    def open(cls, path: Path, subject: Subject) -> Iterator[Journal]:
        """Open a journal for this process alone; it is made where there is none.

        The last line may be torn, when its writer was killed; it is cut off.

        Raises:
            CheckpointError: it is no journal, or one of another subject.
            OutputError: it cannot be written, or another process is writing it.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+b", buffering=0)
        except OSError as error:
            raise OutputError(
                f"cannot write {path}: {error.strerror}; name another --out"
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise OutputError(
                    f"another process is writing {path}; wait for it, or name another --out"
                ) from error
            journal = cls(path, file, subject)
            journal._read()
            yield journal

    def add(self, subnetwork: str, score: Score) -> None:
        """Write down an evaluation; OutputError when the disk does not take it."""
        self.scores[subnetwork] = score
        row = {"subnetwork": subnetwork, **asdict(score), "images": self._subject.judged_images}
        self._write(json.dumps(row).encode() + b"\n")

    def _read(self) -> None:
        """Take in what there is; nothing is cut off a file that is no journal of this subject."""
        self._file.seek(0)
        whole, newline, torn = self._file.read().rpartition(b"\n")
        header, *rows = whole.splitlines() or [b""]
        try:
            found = Subject(**json.loads(header)) if newline else self._subject
            for row in map(json.loads, rows):
                score = Score(float(row["top1"]), float(row["log_likelihood"]))
                self.scores[str(row["subnetwork"])] = score
            if not newline and not self._header.startswith(torn):
                raise FormatError("the first line is no header")
        except (ValueError, LookupError, TypeError) as error:
            raise CheckpointError(
                f"{self._path} is no journal of evaluations; remove it, or name another --out"
            ) from error
        if difference := self._subject.difference(found):
            raise CheckpointError(
                f"{self._path} is of {difference}; remove it, or name another --out"
            )
        self._file.truncate(len(whole) + len(newline))
        if not newline:
            self._write(self._header)

    @property
    def _header(self) -> bytes:
        return json.dumps(asdict(self._subject)).encode() + b"\n"

    def _write(self, line: bytes) -> None:
        try:
            while line:  # a disk that fills up takes a part first
                line = line[self._file.write(line) :]
        except OSError as error:
            raise OutputError(
                f"cannot write {self._path}: {error.strerror}; what it has is kept: "
                "free some space, and the same command goes on"
            ) from error
