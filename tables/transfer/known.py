"""Known devices: the same networks, timed on each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, MeasurementError
from ..subject import Network
from ..table import LatencyTable

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class KnownDevices:
    """Networks, as devices see them whose latency tables exist.

    Attributes:
        names: of the devices.
        latencies_ms: (devices, networks), measured or predicted by the device's table.
        features: (networks, features) of the networks themselves, in any unit: slots one-hot, or
            how often each operator runs. An additive model in them should make some sense of the
            logarithm of a latency. Sums of other features may stand beside them (how often any
            depthwise convolution runs): what a sum holds may differ together on a new device.
            There may be no features: (networks, 0).

    Raises:
        FormatError: shapes that do not fit together, no device, or a feature that is no number.
        MeasurementError: a latency that is no positive number.
    """

    names: tuple[str, ...]
    latencies_ms: Floats
    features: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "latencies_ms", np.asarray(self.latencies_ms, np.float64))
        object.__setattr__(self, "features", np.asarray(self.features, np.float64))
        if not self.names:
            raise FormatError("a transfer takes at least one known device; profile one first")
        shape = (len(self.names), len(self.features))
        if self.features.ndim != 2 or self.latencies_ms.shape != shape:
            raise FormatError(
                f"latencies of shape {self.latencies_ms.shape} and features of shape "
                f"{self.features.shape} do not fit {len(self.names)} known devices; give (devices, "
                "networks) and (networks, features)"
            )
        if not np.isfinite(self.features).all():
            raise FormatError("a feature of a network is not a finite number; leave it out")
        for name, row in zip(self.names, self.latencies_ms, strict=True):
            if (bad := row[~(np.isfinite(row) & (row > 0))]).size:
                raise MeasurementError(f"{name} has a latency of {bad[0]:g} ms; leave it out")

    def of_networks(self, indices: Sequence[int] | NDArray[np.intp]) -> KnownDevices:
        """Keep some networks, in the order given."""
        chosen = np.asarray(indices, np.intp)
        return replace(
            self, latencies_ms=self.latencies_ms[:, chosen], features=self.features[chosen]
        )

    def without(self, device: int) -> KnownDevices:
        """Leave one device out."""
        return replace(
            self,
            names=self.names[:device] + self.names[device + 1 :],
            latencies_ms=np.delete(self.latencies_ms, device, axis=0),
        )


def known_devices(tables: Sequence[LatencyTable], networks: Sequence[Network]) -> KnownDevices:
    """See networks as the devices of several tables do.

    A table's measurement of a network is taken where it has one, and its prediction otherwise. The
    features are how often each operator runs in a network, and each kind of operator; which
    columns there are depends on the networks, so call it once for those to learn from and those to
    predict, and take them apart with ``of_networks``.

    Raises:
        MissingOperatorError: a table neither measured a network nor has all its operators.
        FormatError: no tables.
    """
    runs = [Counter(network.operators) for network in networks]
    operators = sorted({operator for counter in runs for operator in counter})
    counts = np.array([[counter[operator] for operator in operators] for counter in runs])
    counts = counts.reshape(len(networks), len(operators))
    kinds = sorted({operator.kind for operator in operators})
    of_kind = np.array([[operator.kind == kind for kind in kinds] for operator in operators])
    by_kind = counts @ of_kind.reshape(len(operators), len(kinds))
    latencies_ms = [[_latency_ms(table, network) for network in networks] for table in tables]
    return KnownDevices(
        tuple(table.name for table in tables),
        np.reshape(latencies_ms, (len(tables), len(networks))),
        np.hstack([counts, by_kind]),
    )


def _latency_ms(table: LatencyTable, network: Network) -> float:
    for whole in table.networks:
        if whole.network == network:
            return whole.measurement.median_ms
    return table.predict(network.operators).latency_ms
