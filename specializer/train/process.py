"""One process of a training run: alone, or one of several that ``torchrun`` started."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as distributed

from ...tables.errors import SartorError, UnknownNameError
from ..evaluate import torch_device

PRECISIONS = ("auto", "float32", "bfloat16")

_PATIENCE = timedelta(days=1)
"""How long processes wait while the first one checks images, asks the teacher or evaluates."""


@dataclass(frozen=True, slots=True)
class Process:
    """Where a process computes, and which of how many it is.

    Attributes:
        device: of torch.
        precision: ``float32``, or ``bfloat16`` for mixed precision.
        rank: counted from 0; the first one writes files and reports.
        world: number of processes.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "float32"
    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def mixed(self) -> AbstractContextManager[object]:
        """Compute what follows in the process's precision."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def wait_for_all(self) -> None:
        """Go on when every process has come this far; SartorError when one never will."""
        self.mean([])

    def any(self, *asked: bool) -> list[bool]:
        """Whether any process asks for each of some things: the same answer in all of them."""
        return [share > 0 for share in self.mean([float(one) for one in asked])]

    def mean(self, values: Sequence[float]) -> list[float]:
        """Average each of some values over the processes: the same answer in all of them.

        The values travel from processor to processor, so no GPU is waited for.

        Raises:
            SartorError: another process has ended.
        """
        if self.world == 1:
            return list(values)
        sums = torch.tensor([*values, 0.0], dtype=torch.float64)
        try:
            distributed.all_reduce(sums)
        except RuntimeError as error:  # gloo's have no type of their own
            raise SartorError(
                f"process {self.rank} of {self.world} gives up, because another one has ended; "
                "that one says why"
            ) from error
        return [total / self.world for total in sums.tolist()[:-1]]


def choose_device(name: str) -> torch.device:
    """Return the device of torch that ``auto``, ``cpu`` or ``cuda`` means here.

    Raises:
        UnknownNameError: it is none of these.
        RuntimeMissingError: there is no GPU that this build of torch can use.
    """
    if torch_device(name) == "cpu":
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


@contextmanager
def join(device: str = "auto", precision: str = "auto") -> Iterator[Process]:
    """Join the processes that ``torchrun`` started, or be the only one.

    Mixed precision is the default on GPUs; on processors bfloat16 was slower than float32.

    Raises:
        UnknownNameError: there is no such device or precision.
        RuntimeMissingError: there is no GPU.
    """
    if precision not in PRECISIONS:
        raise UnknownNameError("precision", precision, PRECISIONS)
    chosen = choose_device(device)
    if precision == "auto":
        precision = "bfloat16" if chosen.type == "cuda" else "float32"
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Process(chosen, precision)
        return
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    backend = "cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield Process(chosen, precision, distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()
