"""Where measurements would come from, were they taken now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib import metadata

from ..devices.device import Device
from ..tables.cores import cores_text
from ..tables.provenance import Condition, Provenance
from .archive import agent_sha256
from .provision.using import prepared_in_use
from .runner import Runner, make_runner
from .runtimes import Runtime, find_runtime


@contextmanager
def identified(
    device: Device, condition: Condition, facts: Sequence[tuple[str, str]] = ()
) -> Iterator[tuple[Provenance, Runner]]:
    """Ask a device, and an agent on it, what they are; both at once.

    Args:
        device: where it is to be measured.
        condition: under which.
        facts: that neither can tell, such as what it was made ready by: (name, value).

    Yields:
        Where measurements would come from, were they taken now, and the agent.

    Raises:
        FormatError: no agent can bring about the condition.
        CoresError: the device does not let the agent have the cores of the condition.
        RuntimeMissingError: the device lacks the runtime.
        DeviceError: it does not answer.
    """
    runtime = find_runtime(condition.runtime)
    runtime.check_options(condition.options)
    runtime.check_dtype(condition.dtype)
    runner = make_runner(device, runtime, condition.threads, condition.options, condition.pinned)
    with ThreadPoolExecutor(1) as asked:
        known = asked.submit(_facts, device, runtime)
        with runner as session:
            hello = session.hello
            affinity = ("affinity", cores_text(hello.affinity))
            provenance = Provenance(
                device=device.name,
                facts=tuple(sorted(dict((*known.result(), affinity, *facts)).items())),
                condition=condition,
                runtime_version=hello.runtime_version,
                runtime_sha256=hello.runtime_sha256,
                agent_version=hello.agent_version,
                writer_version=runtime.writer_version,
                created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
                sartor_version=_sartor_version(),
            )
            yield provenance, session


def _facts(device: Device, runtime: Runtime) -> tuple[tuple[str, str], ...]:
    """Return what a device is, and what of ours runs there, by name."""
    prepared = prepared_in_use(device, runtime.name)
    ours = () if runtime.native else (("agent_sha256", agent_sha256()),)
    return (*device.facts().pairs, *(prepared.pairs if prepared else ()), *ours)


def _sartor_version() -> str:
    try:
        return metadata.version("sartor")
    except metadata.PackageNotFoundError:
        return "source"
