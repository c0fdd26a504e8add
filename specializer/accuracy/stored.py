"""Reading an accuracy predictor of any kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ...tables.errors import CheckpointError
from ..space import SearchSpace
from .comparator import KIND as COMPARATOR
from .comparator import Comparator
from .container import OLDEST_KIND, Arrays, read_arrays, readable
from .ensemble import KIND as ENSEMBLE
from .ensemble import Ensemble
from .gaussian_process import KIND as GAUSSIAN_PROCESS
from .gaussian_process import GaussianProcess
from .predictor import MlpPredictor, StoredPredictor

_KINDS: Mapping[str, Callable[[SearchSpace, Arrays], StoredPredictor]] = {
    OLDEST_KIND: MlpPredictor.from_arrays,
    COMPARATOR: Comparator.from_arrays,
    ENSEMBLE: Ensemble.from_arrays,
    GAUSSIAN_PROCESS: GaussianProcess.from_arrays,
}


def load_predictor(path: Path, space: SearchSpace) -> StoredPredictor:
    """Read what any predictor's ``save`` wrote for the same space.

    Raises:
        CheckpointError: the file cannot be read, is no predictor, or is for another space.
    """
    kind, arrays = read_arrays(path, space)
    if kind not in _KINDS:
        raise CheckpointError(
            f"{path} holds an accuracy predictor of a kind that this Sartor does not know, "
            f"{kind!r}; update Sartor, or fit it again with: sartor evaluate"
        )
    with readable(path):
        return _KINDS[kind](space, arrays)
