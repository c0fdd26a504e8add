"""A session with benchmark_model in the place of an agent: the same jobs, the same answers.

What it times is not quite what an agent times, and a table says so: its ``agent_version`` is
``benchmark_model`` and a number, its runtime's hash that of the tool. The tool tells statistics and
no latency of a single inference, so a *sample* of such a table is the mean of one run of the tool,
and a window holds one sample for each of several runs. Each run is a process of its own, started on
model after model in turns. The tool runs one model again and again, so operators are found warm.
"""

from __future__ import annotations

import itertools
import re
import secrets
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import PurePosixPath
from types import TracebackType

from ...devices.device import Device
from ...devices.health import parse_health
from ...devices.texts import clean
from ...tables.cores import cores_text, parse_cores
from ...tables.errors import (
    AgentError,
    CommandFailedError,
    CoresError,
    FormatError,
    ModelFileError,
    RuntimeMissingError,
)
from ..archive import temporary_file
from ..messages import Hello, MeasureJob, Refusal, Timing
from ..packs import Model
from ..provision.bundle import tar_of
from ..provision.bundle_contents import Entry
from ..provision.prepared import Prepared, find_prepared
from ..runtimes import Runtime
from ..vitals import Vitals
from .flags import Schedule, Tool, read_help
from .outcome import Outcome
from .printed import MOST_CHARACTERS, read_complaint, read_printed, read_unknown_flags
from .protos import read_profile
from .script import MOST_PRINTED, Ran, Report, read_report, script_argv
from .wire import MOST_BYTES

SESSION_VERSION = 1
"""Part of a table's identity: raised with every change that can change a latency."""

NAME = "benchmark_model"
"""Of the runtime in conditions, and of the tool on a device."""

_REPEATS = 3
"""Runs of the tool on each model of a job."""

_LEAST_RUNS = 5  # inferences, as in an agent's window
_LEAST_WARM_RUNS = 3
_MOST_SECONDS = 20.0
_TIDY = 'find "$1" -mindepth 1 -maxdepth 1 -mtime +1 -exec rm -rf {} + 2>/dev/null'
"""Removes what sessions have left whose hosts were killed, days ago."""

_MOST_PROFILED = MOST_CHARACTERS - 1
_START_S = 3.0  # for the tool to start and load a model, on a slow phone
_COMMAND_TIMEOUT_S = 60
_SHA256 = re.compile(r"([0-9a-f]{64})\b")


