"""Smart home: what does heating by presence save, and who is cold?"""

from __future__ import annotations

import csv
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import numpy as np

import edgewright as ew
from edgewright.core.predictor import Predictor
from edgewright.core.state_machine.machine import Machine
from edgewright.core.state_machine.table import read_table
from edgewright.workflows.examples import Target, check_proof, run_example
from edgewright.workflows.scoring.workflow import evaluation_samples
from homes import DARK, LAMP_WATTS, MINUTES, Climate, Doubles, Flags, Homes, Sensors, by_hand, draw_homes

DATA = ()
TARGETS = {
    "energy_presence": Target(
        maximum=0.72,
        source="Lu et al. (2010), The smart thermostat, recalled, not looked up: 28 % saved in eight real homes",
    ),
    "cold_more": Target(
        maximum=0.0, source="need: control that leaves people colder than a clock does is switched off"
    ),
    "accuracy": Target(
        minimum=0.9, source="need: one wrong decision in ten is what twenty minutes of patience can bridge"
    ),
}
HERE = Path(__file__).parent
OCCUPIED, EMPTY = "occupied", "empty"
TRAINING_HOMES, TRAINING_DAYS, EVALUATION_HOMES, EVALUATION_DAYS = 40, 7, 30, 14
# Degrees by state of climate.toml; other states keep the setback. States in which the lamp is on when it is dark.
WARM = {"comfort": 21.0, "left": 21.0, "night": 17.0}
LIT = ("comfort", "left")
COMFORT, NIGHT, SETBACKS = 21.0, 17.0, (16.0, 17.0, 18.0, 19.0)
# Somebody is cold below this temperature; the clock begins to heat an hour before somebody usually comes.
COLD, HEAT_AHEAD_MIN = 20.0, 60
JOULES_PER_KWH = 3.6e6
THERMOSTAT, CLOCK, PRESENCE, KNOWN = range(4)


def write_rows(path: Path) -> None:
    """Simulate 40 homes with a thermostat for a week, and write a labelled row every 5 minutes."""
    homes = draw_homes(TRAINING_HOMES, TRAINING_DAYS, 0)
    climate, sensors, rng = Climate(homes), Sensors(TRAINING_HOMES, 0), np.random.default_rng(0)
    wanted, lamps = np.full(TRAINING_HOMES, COMFORT), np.zeros(TRAINING_HOMES, np.bool_)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*Sensors.COLUMNS, "presence", "home"])
        for minute in range(TRAINING_DAYS * MINUTES):
            if minute % Sensors.EVERY == 0:
                for home, values in enumerate(sensors.read(climate).tolist()):
                    label = OCCUPIED if homes.people[minute, home] > 0 else EMPTY
                    writer.writerow([*(f"{value:.5g}" for value in values), label, f"home {home + 1}"])
            lamps = by_hand(homes, minute, lamps, rng.random(TRAINING_HOMES))
            climate.step(wanted, lamps)


class Controller:
    """The state table of each home."""

    def __init__(self, setback: float) -> None:
        checked = read_table(HERE / "climate.toml")
        self.machines = [Machine(checked) for _ in range(EVALUATION_HOMES)]
        self.labels, self.setback = [""] * EVALUATION_HOMES, setback

    def decide(self, labels: list[str], hour: float, time: float) -> None:
        """Pass the prediction for each home to its table."""
        for home, (machine, label) in enumerate(zip(self.machines, labels, strict=True)):
            machine.push("row", {"hour": hour}, time)
            machine.sure(time)
            decided = label if label != self.labels[home] else ""
            machine.push("window", {"label": label, "decided": decided}, time)
            self.labels[home] = label

    def settings(self) -> tuple[Doubles, Flags]:
        """Return the temperature that each heater is set to, and whether the lamp may be on."""
        states = [machine.state for machine in self.machines]
        return np.array([WARM.get(state, self.setback) for state in states]), np.isin(states, LIT)


class Result(NamedTuple):
    """Energy in kWh and cold hours a week, shape (4, homes), and the share of right predictions of each home."""

    energy: Doubles
    cold: Doubles
    right: Doubles


