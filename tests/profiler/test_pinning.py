from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sartor.devices import LocalDevice
from sartor.profiler import AgentSession, collect, find_runtime, make_plan
from sartor.profiler.identity import identified
from sartor.tables import Condition, Store
from sartor.tables.cores import cores_text
from sartor.tables.errors import CoresError, FormatError, StoreError

from .collect_child import OPERATORS
from .hostile import python_that
from .processes import agents_of

CORES = sorted(os.sched_getaffinity(0))
LAST = CORES[-1:]
LITERT = find_runtime("litert")


def allowed(pid: int) -> set[str]:
    """The cores that each thread of a process may use, as the kernel lists them."""
    states = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return {state.partition("Cpus_allowed_list:")[2].split()[0] for state in states}


def test_an_agent_is_pinned_with_every_thread_that_its_runtime_starts(
    device: LocalDevice,
) -> None:
    with AgentSession(device, LITERT, cores=LAST) as agent:
        assert list(agent.hello.affinity) == LAST
        assert agent.vitals.health.cores == 1
        (pid,) = agents_of(os.getpid())
        assert allowed(pid) == {cores_text(LAST)}


@pytest.mark.parametrize("cores", [(4000,), (*LAST, 4000)])
def test_cores_that_are_not_there_are_refused_with_those_that_are(
    device: LocalDevice, cores: tuple[int, ...]
) -> None:
    with (
        pytest.raises(
            CoresError, match=rf"litert agent on local cannot run on cores .*4000: .*{LAST[0]}"
        ),
        AgentSession(device, LITERT, cores=cores),
    ):
        pass


def test_an_agent_that_is_not_where_it_was_to_be_is_refused(
    device: LocalDevice, tmp_path: Path
) -> None:
    if len(CORES) == 1:
        pytest.skip("with one core there is nowhere else to be")
    device.python = python_that(
        tmp_path,
        f"""    truth, asked = os.sched_getaffinity, []
    os.sched_setaffinity = lambda pid, cores: None
    def pretend(pid):
        asked.append(pid)
        return truth(pid) if len(asked) > 2 else {set(LAST)}
    os.sched_getaffinity = pretend
""",
    )
    with (
        pytest.raises(CoresError, match=f"cores {LAST[0]}: it runs on {cores_text(CORES)}"),
        AgentSession(device, LITERT, cores=LAST),
    ):
        pass


def test_more_threads_than_cores_are_refused(device: LocalDevice) -> None:
    many = len(CORES) + 1
    with (
        pytest.raises(FormatError, match=f"{many} threads would share the core"),
        AgentSession(device, LITERT, many),
    ):
        pass


def test_a_pinned_table_says_where_and_takes_nothing_from_elsewhere(
    device: LocalDevice, store: Store
) -> None:
    plan = make_plan(OPERATORS[:1], passes=1)
    pinned = Condition("litert", cores=cores_text(LAST))
    collect(device, store, "pinned", plan, pinned, np.random.default_rng(0))
    provenance = store.load("pinned").provenance
    assert provenance.condition == pinned
    assert dict(provenance.facts)["affinity"] == cores_text(LAST)
    with pytest.raises(StoreError, match="cores="):
        collect(device, store, "pinned", plan, Condition("litert"), np.random.default_rng(0))


def test_where_the_system_chose_is_recorded_too(device: LocalDevice) -> None:
    with identified(device, Condition("litert")) as (provenance, _):
        facts = dict(provenance.facts)
    assert facts["affinity"] == cores_text(CORES)
