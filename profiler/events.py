"""What a program on a device says: events, one JSON object a line."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..devices.device import Stream
from ..tables.errors import AgentError, DeviceTimeoutError

_SHOWN = 200
"""Characters of what a program said that are worth repeating."""


def read_event(stream: Stream, called: str, timeout_s: float) -> Mapping[str, Any]:
    """Return what a program says next.

    Args:
        stream: from the program.
        called: what to call it in messages.
        timeout_s: how long to wait, in seconds.

    Raises:
        AgentError: it died, or said something else than an event.
        DeviceTimeoutError: it said nothing for so long, and was killed.
    """
    try:
        line = stream.read_line(timeout_s)
    except DeviceTimeoutError:
        stream.kill()
        raise
    if line is None:
        raise death(stream, called)
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _no_event(called, line, "not JSON") from error
    if not isinstance(event, dict):
        raise _no_event(called, line, "not an object")
    return event


def death(stream: Stream, called: str) -> AgentError:
    """Say that a program has ended, and how."""
    words = stream.last_words() or "none"
    status = stream.close()
    return AgentError(f"{called} died with status {_explained(status)}; its last words: {words}")


def shown(said: object) -> str:
    """Return what a program said, or as much of it as is worth repeating."""
    text = said if isinstance(said, str) else json.dumps(said)
    return f"{text[:_SHOWN]!r}… ({len(text)} characters)" if len(text) > _SHOWN else repr(text)


def _no_event(called: str, line: str, why: str) -> AgentError:
    return AgentError(
        f"{called} answered {shown(line)}, {why}; "
        "is there something else that writes to its standard output?"
    )


def _explained(status: int) -> str:
    with suppress(ValueError):
        return f"{status} ({signal.Signals(-status).name})"
    return str(status)