def simulate(predictor: Predictor, setback: float, seed: int) -> Result:
    """Heat and light homes for two weeks by a thermostat, a clock, predicted presence and known presence."""
    count, shape = EVALUATION_HOMES, (4, EVALUATION_HOMES)
    homes = draw_homes(count, EVALUATION_DAYS, seed)
    copies = {field.name: getattr(homes, field.name) for field in fields(Homes)}
    copies = {name: value if name == "hour" else np.tile(value, 4) if value.ndim == 1 else np.tile(value, (1, 4))
              for name, value in copies.items()}  # fmt: skip
    climate, sensors, rng = Climate(Homes(**copies)), Sensors(count * 4, seed), np.random.default_rng(seed)
    predicted, known = Controller(setback), Controller(setback)
    clock, lamps = clock_schedule(homes), np.zeros(shape, np.bool_)
    cold, energy, right, decisions = np.zeros(shape), np.zeros(shape), np.zeros(count), 0
    for minute in range(EVALUATION_DAYS * MINUTES):
        occupied, hour = homes.people[minute] > 0, float(homes.hour[minute])
        if minute % Sensors.EVERY == 0:
            rows = sensors.read(climate).reshape(4, count, -1)
            labels = predictor.predict(rows[PRESENCE].astype(np.float32)).labels
            predicted.decide(labels.tolist(), hour, 60.0 * minute)
            known.decide(np.where(occupied, OCCUPIED, EMPTY).tolist(), hour, 60.0 * minute)
            right, decisions = right + ((labels == OCCUPIED) == occupied), decisions + 1
        degrees = np.full(shape, COMFORT)
        degrees[CLOCK, ~clock[minute]] = NIGHT
        lamps[:2] = by_hand(homes, minute, lamps[0], rng.random(count))
        for arm, controller in ((PRESENCE, predicted), (KNOWN, known)):
            degrees[arm], lit = controller.settings()
            lamps[arm] = lit & (homes.daylight[minute] < DARK)
        climate.step(degrees.ravel(), lamps.ravel())
        cold += (occupied & homes.awake[minute]) & (climate.temperature.reshape(shape) < COLD)
        energy += lamps * LAMP_WATTS * 60 / JOULES_PER_KWH
    energy += climate.heat.reshape(shape) / JOULES_PER_KWH
    weeks = EVALUATION_DAYS / 7
    return Result(energy / weeks, cold / 60 / weeks, right / decisions)


def clock_schedule(homes: Homes) -> Flags:
    """Return when each home's clock heats: while somebody is usually home and awake, and the hour before."""
    minutes = np.arange(MINUTES)
    awake = ((minutes >= 6 * 60) & (minutes < 23 * 60))[:, None]
    working, weekend = homes.usual & awake, np.repeat(awake, homes.usual.shape[1], 1)
    for wanted in (working, weekend):
        wanted |= np.any([np.roll(wanted, -ahead, 0) for ahead in range(5, HEAT_AHEAD_MIN + 1, 5)], 0)
    return np.concatenate([weekend if day % 7 >= 5 else working for day in range(EVALUATION_DAYS)])


def choose_setback(predictor: Predictor) -> float:
    """Return the setback with the least energy, on other homes, that leaves no more cold hours than the clock."""
    results = {setback: simulate(predictor, setback, 1_000_001) for setback in SETBACKS}
    cold = {setback: result.cold[PRESENCE].mean() for setback, result in results.items()}
    warm = [setback for setback in SETBACKS if cold[setback] <= results[setback].cold[CLOCK].mean()]
    if not warm:
        return min(SETBACKS, key=lambda setback: cold[setback])
    return min(warm, key=lambda setback: results[setback].energy[PRESENCE].mean())


def main(data: Path | None, out: Path) -> dict[str, float]:
    """Train presence by the air, and run the heating's state table in homes that chose nothing."""
    del data
    rows = out / "homes.csv"
    write_rows(rows)
    run = ew.Pipeline.from_toml(HERE / "pipeline.toml", data=str(rows)).run(out=out, force=True)
    predictor, _ = evaluation_samples(run.folder)
    result = simulate(predictor, choose_setback(predictor), 1_000_000)
    share = (result.energy / result.energy[THERMOSTAT]).mean(axis=1)
    return {
        **run.figures,
        **check_proof(run.folder, device="cortex-m4"),
        "right": result.right.mean(),
        "energy_clock": share[CLOCK],
        "energy_presence": share[PRESENCE],
        "energy_known": share[KNOWN],
        "cold_clock": result.cold[CLOCK].mean(),
        "cold_presence": result.cold[PRESENCE].mean(),
        "cold_known": result.cold[KNOWN].mean(),
        "cold_more": (result.cold[PRESENCE] - result.cold[CLOCK]).mean(),
    }


if __name__ == "__main__":
    run_example(main, TARGETS, __doc__)
