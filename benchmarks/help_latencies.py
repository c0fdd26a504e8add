"""The whole-network latencies that HELP published: spaces, devices, and how good the labels are.

SARTOR_DATA/latency/help holds 5,000 networks of FBNet on six devices and 5,000 of Once-for-All on
four (Lee et al., HELP, NeurIPS 2021; MIT license).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sartor.tables.errors import DatasetError
from sartor.tables.transfer import KnownDevices

Floats = NDArray[np.float64]

SPACES = "fbnet", "ofa"
LEFT_OUT = "itself", "model", "kind"

_RUN = 500  # rows after which the phones were started again, as their labels show
_KINDS = {"1080ti": "gpu", "titanx": "gpu", "titan": "gpu", "v100": "gpu", "gold": "cpu"}


@dataclass(frozen=True, eq=False)
class Space:
    """Networks of one search space, timed on several devices.

    Attributes:
        name: of the space.
        devices: what the devices tell; features are slots and counts.
        slots: (networks, many), one-hot, and the log resolution with its square.
        counts: (networks, few), how often each operator occurs, and the log resolution.
    """

    name: str
    devices: KnownDevices
    slots: Floats
    counts: Floats

    @classmethod
    def load(cls, folder: Path, name: str) -> Space:
        """Read a space from SARTOR_DATA."""
        path = folder / "latency" / "help" / f"{name}_end_to_end.json.gz"
        try:
            document = json.loads(gzip.decompress(path.read_bytes()))
        except OSError as error:
            raise DatasetError(f"cannot read {path}: {error}; set SARTOR_DATA") from error
        archs = document["archs"]
        chosen_slots = np.array([_slots(network) for network in archs])
        chosen = chosen_slots[:, :, None] == np.arange(chosen_slots.max() + 1)
        slots = chosen.reshape(len(chosen), -1).astype(np.float64)
        counts = chosen.sum(axis=1).astype(np.float64)
        if isinstance(archs[0], Mapping):
            sizes = np.log([network["r"] / 176 for network in archs])
            slots = np.column_stack([slots, sizes, sizes**2])
            counts = np.column_stack([counts, sizes])
        slots, counts = (table[:, table.std(axis=0) > 0] for table in (slots, counts))
        names = tuple(document["latency"])
        latencies_ms = np.array([document["latency"][device] for device in names])
        devices = KnownDevices(names, latencies_ms, np.hstack([slots, counts]))
        return cls(name, devices, slots, counts)


def _slots(network: Mapping[str, Sequence[int]] | Sequence[int]) -> list[int]:
    """The operator of each slot; Once-for-All: 0 for none, else kernel and expansion."""
    if not isinstance(network, Mapping):
        return list(network)
    return [
        3 * (kernel // 2 - 1) + (3, 4, 6).index(expansion) + 1 if place % 4 < depth else 0
        for place, (kernel, expansion, depth) in enumerate(
            zip(network["ks"], network["e"], np.repeat(network["d"], 4), strict=True)
        )
    ]


@dataclass(frozen=True, slots=True)
class Labels:
    """How good the labels of one device are.

    Attributes:
        space: of the networks.
        device: that was measured.
        median_ms: latency.
        distinct: different values among all labels.
        identical: rows that equal another device's to the last digit, at most.
        drift: mean of the last 100 residuals of each 500 rows less that of the first 100, after a
            linear fit of the logs: labels that depend on when they were taken.
        outliers: share of rows more than 15 % off that fit.
    """

    space: str
    device: str
    median_ms: float
    distinct: int
    identical: int
    drift: float
    outliers: float


def inspect(space: Space) -> list[Labels]:
    """Look at the labels of every device."""
    names, latencies_ms = space.devices.names, space.devices.latencies_ms
    columns = np.column_stack([np.ones(len(space.counts)), space.slots])
    found = []
    for index, name in enumerate(names):
        logs = np.log(latencies_ms[index])
        weights, *_ = np.linalg.lstsq(columns, logs, rcond=None)
        residuals = logs - columns @ weights
        runs = residuals[: len(logs) // _RUN * _RUN].reshape(-1, _RUN)
        same = [
            int((latencies_ms[index] == row).sum())
            for row in np.delete(latencies_ms, index, axis=0)
        ]
        found.append(
            Labels(
                space.name,
                name,
                float(np.median(latencies_ms[index])),
                len(np.unique(latencies_ms[index])),
                max(same),
                float(runs[:, -100:].mean() - runs[:, :100].mean()),
                float((np.abs(residuals) > np.log(1.15)).mean()),
            )
        )
    return found


def also_left_out(devices: Sequence[str], new: str, left_out: str) -> list[int]:
    """Devices that are left out with a new one, itself included."""
    if left_out == "kind":
        return [index for index, name in enumerate(devices) if _kind(name) == _kind(new)]
    if left_out == "model":
        return [index for index, name in enumerate(devices) if _model(name) == _model(new)]
    return [devices.index(new)]


def _model(device: str) -> str:
    """The model of a GPU is what comes before its batch size."""
    return device.rpartition("_")[0] if _kind(device) == "gpu" else device


def _kind(device: str) -> str:
    return _KINDS.get(device.partition("_")[0], "phone")


def left_out_sets(devices: Sequence[str]) -> Iterator[tuple[str, str, list[int]]]:
    """Each (new device, what else is left out, devices to leave out) that is a case of its own."""
    for new in devices:
        before: list[int] = []
        for left_out in LEFT_OUT:
            missing = also_left_out(devices, new, left_out)
            if missing != before and len(missing) < len(devices):
                yield new, left_out, missing
            before = missing
