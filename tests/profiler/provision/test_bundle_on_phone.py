"""The bundle on a phone: Debian's real adbd, mksh and toybox, behind the real adb client."""

from __future__ import annotations

import pytest

from sartor.devices.adb import AdbDevice
from sartor.profiler.messages import MeasureJob, Timing
from sartor.profiler.provision.bundle_prepare import put_bundle, read_architecture
from sartor.profiler.provision.prepared import Prepared, find_prepared
from sartor.profiler.runtimes import find_runtime
from sartor.profiler.session import AgentSession
from sartor.tables.graph import GraphBuilder

from ...real.adbd import Phone
from ...real.bundle import built_bundle


def test_an_agent_on_a_phone_measures_two_operators(handset: AdbDevice) -> None:
    prepared = put_bundle(handset, built_bundle())
    device = AdbDevice(handset.name, handset.serial, python=str(prepared.python))
    runtime = find_runtime("litert")
    with AgentSession(device, runtime) as session:
        print(session.hello)
        models = []
        for kernel in (1, 3):
            builder = GraphBuilder(f"k{kernel}", (16, 14, 14))
            builder.add("c", "conv2d", builder.input, kernel=kernel, out=16, stride=1)
            models += session.place([runtime.write(builder.graph())])
        (small, large) = next(iter(session.measure([MeasureJob(tuple(models))])))
    assert isinstance(small, Timing) and isinstance(large, Timing)
    print(small.samples_us[:5], large.samples_us[:5])
