"""Measures of every device, and of the control plane."""

from __future__ import annotations

import time

from edgewright.core.files import resident_bytes
from edgewright.core.measures import DAY, Measure, register

register("alarms")(Measure(
    meaning="Alarms a day of rows that arrive",
    column="alarms", over="seconds", scale=DAY, unit=" a day", default=(5.0, 3.0), rank=4,
))  # fmt: skip
register("anomalies")(Measure(
    meaning="Anomalies a day of rows that arrive",
    column="anomalies", over="seconds", scale=DAY, unit=" a day", default=(5.0, 3.0), rank=5,
))  # fmt: skip
register("classes")(Measure(
    meaning="Distance between a device's class shares before and after the release, 0 to 1",
    default=(0.5, 0.0), rank=1,
))  # fmt: skip
register("crashes")(Measure(
    meaning="Crashes, and restarts after a power loss or by a watchdog, a day; gates leave out each device's first",
    column="crashes", over="seconds", scale=DAY, unit=" a day", default=(2.0, 3.0), rank=6,
))  # fmt: skip
register("drift")(Measure(
    meaning="Share of channels that drift",
    column="drifting", over="channels", default=(0.2, 2.0), rank=3,
))  # fmt: skip
register("failed")(Measure(
    meaning="Share of devices whose trial of the release went back",
    share=True, default=(0.3, 0.0), rank=0,
))  # fmt: skip
register("firmware")(Measure(
    meaning="Share of the devices with boards of which a board needs other firmware for the release",
    share=True,
))  # fmt: skip
register("latency")(Measure(
    meaning="p99 latency of answers in seconds, from the last row",
    column="latency_p99", total="avg", unit=" s", default=(0.1, 3.0), rank=7,
))  # fmt: skip
register("memory")(Measure(
    meaning="Resident bytes of the model's process, largest seen",
    column="memory", total="max", read=resident_bytes, unit=" B", default=(32e6, 2.0), rank=8,
))  # fmt: skip
register("processor")(Measure(
    meaning="Share of a processor that the model's process uses while rows arrive",
    column="processor", over="seconds", read=time.process_time, unit=" of a processor", default=(0.05, 3.0), rank=9,
))  # fmt: skip
register("silent")(Measure(
    meaning="Share of devices that acknowledged an intent and said nothing since",
    share=True,
))  # fmt: skip
register("unsure")(Measure(
    meaning="Share of unsure answers",
    column="unsure", over="windows", default=(0.1, 2.0), rank=2,
))  # fmt: skip