class BenchmarkSession:
    """Times models by benchmark_model; a context manager, as ``AgentSession``.

    Args:
        device: to run on.
        runtime: the entry of ``RUNTIMES`` for the tool.
        threads: that it may use.
        options: of it, as a condition writes them: ``delegate=gpu``, or none.
        cores: to pin it to; none to leave the choice to the system.

    Attributes:
        hello: what there is to say of the tool.
        busy_ms: how long it has been at work on jobs.
        vitals: how the device was at the end of the job whose answer was yielded last.

    Raises (on entry):
        RuntimeMissingError: the tool was not put on the device, or is none.
        CoresError: the device does not let the tool have its cores.
        DeviceError: the device does not answer.
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
        self._device, self._runtime, self._threads = device, runtime, threads
        self._cores = tuple(cores)
        self._delegate = options.partition("delegate=")[2] or "cpu"
        self._folder = device.root / "sessions" / uuid.uuid4().hex[:12]
        self._models = itertools.count(1)
        self._sign = f"sartor-{secrets.token_hex(12)}"
        self._own_s, self.busy_ms = 0.0, 0.0

    def __enter__(self) -> BenchmarkSession:
        prepared = self._find()
        self._program = str(prepared.python)
        self._tool = self._ask_for_help()
        with ExitStack() as cleanup:
            self._run(["mkdir", "-p", str(self._folder)])
            self._device.run(
                ["sh", "-c", _TIDY, "sh", str(self._folder.parent)], _COMMAND_TIMEOUT_S
            )
            cleanup.callback(self._device.run, ["rm", "-rf", str(self._folder)], _COMMAND_TIMEOUT_S)
            self.hello = self._greet(prepared)
            self._watch(self._run_script([], 0, Schedule()))
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def place(self, models: Sequence[Model]) -> tuple[str, ...]:
        """Put models on the device, in one go; return the names by which jobs refer to them."""
        number, suffix = next(self._models), self._runtime.suffix
        names = tuple(f"{number}-{index}{suffix}" for index in range(len(models)))
        contents = [model if isinstance(model, bytes) else model.read_bytes() for model in models]
        pack = self._folder / f"{number}.tar"
        tree = dict(zip(names, map(Entry, contents), strict=True))
        with temporary_file(tar_of(tree)) as path:
            self._device.push(path, pack)
        self._run(["tar", "-xf", str(pack), "-C", str(self._folder)])
        self._run(["rm", "-f", str(pack)])
        return names

    def measure(self, jobs: Iterable[MeasureJob]) -> Iterator[tuple[Timing | Refusal, ...]]:
        """Time models; answers come in the order of the jobs, one for each model of a job.

        A model that makes the tool fail, or crash, is refused with what it said.

        Raises:
            AgentError: the device broke off, or what came back makes no sense.
            DeviceTimeoutError: it took too long over a job.
        """
        for job in jobs:
            yield self._measure(job)

    def profile(self, model: str, schedule: Schedule | None = None) -> Outcome:
        """Run a model with the tool's own profiler, which times every operator in its place.

        It disturbs what it times; its latencies are for comparing operators with each other, and
        never come into a table.

        Args:
            model: as ``place`` named it; it stays.
            schedule: how long to run it; the tool's own defaults where none is given.

        Raises:
            AgentError: the tool does not run it, or what it says makes no sense.
        """
        profile = self._folder / "profile.pb"
        writes = "op_profiling_output_mode" in self._tool.flags
        told = self._tool.profiling(str(profile), "proto") if writes else self._tool.profiling()
        report = self._run_script([model], 1, schedule or Schedule(), told, _MOST_PROFILED)
        (ran,) = report.runs
        if ran.status:
            raise AgentError(f"{self._called} cannot profile {model}: {_explained(ran)}")
        try:
            outcome = read_printed(ran.printed)
            if writes:
                outcome = replace(outcome, operators=read_profile(self._pulled(profile)))
        except FormatError as error:
            raise AgentError(f"the profile by {self._called} makes no sense: {error}") from error
        return outcome

    def _pulled(self, path: PurePosixPath) -> bytes:
        """Return the content of a file on the device, unless it is too long to make sense."""
        size = self._run(["wc", "-c", str(path)]).split()[:1]
        if not size or not size[0].isdigit() or int(size[0]) > MOST_BYTES:
            raise FormatError(f"{path.name} has {clean(' '.join(size))} bytes")
        with temporary_file() as local:
            self._device.pull(path, local)
            with local.open("rb") as file:
                return file.read(MOST_BYTES + 1)

    def _measure(self, job: MeasureJob) -> tuple[Timing | Refusal, ...]:
        schedule = Schedule(
            runs=_LEAST_RUNS,
            seconds=job.window_ms / 1e3,
            warmup_runs=_LEAST_WARM_RUNS,
            warmup_seconds=job.warmup_ms / 1e3,
            most_seconds=_MOST_SECONDS,
        )
        started_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        began = time.monotonic()
        report = self._run_script(job.models, _REPEATS, schedule)
        self.busy_ms += 1e3 * (time.monotonic() - began)
        self._watch(report)
        count = len(job.models)
        runs = [report.runs[index::count] for index in range(count)]
        if not (job.keep or job.reuse):
            names = [str(self._folder / name) for name in job.models]
            self._device.run(["rm", "-f", *names], _COMMAND_TIMEOUT_S)
        return tuple(self._answer(each, started_at) for each in runs)

    def _answer(self, runs: tuple[Ran, ...], started_at: str) -> Timing | Refusal:
        """Make a window of several runs on one model, or tell why there is none."""
        samples_us = []
        for run in runs:
            if unknown := read_unknown_flags(run.printed):
                raise AgentError(f"{NAME} ignored {unknown}, though it says that it knows them")
            if run.status:
                return Refusal(_explained(run))
            try:
                samples_us.append(read_printed(run.printed).inference.mean_us)
            except FormatError as error:
                return Refusal(f"what {NAME} printed makes no sense: {error}")
        if not all(sample_us > 0 for sample_us in samples_us):
            return Refusal(f"it is faster than {NAME} can tell: its clock shows whole microseconds")
        return Timing(tuple(samples_us), 0, started_at)

    def _run_script(
        self,
        models: Iterable[str],
        repeats: int,
        schedule: Schedule,
        further: Sequence[str] = (),
        most_printed: int = MOST_PRINTED,
    ) -> Report:
        names = tuple(models)
        arguments = self._tool.arguments("", self._threads, schedule, self._delegate)
        told = [*(word for word in arguments if not word.startswith("--graph=")), *further]
        argv = script_argv(
            self._sign,
            str(self._folder),
            repeats,
            self._program,
            told,
            names,
            self._pinning,
            most_printed,
        )
        # Either phase may take its most, and the inference that it is in.
        each_s = _START_S + 4 * max(schedule.seconds + schedule.warmup_seconds, 0.5)
        timeout_s = _COMMAND_TIMEOUT_S + min(each_s, 2 * _MOST_SECONDS) * len(names) * repeats
        done = self._device.run(argv, timeout_s)
        if done.exit_code:
            raise AgentError(
                f"{self._called} ended with status {done.exit_code}: {done.stderr.strip()[-300:]}"
            )
        return read_report(self._sign, done.stdout, len(names) * repeats)

    def _watch(self, report: Report) -> None:
        self._own_s += report.own_s
        health = parse_health(report.state).seen_from(self._cores, gpu=self._delegate == "gpu")
        caps = [state.cap_mhz for state in health.states if state.cap_mhz is not None]
        self.vitals = Vitals(
            at_s=report.at_s,
            busy_s=report.busy_s(self._cores),
            own_s=self._own_s,
            throttles=health.throttles,
            cap_mhz=max(caps, default=None),
            stops=None,
            firmware=None,
            health=health,
        )

    def _find(self) -> Prepared:
        found = find_prepared(self._device, self._runtime.name)
        if found is None or found.kind != "native" or len(found.parts) != 1:
            raise RuntimeMissingError(
                f"there is no {NAME} on {self._device.name}; put it there: "
                f"sartor devices prepare {self._device.name} --runtime {self._runtime.name}"
            )
        return found

    def _ask_for_help(self) -> Tool:
        said = self._device.run([self._program, "--help"], _COMMAND_TIMEOUT_S)
        try:
            tool = read_help(said.stdout + said.stderr)
            tool.arguments("", self._threads, Schedule(), self._delegate)
        except (ModelFileError, FormatError) as error:
            raise RuntimeMissingError(
                f"{self._program} on {self._device.name} cannot be used: {error}"
            ) from error
        return tool

    def _greet(self, prepared: Prepared) -> Hello:
        """Say what there is to say; the hash is that of the file on the device, now."""
        said = self._run(["sha256sum", self._program])
        digest = _SHA256.match(said)
        allowed = self._allowed()
        (part,) = prepared.parts
        if digest is None or digest[1] != part.sha256:
            raise RuntimeMissingError(
                f"{self._program} on {self._device.name} is not what was put there; put it there "
                f"again: sartor devices prepare {self._device.name} --runtime {self._runtime.name}"
            )
        return Hello(
            agent_version=f"{NAME} {SESSION_VERSION}, mean of each run",
            runtime_version=f"{NAME} of {self._tool.origin} {part.version}",
            runtime_sha256=digest[1],
            python_version="none",
            numpy_version="none",
            affinity=allowed,
        )

    @property
    def _pinning(self) -> list[str]:
        """Words that pin the program that follows them, of util-linux and toybox alike."""
        mask = sum(1 << core for core in self._cores)
        return ["taskset", f"{mask:x}"] if mask else []

    def _allowed(self) -> tuple[int, ...]:
        """Return the cores that the tool will run on; CoresError if they are not those wanted."""
        argv = [*self._pinning, "grep", "Cpus_allowed_list", "/proc/self/status"]
        done = self._device.run(argv, _COMMAND_TIMEOUT_S)
        try:
            allowed = parse_cores(done.stdout.partition(":")[2].strip())
        except FormatError:
            allowed = ()
        if self._cores and allowed != self._cores:
            why = clean(done.stderr) or f"it runs on {cores_text(allowed) or 'none'}"
            raise CoresError(
                f"{self._called} cannot run on cores {cores_text(self._cores)}: {why}; name "
                "cores that are on line and not kept from it, or leave out --cores"
            )
        return allowed

    @property
    def _called(self) -> str:
        return f"{NAME} on {self._device.name}"

    def _run(self, argv: list[str]) -> str:
        done = self._device.run(argv, _COMMAND_TIMEOUT_S)
        if done.exit_code:
            raise CommandFailedError(
                f"{argv[0]} failed on {self._device.name}: {done.stderr.strip()[-300:]}"
            )
        return done.stdout


def _explained(run: Ran) -> str:
    """Say why a run failed."""
    said = read_complaint(run.printed) or (run.printed.strip().splitlines() or [""])[-1][:300]
    how = f"signal {run.status - 128}" if run.status > 128 else f"status {run.status}"
    return f"{NAME} ended with {how}: {said or 'it said nothing'}"
