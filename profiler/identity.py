"""Where measurements would come from, were they taken now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from importlib import metadata

from ..devices.device import Device
from ..tables.cores import cores_text
from ..tables.provenance import Condition, Provenance
from .archive import agent_sha256
from .messages import Hello
from .provision.using import prepared_in_use
from .runner import Runner, make_runner
from .runtimes import find_runtime


def start(device: Device, condition: Condition) -> Runner:
    """Return what runs models under a condition, to be entered.

    Args:
        device: to run on.
        condition: under which.

    Raises:
        FormatError: no agent can bring about the condition.
    """
    runtime = find_runtime(condition.runtime)
    runtime.check_options(condition.options)
    runtime.check_dtype(condition.dtype)
    return make_runner(device, runtime, condition.threads, condition.options, condition.pinned)


def identify(
    device: Device, condition: Condition, hello: Hello, facts: Sequence[tuple[str, str]] = ()
) -> Provenance:
    """Ask a device what it is.

    Args:
        device: where it would be measured.
        condition: under which.
        hello: what an agent that was started under that condition says of itself.
        facts: that neither can tell, such as what it was made ready by: (name, value).

    Raises:
        DeviceError: it does not answer.
    """
    return Provenance(
        device=device.name,
        facts=_facts(device, condition.runtime, hello.affinity, facts),
        condition=condition,
        runtime_version=hello.runtime_version,
        runtime_sha256=hello.runtime_sha256,
        agent_version=hello.agent_version,
        writer_version=find_runtime(condition.runtime).writer_version,
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        sartor_version=_sartor_version(),
    )


def _facts(
    device: Device, runtime: str, affinity: tuple[int, ...], more: Sequence[tuple[str, str]]
) -> tuple[tuple[str, str], ...]:
    """Return what a device is, what of ours runs there, and on which cores, by name."""
    prepared = prepared_in_use(device, runtime)
    found = {"affinity": cores_text(affinity)} | dict(prepared.pairs if prepared else ())
    if not find_runtime(runtime).native:
        found["agent_sha256"] = agent_sha256()
    return tuple(sorted((dict(device.facts().pairs) | found | dict(more)).items()))


def _sartor_version() -> str:
    try:
        return metadata.version("sartor")
    except metadata.PackageNotFoundError:
        return "source"
