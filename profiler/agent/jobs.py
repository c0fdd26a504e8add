"""Jobs: what the agent is asked to do, one after another."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .models import Model, Runtime
from .packs import FullError, unpack
from .vitals import VitalSigns
from .window import Samples, time_rounds, time_window


class Workbench:
    """Does jobs in one folder with one runtime.

    A job is a JSON object as the package's docstring shows it; so is its answer.
    """

    def __init__(self, runtime: Runtime, threads: int, folder: Path) -> None:
        self._runtime, self._threads, self._folder = runtime, threads, folder
        self._kept: dict[str, Model] = {}
        self._signs = VitalSigns()

    def vitals(self) -> dict[str, object]:
        """Tell how the device is now."""
        return self._signs.read()

    def do(self, job: Mapping[str, Any]) -> dict[str, object]:
        """Do one job; its failure is an answer, too."""
        answer: dict[str, object]
        try:
            answer = self._measure(job) if "measure" in job else self._infer(job)
        except FullError as error:
            answer = {"full": str(error)}
        except Exception as error:  # noqa: BLE001 (a runtime may raise anything)
            answer = _failure(error)
        return {"job": job["job"], **answer}

    def _measure(self, job: Mapping[str, Any]) -> dict[str, object]:
        started_s, start = time.monotonic(), time.perf_counter()
        loaded = [self._ready(name, job) for name in job["measure"]]
        timed = iter(self._time([one for one in loaded if not isinstance(one, dict)], job))
        return {
            "windows": [one if isinstance(one, dict) else _window(next(timed)) for one in loaded],
            "started_s": started_s,
            "busy_ms": 1000 * (time.perf_counter() - start),
            "vitals": self.vitals(),
        }

    def _ready(self, name: str, job: Mapping[str, Any]) -> Model | dict[str, object]:
        """Load a model and run it once; what goes wrong costs this model only."""
        try:
            model = self._load(name, keep=job["keep"], reuse=job.get("reuse", False))
            model.run()
        except FullError:
            raise
        except Exception as error:  # noqa: BLE001 (a runtime may raise anything)
            return _failure(error)
        return model

    def _time(self, models: Sequence[Model], job: Mapping[str, Any]) -> list[Samples]:
        window_ms, threads = job["window_ms"], self._threads
        if "evict_mb" not in job:
            return [time_window(one.run, window_ms, job["warmup_ms"], threads) for one in models]
        ballast, size = self._runtime.ballast, int(1e6 * job["evict_mb"])
        ballast.touch(size)  # where it has to grow, it does so now
        return time_rounds(models, window_ms, threads, lambda: ballast.touch(size))

    def _infer(self, job: Mapping[str, Any]) -> dict[str, object]:
        """Run a model on an array of batches: (runs, batch, …) in, (runs, batch, …) out."""
        model = self._load(job["infer"], keep=job["keep"], reuse=False)
        batches = np.load(self._folder / job["inputs"], allow_pickle=False)
        outputs = np.stack([model.infer(batch) for batch in batches])
        np.save(self._folder / job["outputs"], outputs, allow_pickle=False)
        return {}

    def _load(self, name: str, *, keep: bool, reuse: bool) -> Model:
        """Load a model and delete its file, or take one that was kept."""
        if name in self._kept:
            return self._kept[name]
        unpack(self._folder, name)
        path = self._folder / name
        try:
            model = self._runtime.load(path, self._threads)
        finally:
            if not reuse:
                path.unlink(missing_ok=True)
        if keep:
            self._kept[name] = model
        return model


def _window(samples: Samples) -> dict[str, object]:
    return {"samples_us": samples.samples_us, "preempted": samples.preempted}


def _failure(error: Exception) -> dict[str, object]:
    return {"error": f"{type(error).__name__}: {error}"}
