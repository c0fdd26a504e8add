"""A session with an agent: one process on a device, given jobs and listened to."""

from __future__ import annotations

import itertools
import json
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..devices.device import Device, Stream
from ..devices.patient import patient
from ..devices.texts import clean
from ..tables.cores import cores_text
from ..tables.errors import (
    AgentError,
    CoresError,
    DeviceError,
    RuntimeMissingError,
)
from ..tables.provenance import check_threads
from .archive import AGENT, AGENT_PACKAGE, temporary_file, with_archive
from .events import death, read_event, shown
from .messages import (
    Clock,
    Hello,
    MeasureJob,
    Refusal,
    Timing,
    read_busy_ms,
    read_hello,
    read_timings,
)
from .packs import Model, write_pack
from .provision.recipes import can_prepare
from .provision.using import preparing
from .reservation import busy, this_process
from .runtimes import Runtime
from .vitals import Vitals, read_vitals

_START_TIMEOUT_S = 300  # reading hundreds of megabytes of torch from a slow disk takes minutes
_JOB_TIMEOUT_S = 120
_MODEL_TIMEOUT_S = 5
_RUN_TIMEOUT_S = 1
_COMMAND_TIMEOUT_S = 30
_PATIENCE_S = 60
"""For another agent to end: one whose host was killed is at its last models."""

_OUTSTANDING = 2
_OUTSTANDING_FAR = 4
"""Jobs that wait on the device, so that it never waits for us; more where words take time."""


