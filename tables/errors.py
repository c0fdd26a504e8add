"""Errors of every layer: what went wrong, where, and what to do next.

SartorError                      the command line prints it without a traceback and exits with 1
├── FormatError                  a text or a value makes no sense (also a ValueError)
│   └── ExpansionError           a public table has ratios where channels belong, or the reverse
├── GraphError                   a graph of operators does not fit together (also a ValueError)
├── UnknownNameError             no supernet, device, runtime or table of that name
├── MissingOperatorError         a latency table has no row for an operator
├── UnfitTableError              a latency table is of what is never shipped
├── MeasurementError             samples that cannot be a measurement
├── StoreError                   the store of measurements cannot be used
│   ├── StoreVersionError        it was written by a newer Sartor
│   └── StoreBusyError           another collector is filling the same table
├── DeviceError                  something between us and a device
│   ├── DeviceUnreachableError   no connection
│   ├── DeviceTimeoutError       no answer in time
│   ├── DeviceBusyError          another process is timing on it
│   ├── DeviceDisturbedError     it is too hot or too busy to be timed
│   └── CommandFailedError       a command ran and failed
├── AgentError                   the agent on the device broke its protocol or died
├── RuntimeMissingError          a runtime or an optional package is not installed
├── BudgetError                  a budget that makes no sense (also a ValueError)
│   ├── InfeasibleBudgetError    no sub-network meets the budget
│   └── ContradictionError       sub-networks meet each of two limits, but none was found for both
├── CheckpointError              weights that cannot be read or do not fit
├── DatasetError                 images that cannot be read, or too few of them
├── ModelFileError               a model that is not ours and cannot be read, cut or run
└── OutputError                  a result could not be written
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import get_close_matches


class SartorError(Exception):
    """Base of every error raised on purpose."""


class FormatError(SartorError, ValueError):
    """A text or a value makes no sense."""


class ExpansionError(FormatError):
    """A public table has ratios where channels belong, or channels in place of a ratio."""


class GraphError(SartorError, ValueError):
    """A graph of operators does not fit together."""


class UnknownNameError(SartorError, LookupError):
    """No supernet, device, runtime or table of that name."""

    def __init__(self, what: str, name: str, known: Sequence[str], advice: str = "") -> None:
        self.what, self.name, self.known = what, name, tuple(known)
        near = get_close_matches(name, self.known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        rest = f"; {advice}" if advice else ""
        listed = ", ".join(self.known) or "none"
        super().__init__(f"no {what} {name!r}; {hint}known: {listed}{rest}")


class MissingOperatorError(SartorError, LookupError):
    """A latency table has no row for an operator.

    Attributes:
        operator: its text.
        near: texts of the nearest operators that the table has.
        failure: why measuring it failed, empty if nobody tried.
        command: that measures it, and perhaps whatever else is missing.
        advice: what to do where nothing can measure it.
    """

    def __init__(
        self,
        operator: str,
        near: Sequence[str],
        failure: str = "",
        command: str = "",
        advice: str = "",
    ) -> None:
        self.operator, self.near, self.failure = operator, tuple(near), failure
        self.command, self.advice = command or f"sartor profile --op '{operator}'", advice
        hint = f"nearest: {', '.join(self.near) or 'none'}"
        cause = f", because measuring it failed: {failure}" if failure else ""
        again = "measure it again with" if failure else "measure it with"
        remedy = advice or f"{again}: {self.command}"
        super().__init__(f"no latency for {operator} ({hint}){cause}; {remedy}")


class UnfitTableError(SartorError):
    """A latency table is of what is never shipped."""


class MeasurementError(SartorError, ValueError):
    """Samples that cannot be a measurement."""


class StoreError(SartorError):
    """The store of measurements cannot be used."""


class StoreVersionError(StoreError):
    """The store was written by a newer Sartor."""


class StoreBusyError(StoreError):
    """Another collector is filling the same table."""


class DeviceError(SartorError):
    """Something between us and a device."""


class DeviceUnreachableError(DeviceError):
    """No connection to the device."""


class DeviceTimeoutError(DeviceError):
    """The device did not answer in time."""


class DeviceBusyError(DeviceError):
    """Another process is timing on the device."""


class DeviceDisturbedError(DeviceError):
    """The device is too hot or too busy to be timed."""


class CommandFailedError(DeviceError):
    """A command ran on the device and failed."""


class AgentError(SartorError):
    """The agent on the device broke its protocol or died."""


class RuntimeMissingError(SartorError):
    """A runtime or an optional package is not installed."""


class BudgetError(SartorError, ValueError):
    """A budget that makes no sense."""


class InfeasibleBudgetError(BudgetError):
    """No sub-network meets the budget.

    Attributes:
        space: that was to be searched.
        limit: that nothing meets, for people: ``latency on pi4 of at most 20 ms``.
        most: that a network was to cost.
        network: of the least cost.
        least: what that costs.
    """

    def __init__(
        self, space: str, what: str, unit: str, most: float, network: str, least: float
    ) -> None:
        self.space, self.most, self.network, self.least = space, most, network, least
        self.limit = f"{what} of at most {most:g} {unit}".rstrip()
        best = "the fastest" if unit == "ms" else f"that of least {what}"
        meant = "" if what == "latency" else f" of {what}"
        of_unit = f" {unit}" if unit else ""
        super().__init__(
            f"no network of {space} meets {most:g}{of_unit}{meant}: {best}, {network}, needs "
            f"{rounded_up(least)}{of_unit}; ask for that or more"
        )


class ContradictionError(BudgetError):
    """Sub-networks meet each of two limits by itself, but none was found that meets both.

    Attributes:
        limits: the two, for people; all of them where every pair can be met.
        proven: whether no network at all meets them, rather than none that was looked at.
    """

    def __init__(self, space: str, limits: Sequence[str], *, proven: bool, advice: str) -> None:
        self.space, self.limits, self.proven = space, tuple(limits), proven
        listed = " and ".join(limits)
        none = f"no network of {space} has" if proven else f"no network of {space} was found with"
        each = "each" if len(limits) == 2 else "every two"
        super().__init__(f"{none} {listed}, though {each} can be met; {advice}")


def rounded_up(value: float) -> str:
    """Write a positive number to six digits or more, and never as less than it is."""
    digits = max(0, 5 - math.floor(math.log10(value)))
    return f"{math.ceil(value * 10**digits) / 10**digits:.{digits}f}"


class CheckpointError(SartorError):
    """Weights that cannot be read or do not fit."""


class DatasetError(SartorError):
    """Images that cannot be read, or too few of them."""


class ModelFileError(SartorError):
    """A model that is not ours and cannot be read, cut or run."""


class OutputError(SartorError):
    """A result could not be written."""
