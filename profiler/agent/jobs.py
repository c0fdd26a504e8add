"""Jobs: what the agent is asked to do, one after another."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from .models import Model, Runtime
from .window import time_window


class Workbench:
    """Does jobs in one folder with one runtime.

    A job is a JSON object as the package's docstring shows it; so is its answer.
    """

    def __init__(self, runtime: Runtime, threads: int, folder: Path) -> None:
        self._runtime, self._threads, self._folder = runtime, threads, folder
        self._kept: dict[str, Model] = {}

    def do(self, job: Mapping[str, Any]) -> dict[str, object]:
        """Do one job; its failure is an answer, too."""
        try:
            answer = self._measure(job) if "measure" in job else self._infer(job)
        except Exception as error:  # noqa: BLE001 (a runtime may raise anything)
            answer = {"error": f"{type(error).__name__}: {error}"}
        return {"job": job["job"], **answer}

    def _measure(self, job: Mapping[str, Any]) -> dict[str, object]:
        started_at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        start = time.perf_counter()
        model = self._load(job["measure"], keep=job["keep"])
        load_ms = 1000 * (time.perf_counter() - start)
        samples = time_window(model.run, job["window_ms"], job["warmup_ms"], self._threads)
        return {
            "samples_us": samples.samples_us,
            "preempted": samples.preempted,
            "load_ms": load_ms,
            "started_at": started_at,
        }

    def _infer(self, job: Mapping[str, Any]) -> dict[str, object]:
        """Run a model on an array of batches: (runs, batch, …) in, (runs, batch, …) out."""
        model = self._load(job["infer"], keep=job["keep"])
        batches = np.load(self._folder / job["inputs"], allow_pickle=False)
        outputs = np.stack([model.infer(batch) for batch in batches])
        np.save(self._folder / job["outputs"], outputs, allow_pickle=False)
        return {}

    def _load(self, name: str, *, keep: bool) -> Model:
        """Load a model and delete its file, or take one that was kept."""
        if name in self._kept:
            return self._kept[name]
        path = self._folder / name
        try:
            model = self._runtime.load(path, self._threads)
        finally:
            path.unlink(missing_ok=True)
        if keep:
            self._kept[name] = model
        return model
