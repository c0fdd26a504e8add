"""Evaluations on many processes, of this host or of others, by Dask.

A task is an assignment and a sub-network, a few hundred bytes: each process loads the supernet and
decodes the images itself, once. A task whose process dies is given to another one.

Dask rather than Ray: it is pure Python, the same code runs on processes here and over TCP on many
hosts, and no daemon has to be there first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ..tables.errors import (
    CheckpointError,
    CommandFailedError,
    DeviceUnreachableError,
    RuntimeMissingError,
)
from .allocator import keep_freed_memory
from .assignment import Assignment
from .evaluate import Score
from .journal import Subject
from .space import SubNetwork

if TYPE_CHECKING:
    from distributed import Client

    from .evaluations import Evaluator

CONNECT_TIMEOUT_S = 20
WORKERS_TIMEOUT_S = 60


@dataclass(frozen=True)
class Cluster:
    """Evaluates an assignment on many processes.

    Attributes:
        assignment: whose paths every worker can read.
        subject: what it evaluates; a worker that finds something else under the same paths is
            refused.
        workers: processes to start here.
        scheduler: address of a running cluster to use in their place, such as
            ``tcp://10.0.0.5:8786``.
    """

    assignment: Assignment
    subject: Subject
    workers: int = 1
    scheduler: str | None = None

    def evaluate(self, subnetworks: Sequence[SubNetwork]) -> Iterator[tuple[SubNetwork, Score]]:
        """Yield each sub-network with its score as soon as a worker has it.

        Raises:
            RuntimeMissingError: Dask is not installed here, or Sartor not on a worker.
            DeviceUnreachableError: no scheduler answers, or it has no workers.
            CommandFailedError: one sub-network after another ends its process.
            CheckpointError: a worker reads another supernet or other images.
            DatasetError: a worker cannot read an image.
        """
        if not subnetworks:
            return
        with ExitStack() as stack:
            client = self._connect(stack)
            from distributed import KilledWorker, as_completed

            futures = {
                client.submit(_evaluate, self.assignment, self.subject, subnetwork, pure=False): (
                    subnetwork
                )
                for subnetwork in subnetworks
            }
            try:
                for future in as_completed(futures):
                    yield futures[future], Score(*future.result())
            except KilledWorker as error:
                raise CommandFailedError(
                    "evaluating one sub-network ended several workers, perhaps for want of "
                    "memory; start fewer of them"
                ) from error
            except ImportError as error:
                raise RuntimeMissingError(
                    f"a worker lacks something ({error}); install there what is installed here: "
                    "pip install 'sartor[torch,dask]'"
                ) from error
            finally:
                client.cancel(list(futures), force=True)

    def _connect(self, stack: ExitStack) -> Client:
        """Start or find the workers; the stack ends what was started."""
        try:
            import cryptography  # noqa: F401 (Dask wants it for its keys, and imports it late)
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise RuntimeMissingError(
                "more than one process needs Dask; install it with: pip install 'sartor[dask]'"
            ) from error
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        if self.scheduler is None:
            local = LocalCluster(
                n_workers=self.workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",  # nobody else can reach it,
                security=True,  # nor can other users of this host
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
                memory_limit=0,  # images that are kept are no leak to restart a worker for
            )
            client: Client = stack.enter_context(Client(stack.enter_context(local)))
            return client
        try:
            client = stack.enter_context(Client(self.scheduler, timeout=CONNECT_TIMEOUT_S))
        except (OSError, ValueError) as error:
            raise DeviceUnreachableError(
                f"no Dask scheduler answers at {self.scheduler}; start one with: dask scheduler"
            ) from error
        try:
            client.wait_for_workers(1, timeout=WORKERS_TIMEOUT_S)
        except TimeoutError as error:
            raise DeviceUnreachableError(
                f"the scheduler at {self.scheduler} has no workers; start some with: "
                f"dask worker {self.scheduler} --nthreads 1"
            ) from error
        return client


@lru_cache(maxsize=1)
def _evaluator(assignment: Assignment, subject: Subject) -> Evaluator:
    """Make what a worker keeps; one thread, because there is a worker for every core."""
    import torch

    torch.set_num_threads(1)
    keep_freed_memory()
    evaluator = assignment.evaluator()
    if difference := subject.difference(evaluator.subject):
        raise CheckpointError(
            f"a worker has {difference} under the same path; give all hosts the same files"
        )
    return evaluator


def _evaluate(
    assignment: Assignment, subject: Subject, subnetwork: SubNetwork
) -> tuple[float, ...]:
    """Evaluate one sub-network in a worker."""
    evaluator = _evaluator(assignment, subject)
    return astuple(evaluator.score(evaluator.network(subnetwork)))