class AgentSession:
    """A running agent; a context manager that starts it and ends it.

    The agent's archive goes to the device once; models go to a folder of the session's own, which
    the agent removes when it ends, even if this process was killed. There is one agent at a time on
    a device: a new one waits for another to end, and gives up after a minute.

    Args:
        device: to run on.
        runtime: to run models with.
        threads: that the runtime may use.
        options: of the runtime, as a condition writes them.
        cores: that the agent is pinned to; none to leave the choice to the system.

    Attributes:
        hello: what the agent said when it started.
        busy_ms: how long it has been at work on its jobs, loading included.
        vitals: how the device was at the end of the job whose answer was yielded last.

    Raises (on entry):
        DeviceBusyError: another agent is at work on the device.
        RuntimeMissingError: the device lacks the runtime.
        CoresError: the device does not let the agent have its cores.
        FormatError: there are more threads than cores.
        AgentError: the agent did not start.
    """

    hello: Hello
    vitals: Vitals

    def __init__(
        self,
        device: Device,
        runtime: Runtime,
        threads: int = 1,
        options: str = "",
        cores: Sequence[int] = (),
    ) -> None:
        self._device, self._runtime, self._threads = patient(device), runtime, threads
        self._options, self._cores, self.busy_ms = options, tuple(cores), 0.0
        self._folder = device.root / "agents" / uuid.uuid4().hex[:12]
        # Two counters, because models may be placed from another thread than jobs are sent from.
        self._models, self._jobs = itertools.count(1), itertools.count(1)

    def __enter__(self) -> AgentSession:
        try:
            with_archive(self._device, self._begin)
        except BaseException:
            with suppress(DeviceError):  # the next agent removes it
                self._remove_folder()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def place(self, models: Sequence[Model]) -> tuple[str, ...]:
        """Put models on the device, in one go where a connection lies between.

        That may be done before the agent starts.

        Returns:
            The names by which jobs refer to them, in their order.
        """
        number, suffix = next(self._models), self._runtime.suffix
        names = tuple(f"{number}/{index}{suffix}" for index in range(len(models)))
        if self._device.remote:
            with temporary_file() as pack:
                write_pack(pack, names, models)
                self._device.push(pack, self._folder / f"{number}.pack")
        else:
            for name, model in zip(names, models, strict=True):
                self._push(model, name)
        return names

    def measure(self, jobs: Iterable[MeasureJob]) -> Iterator[tuple[Timing | Refusal, ...]]:
        """Time models; answers come in the order of the jobs, one for each model of a job.

        The next jobs are sent while the agent is busy with one, so that it never waits.

        Raises:
            AgentError: the agent died or broke its protocol over the first job whose answer was
                not yielded.
            DeviceTimeoutError: it took too long over that job, and was killed.
        """
        outstanding = _OUTSTANDING_FAR if self._device.remote else _OUTSTANDING
        waiting: deque[tuple[int, MeasureJob]] = deque()
        for job in jobs:
            waiting.append((self._send(**job.to_dict()), job))
            if len(waiting) > outstanding:
                yield self._timings(*waiting.popleft())
        while waiting:
            yield self._timings(*waiting.popleft())

    def _timings(self, number: int, job: MeasureJob) -> tuple[Timing | Refusal, ...]:
        count = len(job.models)
        answer = self._receive(number, _JOB_TIMEOUT_S + _MODEL_TIMEOUT_S * count)
        if "full" in answer:
            raise DeviceError(
                f"{self._device.name} has no room for the models of a batch: "
                f"{shown(answer['full'])}; free some space in {self._device.root}"
            )
        try:
            timings = read_timings(answer, count, self._clock)
            self.busy_ms += read_busy_ms(answer)
            if "vitals" in answer:  # a job that failed as a whole has none
                self.vitals = read_vitals(answer["vitals"])
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise AgentError(
                f"{self._called} answered {shown(answer)} to job {number}, which makes no sense: "
                f"{error}"
            ) from error
        return timings

    def infer(self, model: str, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run a model with one input and one output on a stack of batches.

        Args:
            model: as ``place`` named it; it is gone afterwards.
            inputs: (runs, batch, channels, height, width), whatever layout the runtime takes.

        Returns:
            (runs, batch, channels, height, width) or (runs, batch, channels).

        Raises:
            AgentError: the model does not run.
        """
        stored = inputs.transpose(0, 1, 3, 4, 2) if self._runtime.channels_last else inputs
        with temporary_file() as path:
            with path.open("wb") as file:
                np.save(file, np.ascontiguousarray(stored, np.float32), allow_pickle=False)
            self._device.push(path, self._folder / "inputs.npy")
            number = self._send(infer=model, inputs="inputs.npy", outputs="outputs.npy", keep=False)
            answer = self._receive(number, _JOB_TIMEOUT_S + _RUN_TIMEOUT_S * len(inputs))
            if "error" in answer:
                raise AgentError(f"{self._called} cannot run {model}: {answer['error']}")
            self._device.pull(self._folder / "outputs.npy", path)
            outputs: NDArray[np.float32] = np.load(path, allow_pickle=False)
        if self._runtime.channels_last and outputs.ndim == inputs.ndim:
            outputs = outputs.transpose(0, 1, 4, 2, 3)
        return outputs

    @property
    def _called(self) -> str:
        return f"the {self._runtime.name} agent on {self._device.name}"

    def _begin(self) -> None:
        """Start the agent and hear what it is; end it when that fails."""
        self._stream = self._start()
        try:
            self.hello = self._greet()
        except BaseException:
            self._stream.close()
            raise

    def _start(self) -> Stream:
        called = ":".join(filter(None, (self._runtime.name, self._options)))
        lock = (str(self._device.root / "agent"), this_process(), f"{_PATIENCE_S:g}")
        cores = ",".join(map(str, self._cores))
        arguments = (called, str(self._threads), str(self._folder), *lock, cores)
        return self._device.open_stream(
            [self._device.python, "-m", AGENT_PACKAGE, *arguments],
            {"PYTHONPATH": str(AGENT.path(self._device)), "ORT_DISABLE_TELEMETRY": "1"},
        )

    def _end(self) -> None:
        """End the agent, and clear up after one that was killed: any other has done so itself."""
        if self._stream.close():
            self._remove_folder()

    def _remove_folder(self) -> None:
        self._device.run(["rm", "-rf", str(self._folder)], _COMMAND_TIMEOUT_S)

    def _push(self, model: Model, name: str) -> None:
        if isinstance(model, Path):
            self._device.push(model, self._folder / name)
            return
        with temporary_file(model) as path:
            self._device.push(path, self._folder / name)

    def _greet(self) -> Hello:
        event = self._read(_START_TIMEOUT_S)
        if event.get("event") == "taken":
            raise busy(self._device.name, str(event.get("by")))
        if event.get("event") == "missing":
            python = self._device.python
            install = f"install it there: {python} -m pip install {self._runtime.distribution}"
            if self._device.remote and can_prepare(self._runtime.name):
                install = f"put it there: {preparing(self._device.name, self._runtime.name)}"
            raise RuntimeMissingError(
                f"{python} on {self._device.name} cannot import {self._runtime.name}: "
                f"{event.get('error')}; {event.get('advice', install)}"
            )
        if event.get("event") == "failed":
            raise DeviceError(
                f"{self._called} has no folder in {self._device.root}: "
                f"{clean(str(event.get('error')))}; check free space and permissions there"
            )
        if event.get("event") == "unpinned":
            raise self._refused_cores(clean(str(event.get("error"))))
        try:
            self.vitals = read_vitals(event["vitals"])
            self._clock = Clock(datetime.now(timezone.utc), self.vitals.at_s)
            hello = read_hello(event)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise AgentError(f"{self._called} did not introduce itself: {shown(event)}") from error
        if self._cores and hello.affinity != self._cores:
            raise self._refused_cores(f"it runs on {cores_text(hello.affinity) or 'none'}")
        check_threads(self._threads, hello.affinity)
        return hello

    def _refused_cores(self, why: str) -> CoresError:
        return CoresError(
            f"{self._called} cannot run on cores {cores_text(self._cores)}: {why}; "
            "name cores that are on line and not kept from it, or leave out --cores"
        )

    def _send(self, **job: object) -> int:
        """Send a job and return its number."""
        number = next(self._jobs)
        try:
            self._stream.send_line(json.dumps({"job": number, **job}))
        except DeviceError as error:
            raise death(self._stream, self._called) from error
        return number

    def _receive(self, number: int, timeout_s: float) -> Mapping[str, Any]:
        """Return the answer to a job; answers come in the order of the jobs."""
        event = self._read(timeout_s)
        if event.get("job") != number:
            raise AgentError(f"{self._called} answered {shown(event)} to job {number}")
        return event

    def _read(self, timeout_s: float) -> Mapping[str, Any]:
        return read_event(self._stream, self._called, timeout_s)
