"""Waiting for a device to become quiet."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..devices.device import Device
from ..devices.health import Health
from ..tables.errors import DeviceDisturbedError

_PAUSE_S = 2.0


def wait_until_quiet(
    device: Device,
    patience_s: float | None,
    tell: Callable[[str], None] = lambda _: None,
    view: Callable[[Health], Health] = lambda health: health,
) -> Health:
    """Return the health of a device once nothing speaks against timing it.

    Args:
        device: that may be hot, busy, or slowed down.
        patience_s: how long to wait, in seconds; None not to wait, whatever there is.
        tell: is called with what is being waited for, whenever that changes.
        view: narrows health down to what matters here.

    Raises:
        DeviceDisturbedError: it did not become quiet.
        DeviceError: it is gone.
    """
    deadline = time.monotonic() + (patience_s or 0.0)
    told: tuple[str, ...] = ()
    while (health := view(device.health())).disturbances and patience_s is not None:
        if health.disturbances != told:
            told = health.disturbances
            tell(f"waiting for {device.name} to become quiet: {'; '.join(told)}")
        if time.monotonic() >= deadline:
            raise DeviceDisturbedError(
                f"{device.name} did not become quiet within {patience_s:g} s: "
                f"{'; '.join(told)}; end what disturbs it, or measure all the same with --force"
            )
        time.sleep(_PAUSE_S)
    return health
