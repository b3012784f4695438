"""Simulator of pumps with motors: ten columns a minute, machines that differ, an alarm to foresee.

Nothing here is measured. A pump wears; wear shows in vibration, winding and bearing temperature, motor current and
flow, each a little, mixed with the load the pump happens to run at and with the tolerances of that one machine. The
other five columns depend on the hall, the load or the machine, and say next to nothing about the alarm. The alarm is
what an inspector would decide: a noisy threshold on wear, stricter under high load, so that no model reaches 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import ConfigError
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.contract import Source, SourceConfig

# Informative about the alarm: vibration, bearing_temperature, winding_temperature, current, flow.
COLUMNS = (
    Column(name="vibration", unit="mm/s", minimum=0.0, maximum=50.0),
    Column(name="bearing_temperature", unit="°C", minimum=-20.0, maximum=150.0),
    Column(name="winding_temperature", unit="°C", minimum=-20.0, maximum=180.0),
    Column(name="current", unit="A", minimum=0.0, maximum=60.0),
    Column(name="flow", unit="l/min", minimum=0.0, maximum=400.0),
    Column(name="pressure", unit="bar", minimum=0.0, maximum=16.0),
    Column(name="speed", unit="1/min", minimum=0.0, maximum=3600.0),
    Column(name="voltage", unit="V", minimum=300.0, maximum=480.0),
    Column(name="ambient_temperature", unit="°C", minimum=-20.0, maximum=60.0),
    Column(name="humidity", unit="%", minimum=0.0, maximum=100.0),
)


class Config(SourceConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pumps with motors in one hall.

    Attributes:
        rows: rows over all machines, one a minute; machines get equally many (the first ones one more).
        machines: how many machines; each is a group of its own.
        variety: how much the machines' tolerances differ; 0 makes them all alike.
        noise: how far the alarm is from a clean threshold; 0 makes it a function of wear and load.
    """

    rows: int = 1_000
    machines: int = 25
    variety: float = 1.0
    noise: float = 1.0


def _wear(rng: np.random.Generator, machines: int, minutes: int) -> NDArray[np.float64]:
    """Wear (machines, minutes): grows from a random start, drops when a part is replaced, in units of its spread."""
    grows = np.cumsum(rng.gamma(1.5, 0.06, (machines, minutes)), axis=1)
    span = 2.6 + rng.random((machines, 1))
    start = rng.uniform(0.0, span, (machines, 1))
    wear: NDArray[np.float64] = (start + grows) % span - 1.6
    return wear + 0.15 * rng.normal(size=wear.shape)


def _load(config: Config, seed: int) -> DataSet:
    if config.machines < 1 or config.rows < config.machines:
        raise ConfigError(
            "at least one row for each machine", f"rows = {config.rows}, machines = {config.machines}", "data"
        )
    if config.variety < 0 or config.noise < 0:
        raise ConfigError("variety and noise of at least 0", f"{config.variety}, {config.noise}", "data")
    rng = np.random.default_rng([seed, 10])
    machines, minutes = config.machines, -(-config.rows // config.machines)
    shape = (machines, minutes)

    def own(spread: float) -> NDArray[np.float64]:
        return config.variety * spread * rng.normal(size=(machines, 1))

    def noise(spread: float) -> NDArray[np.float64]:
        return spread * rng.normal(size=shape)

    wear = _wear(rng, machines, minutes)
    load = np.clip(0.7 + own(0.06) + noise(0.12), 0.2, 1.1)
    hall = 22.0 + own(2.0) + 2.0 * np.sin(np.arange(minutes) / 15.0) + noise(0.5)
    readings = {
        "vibration": np.exp(0.75 + own(0.07) + 0.45 * wear + 0.5 * (load - 0.7) + noise(0.18)),
        "bearing_temperature": hall + 24.0 + own(0.9) + 6.5 * wear + 14.0 * (load - 0.7) + noise(2.4),
        "winding_temperature": hall + 41.0 + own(1.6) + 6.0 * wear + 40.0 * (load - 0.7) + noise(3.4),
        "current": 14.0 + own(0.7) + 1.3 * wear + 16.0 * (load - 0.7) + noise(0.7),
        "flow": 190.0 + own(5.0) - 12.0 * wear + 90.0 * (load - 0.7) + noise(6.5),
        "pressure": 6.0 + own(0.3) + 1.5 * (load - 0.7) + noise(0.3),
        "speed": 1480.0 - 60.0 * (load - 0.7) + own(8.0) + noise(8.0),
        "voltage": 400.0 + own(2.0) + noise(3.0),
        "ambient_temperature": hall,
        "humidity": 48.0 + own(5.0) + noise(3.0),
    }
    values = np.stack([np.clip(readings[c.name], c.minimum, c.maximum) for c in COLUMNS], axis=2)
    alarm = wear + 0.6 * (load - 0.7) + noise(0.14 * config.noise) > 0.2
    labels = np.where(alarm, "yes", "no")
    width = max(2, len(str(machines)))
    recordings = []
    for m in range(machines):
        n = config.rows // machines + (m < config.rows % machines)
        name = f"machine-{m + 1:0{width}d}"
        recordings.append(
            Recording(
                name=name,
                values=values[m, :n].astype(np.float32),
                target=labels[m, :n],
                groups=np.full(n, name),
                sessions=np.full(n, f"{name}-shift-1"),
                time=np.arange(n, dtype=np.float64) * 60.0,
            )
        )
    return DataSet(
        name="machine",
        columns=COLUMNS,
        recordings=tuple(recordings),
        rate=1.0 / 60.0,
        target_name="alarm",
        group_name="machine",
        origin="simulated by edgewright.data.sources.machine",
    )


SOURCE = Source(config=Config, load=_load, simulated=True)
