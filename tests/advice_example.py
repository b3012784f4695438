"""A small table to be advised on, a setting of places with round figures, and a record without a ladder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from edgewright.schema.advice import Advice, Traffic
from edgewright.search.advise.contract import AdviceRequest
from edgewright.search.advise.figures import Figures
from edgewright.search.advise.placement import DEVICE, GATEWAY, SERVER, Computation, Setting
from edgewright.search.advise.workflow import advise
from ladder_problems import silent, table

ROUND = {
    "radio_bit": 1e-6, "radio_message": 1e-3, "radio_header": 10.0, "radio_payload": 100.0, "radio_round_trip": 0.1,
    "internet": 0.4, "answer": 10.0, "cell": 1000.0, "cell_price": 2.0, "bandwidth": 5.0, "energy": 0.36,
    "server": 10.0, "gateway": 100.0, "gateway_power": 1.0, "sharing": 10.0, "lifetime": 5.0, "server_power": 100.0,
    "link_outage": 0.5, "internet_outage": 1.0,
}  # fmt: skip


def setting(*, battery: bool = True, told_day: float = 100.0, raw: float = 80_000.0, **figures: float) -> Setting:
    """Return a thousand answers a day of 10 ms at .1 W on the device; 80 kB of readings; 10 uW asleep."""
    works = {
        DEVICE: Computation("d", 0.01, 0.1),
        GATEWAY: Computation("g", 0.001, 5.0),
        SERVER: Computation("s", 0.0001, 100.0),
    }
    traffic = Traffic(rows_day=10_000.0, answers_day=1000.0, told_day=told_day, raw_bytes_day=raw)
    return Setting(traffic, Figures("ble", {**ROUND, **figures}), 1e-5, battery, ("light", "sound"), works)


def with_figure(before: Setting, name: str, value: float) -> Setting:
    """Return the setting with one figure changed."""
    return replace(before, figures=before.figures.with_values(**{name: value}))


def small(folder: Path, **request: object) -> Advice:
    """Return the advice on 120 rows of which one column decides."""
    file = table(folder / "room.csv", count=120)
    return advise(AdviceRequest(data=str(file), target="y", by="row", **request), silent)  # type: ignore[arg-type]


def without_times(record: Advice) -> Advice:
    """Return the record without what differs from run to run: measured CPU seconds."""
    ladder = record.ladder
    if ladder is not None:
        ladder = msgspec.structs.replace(
            ladder,
            cpu_seconds=0.0,
            rungs=tuple(msgspec.structs.replace(rung, cpu_seconds=0.0) for rung in ladder.rungs),
        )
    curve = record.curve if record.curve is None else msgspec.structs.replace(record.curve, cpu_seconds=0.0)
    costs = tuple(cost for cost in record.costs if "CPU" not in cost[1])
    return msgspec.structs.replace(record, ladder=ladder, curve=curve, costs=costs)
