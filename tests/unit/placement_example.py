"""A setting of places with round figures."""

from __future__ import annotations

from dataclasses import replace

from edgewright.advice.figures import Figures
from edgewright.advice.placement import DEVICE, GATEWAY, SERVER, Computation, Setting
from edgewright.advice.records import Traffic

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
