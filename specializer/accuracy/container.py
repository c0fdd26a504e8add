"""Files of accuracy predictors: named arrays in one ``.npz``, which run no code when read."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...tables.atomic import write_atomically
from ...tables.errors import CheckpointError
from ..space import SearchSpace

Arrays = Mapping[str, NDArray[np.generic]]

_SPACE, _KIND = "space", "kind"
OLDEST_KIND = "mlp"
"""What a file without a kind holds: the first predictors were all of one."""

_UNREADABLE = (
    *(OSError, EOFError, zipfile.BadZipFile, zlib.error),  # no whole zip file
    *(LookupError, ValueError, TypeError, AttributeError, RuntimeError),  # one of something else
)


def write_arrays(path: Path, space: SearchSpace, arrays: Arrays, kind: str = OLDEST_KIND) -> None:
    """Write a predictor's arrays; OutputError when it cannot be written."""
    head: dict[str, NDArray[np.generic]] = {_SPACE: np.array(_description(space))}
    if kind != OLDEST_KIND:
        head[_KIND] = np.array(kind)
    file = io.BytesIO()
    np.savez_compressed(file, **head, **arrays)  # type: ignore[arg-type] # none is allow_pickle
    write_atomically(path, file.getvalue())


def read_arrays(path: Path, space: SearchSpace) -> tuple[str, dict[str, NDArray[np.generic]]]:
    """Read what ``write_arrays`` wrote for the same space: the kind, and the arrays.

    Raises:
        CheckpointError: the file cannot be read, is no predictor, or is for another space.
    """
    with readable(path):
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = dict(file)
        described = str(arrays.pop(_SPACE))
        kind = str(arrays.pop(_KIND, OLDEST_KIND))
    if described != _description(space):
        raise CheckpointError(f"{path} predicts for another search space than {space.name}")
    return kind, arrays


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever a file of something else leads to into a CheckpointError."""
    try:
        yield
    except CheckpointError:
        raise
    except _UNREADABLE as error:
        raise CheckpointError(
            f"{path} is no readable accuracy predictor ({error}); fetch or fit it again"
        ) from error


def check_finite(space: SearchSpace, *arrays: NDArray[np.floating] | float) -> None:
    """Raise CheckpointError unless every number of a predictor is finite."""
    if not all(np.isfinite(array).all() for array in arrays):
        raise CheckpointError(
            f"the accuracy predictor for {space.name} holds numbers that are not finite"
        )


def _description(space: SearchSpace) -> str:
    described = asdict(space)
    if not space.axes:  # spaces had none when the first predictors were written
        del described["axes"]
    return json.dumps(described)
