"""Simulated homes in the heating season: weather, people, warmth, carbon dioxide, moisture and light, a minute a step.

A home is two stores of heat (air with furniture, and walls) between a heater and the weather, as in RC models of
buildings, and one volume of air that people breathe and windows change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MINUTES = 1440
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]
# Per person: litres of CO2 an hour awake and asleep, grams of water an hour, watts of warmth.
_CO2_AWAKE, _CO2_ASLEEP, _WATER, _WARMTH = 18.0, 12.0, 50.0, 90.0
_OUTSIDE_CO2 = 420.0
# Lux below which people want a lamp, and watts of it.
DARK, LAMP_WATTS = 120.0, 80.0
_WAKE, _SLEEP = 6.5, 23.0


@dataclass(frozen=True)
class Homes:
    """Drawn homes with their weather and their people, of `days` days; arrays are (homes,) or (minutes, homes).

    Attributes:
        air, walls: heat that they store, J/K.
        inside, outside, leak: W/K from air to walls, from walls to the weather, and by changed air.
        power: of the heater, W.
        volume: m3.
        changes: of the air, an hour.
        people, awake: how many are there, and whether they are awake.
        hour: of the day, by minute.
        weather: outside, degrees.
        sun: warmth through windows, W.
        daylight: lux in the room.
        usual: (1,440, homes) minutes at which somebody is usually there on a working day: what a clock is set to.
        forgets: share of departures at which the lamp stays on.
    """

    air: Doubles
    walls: Doubles
    inside: Doubles
    outside: Doubles
    leak: Doubles
    power: Doubles
    volume: Doubles
    changes: Doubles
    people: Doubles
    awake: Flags
    hour: Doubles
    weather: Doubles
    sun: Doubles
    daylight: Doubles
    usual: Flags
    forgets: Doubles


def draw_homes(count: int, days: int, seed: int) -> Homes:
    """Draw homes: flats and small houses, old and new, of workers, families, and people who are seldom out."""
    draw = np.random.default_rng(seed)
    area = draw.uniform(45, 130, count)
    quality = draw.uniform(0.6, 2.2, count)  # W/K for each m2 of floor
    changes = draw.uniform(0.25, 0.8, count)
    volume = 2.5 * area
    leak = 0.34 * changes * volume
    power = (quality * area + leak) * draw.uniform(38, 55, count)  # enough for 20 degrees at -18 to -35
    hour = np.tile(np.arange(MINUTES) / 60.0, days)
    weather, clouds = _weather(draw, count, days)
    height = np.clip(np.sin((hour - 8.0) / 9.0 * np.pi), 0, None) * ((hour > 8.0) & (hour < 17.0))
    sun = height[:, None] * clouds * draw.uniform(4, 16, count) * area
    daylight = height[:, None] * (0.25 + 0.75 * clouds) * draw.uniform(150, 700, count)
    people, usual = _presence(draw, count, days)
    awake = (hour >= _WAKE) & (hour < _SLEEP)
    return Homes(
        air=area * 45e3, walls=area * draw.uniform(120e3, 420e3, count), inside=area * 9.0, outside=quality * area,
        leak=leak, power=power, volume=volume, changes=changes, people=people,
        awake=np.repeat(awake[:, None], count, 1), hour=hour, weather=weather, sun=sun, daylight=daylight, usual=usual,
        forgets=draw.uniform(0.05, 0.4, count),
    )  # fmt: skip


def _weather(draw: np.random.Generator, count: int, days: int) -> tuple[Doubles, Doubles]:
    """Return degrees outside and clearness of the sky, 0 to 1, by minute and home."""
    mean = draw.uniform(-3, 9, count)
    daily, front = np.empty((days, count)), draw.normal(0, 3, count)
    for day in range(days):
        front = 0.7 * front + draw.normal(0, 2.2, count)
        daily[day] = mean + front
    middles = np.arange(days) * MINUTES + MINUTES / 2
    minutes = np.arange(days * MINUTES)
    smooth = np.stack([np.interp(minutes, middles, daily[:, home]) for home in range(count)], 1)
    clear = np.repeat(draw.beta(0.8, 1.1, (days, count)), MINUTES, 0)
    swing = np.cos((minutes / 60.0 - 15.0) / 24.0 * 2 * np.pi)[:, None] * (1.0 + 2.5 * clear)
    return smooth + swing, clear


def _presence(draw: np.random.Generator, count: int, days: int) -> tuple[Doubles, Flags]:
    """Return people at home by minute, and when somebody usually is on a working day."""
    people, usual = np.zeros((days * MINUTES, count)), np.zeros((MINUTES, count), np.bool_)
    for home in range(count):
        for _ in range(int(draw.integers(1, 5))):
            leaves, returns = draw.normal(7.75, 0.7), draw.normal(16.8, 1.5)
            # Shares of working days at home, of evenings out, and of weekend hours out.
            stays, out, roams = draw.beta(1, 3), draw.beta(1, 5), draw.uniform(0.2, 0.7)
            whole = np.ones(MINUTES, np.bool_)
            whole[_minute(leaves) : _minute(returns)] = stays > 0.5
            usual[:, home] |= whole
            for day in range(days):
                there = np.ones(MINUTES, np.bool_)
                if day % 7 < 5 and draw.random() >= stays:
                    there[_minute(leaves + draw.normal(0, 0.3)) : _minute(returns + draw.normal(0, 0.8))] = False
                elif draw.random() < roams:
                    begin = draw.uniform(9, 18)
                    there[_minute(begin) : _minute(begin + draw.uniform(1, 6))] = False
                if draw.random() < out:
                    begin = draw.uniform(18, 20)
                    there[_minute(begin) : _minute(begin + draw.uniform(1.5, 4))] = False
                people[day * MINUTES : (day + 1) * MINUTES, home] += there
    return people, usual


def _minute(hour: float) -> int:
    return int(np.clip(round(hour * 60), 0, MINUTES))


class Climate:
    """What a set of homes is like at a minute; `step` takes what the heater is to reach and which lamps are on.

    Args:
        homes: drawn homes.

    Attributes:
        minute: that comes next.
        temperature, co2, vapour: of the air: degrees, parts per million, g/m3.
        heat: J that the heaters gave.
    """

    def __init__(self, homes: Homes) -> None:
        self._homes, self.minute = homes, 0
        count = len(homes.air)
        self.temperature, self._walls = np.full(count, 19.0), np.full(count, 17.0)
        self.co2, self.vapour, self.heat = np.full(count, 600.0), np.full(count, 6.0), np.zeros(count)

    def step(self, wanted: Doubles, lamps: Flags) -> None:
        """Let a minute go by.

        Args:
            wanted: degrees that each heater is to reach; it works in proportion within half a degree.
            lamps: whether each lamp is on.
        """
        homes, now = self._homes, self.minute
        people, outside = homes.people[now], homes.weather[now]
        heater = homes.power * np.clip((wanted - self.temperature) / 0.5, 0, 1)
        gains = heater + homes.sun[now] + people * _WARMTH + lamps * LAMP_WATTS
        to_walls = homes.inside * (self.temperature - self._walls)
        self.temperature = self.temperature + 60 / homes.air * (
            gains - to_walls - homes.leak * (self.temperature - outside)
        )
        self._walls = self._walls + 60 / homes.walls * (to_walls - homes.outside * (self._walls - outside))
        breath = people * np.where(homes.awake[now], _CO2_AWAKE, _CO2_ASLEEP) / 60 / homes.volume * 1e3
        changed = homes.changes / 60
        self.co2 = self.co2 + breath - changed * (self.co2 - _OUTSIDE_CO2)
        dew = 4.5 + 0.25 * np.clip(outside, -8, 15)
        self.vapour = self.vapour + people * _WATER / 60 / homes.volume - changed * (self.vapour - dew)
        self.heat = self.heat + heater * 60
        self.minute += 1


def by_hand(homes: Homes, minute: int, lamps: Flags, draw: Doubles) -> Flags:
    """Return which lamps are on where people switch them: on in the dark, off in bed and mostly when they leave.

    Args:
        homes: that people live in.
        minute: of now.
        lamps: of the minute before.
        draw: a number from 0 to 1 for each home; below `forgets` a lamp stays on in an empty home.
    """
    there = homes.people[minute] > 0
    left = ~there & (homes.people[max(0, minute - 1)] > 0)
    lit = np.where(there, homes.daylight[minute] < DARK, lamps & ~(left & (draw >= homes.forgets)))
    return np.asarray(lit & homes.awake[minute])


class Sensors:
    """What a gateway reads in each home: with an offset and noise of their own.

    Args:
        count: of homes.
        seed: of offsets and noise.
    """

    COLUMNS = ("co2", "co2_rise", "vapour_rise")
    EVERY, _BACK = 5, 3
    """Minutes between two rows; a rise is over three of them."""

    def __init__(self, count: int, seed: int) -> None:
        self._draw = np.random.default_rng(seed)
        self._offset = self._draw.normal(0, 25, count)
        self._kept: list[tuple[Doubles, Doubles]] = []

    def read(self, climate: Climate) -> Doubles:
        """Return a row of `COLUMNS` for each home."""
        co2 = climate.co2 + self._offset + self._draw.normal(0, 6, len(self._offset))
        vapour = climate.vapour + self._draw.normal(0, 0.04, len(self._offset))
        self._kept = [*self._kept[-self._BACK :], (co2, vapour)]
        before = self._kept[0]
        return np.stack([co2, co2 - before[0], vapour - before[1]], 1)
