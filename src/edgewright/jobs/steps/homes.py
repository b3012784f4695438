"""`homes`: rows of simulated homes with whether somebody is there, a home a group, to learn presence from."""

from __future__ import annotations

import csv
from typing import Annotated

import msgspec
import numpy as np

from edgewright.core.formatting import percent, plural
from edgewright.jobs.simulation.homes import MINUTES, Climate, Sensors, by_hand, draw_homes
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.schema.job import JobFigure, StepRecord

ROWS = "homes.csv"
THERE, EMPTY = "occupied", "empty"


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Homes to learn from.

    Attributes:
        homes: how many.
        days: of each.
        degrees: that every thermostat keeps.
        seed: of the homes, their people and their weather.
    """

    homes: Annotated[int, msgspec.Meta(ge=3, le=1000)] = 40
    days: Annotated[int, msgspec.Meta(ge=2, le=365)] = 7
    degrees: float = 21.0
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


def _homes(config: Config, work: Work) -> StepRecord:
    homes = draw_homes(config.homes, config.days, config.seed)
    climate, sensors = Climate(homes), Sensors(config.homes, config.seed)
    draw = np.random.default_rng(config.seed)
    folder, wanted = work.new_folder(config), np.full(config.homes, config.degrees)
    lamps, occupied, rows = np.zeros(config.homes, np.bool_), 0, 0
    with (folder / ROWS).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*Sensors.COLUMNS, "presence", "home"])
        for minute in work.each("Living", range(config.days * MINUTES), config.days * MINUTES):
            if minute % Sensors.EVERY == 0:
                there = homes.people[minute] > 0
                for home, values in enumerate(sensors.read(climate).tolist()):
                    label = THERE if there[home] else EMPTY
                    writer.writerow([*(f"{value:.5g}" for value in values), label, f"home {home + 1}"])
                occupied, rows = occupied + int(there.sum()), rows + config.homes
            lamps = by_hand(homes, minute, lamps, draw.random(config.homes))
            climate.step(wanted, lamps)
    # The steps behind read what this one wrote.
    work.data = folder / ROWS
    return StepRecord(
        command=f"edgewright jobs run {work.folder.name}",
        says=(
            f"{plural(config.homes, 'simulated home')} for {plural(config.days, 'day')} of the heating season, a row "
            f"every {Sensors.EVERY} minutes: somebody is there in {percent(occupied / rows)} of them.",
        ),
        figures=(JobFigure.of("rows", "rows of all homes", rows, "1"),),
        folder=folder.name,
    )


STEP = Step(Config, "Simulated homes", _homes)
