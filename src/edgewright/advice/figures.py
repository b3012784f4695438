"""Figures of the cost model: defaults with their sources, and values set by the user."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from edgewright.advice.records import Need, Parameter
from edgewright.core.errors import NeedFormatError, OptionsConflictError, UnknownNameError
from edgewright.profiles.records import Figure, Profile

_BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024.0, "MiB": 1048576.0}
_PER_DAY = {"day": 1.0, "d": 1.0, "h": 24.0, "s": 86400.0, "month": 12 / 365.25}
_DAYS = {"h": 1 / 24, "d": 1.0, "day": 1.0, "days": 1.0, "w": 7.0, "month": 365.25 / 12, "months": 365.25 / 12,
         "y": 365.25, "year": 365.25, "years": 365.25}  # fmt: skip
_PER_YEAR = {"y": 1.0, "year": 1.0, "month": 12.0, "day": 365.25, "d": 365.25}
# For each need with an amount: factor of each unit to the stored unit, and an example.
AMOUNTS: dict[str, tuple[dict[str, float], str]] = {
    "latency": ({"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}, "5ms"),
    "battery": (_DAYS, "1y"),
    "bandwidth": ({f"{b}/{d}": n * m for b, n in _BYTES.items() for d, m in _PER_DAY.items()}, "1MB/day"),
    "price": ({f"{d}/{y}": m for d in ("USD", "$") for y, m in _PER_YEAR.items()}, "10USD/y"),
    "flash": (_BYTES, "64kB"),
    "ram": (_BYTES, "16kB"),
    "score": ({"": 1.0, "%": 0.01}, "0.9"),
}
PLAIN = {
    "offline": "answers without internet",
    "privacy": "readings do not leave the device",
}
KNOWN = tuple(sorted((*AMOUNTS, *PLAIN)))
_NUMBER = re.compile(r"([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*(.*)")
EXAMPLE = "latency=5ms,offline,privacy,battery=1y,bandwidth=1MB/day,price=10USD/y"


def parse_needs(text: str) -> tuple[Need, ...]:
    """Parse needs separated by commas; an empty text has none.

    Limits are in seconds (latency), days (battery), bytes per day (bandwidth), US dollars per year (price), bytes
    (flash, ram), or the metric of the race (score).

    Raises:
        InputError: an amount is missing, unexpected, not above zero or has the wrong unit, or a need occurs twice.
        UnknownNameError: a need is unknown.
    """
    needs: dict[str, Need] = {}
    for part, name, amount in _pairs(text):
        if name not in KNOWN:
            raise UnknownNameError("need", name, KNOWN, "--need")
        if name in needs:
            raise OptionsConflictError(f"one {name}", "two", "--need")
        if name in PLAIN:
            if part != name:
                raise NeedFormatError(f"{name} alone", repr(part), "--need")
            needs[name] = Need(name=name, text=name)
            continue
        units, example = AMOUNTS[name]
        if not amount:
            raise NeedFormatError(f"{name}={example}", repr(part), "--need")
        where = f"--need {name}"
        match = _NUMBER.fullmatch(amount)
        if match is None:
            raise NeedFormatError(f"an amount such as {example}", repr(amount), where)
        if match[2] not in units:
            known = ", ".join(unit or "no unit" for unit in units)
            raise NeedFormatError(f"one of the units {known}", repr(match[2]) if match[2] else "none", where)
        limit = _above_zero(float(match[1]) * units[match[2]], amount, where)
        needs[name] = Need(name=name, text=f"{name}={amount}", limit=limit)
    return tuple(needs.values())


def _pairs(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield each part between commas, its name, and the text after the equals sign."""
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, amount = part.partition("=")
        yield part, name.strip(), amount.strip()


def _above_zero(value: float, text: str, where: str) -> float:
    if not 0 < value < math.inf:
        raise NeedFormatError("an amount above zero", repr(text), where)
    return value


def limit_of(needs: tuple[Need, ...], name: str) -> float | None:
    """Return the limit of a need; None where the need is not set."""
    return next((need.limit for need in needs if need.name == name), None)


_FOLDER = Path(__file__).resolve().parent
# Factor of each unit to the unit in which a figure is stored.
_SCALES: dict[str, dict[str, float]] = {
    "J": {"J": 1.0, "mJ": 1e-3, "kJ": 1e3, "Wh": 3600.0},
    "W": {"W": 1.0, "mW": 1e-3, "uW": 1e-6, "µW": 1e-6},
    "s": {"s": 1.0, "ms": 1e-3, "us": 1e-6},
    "h": {"h": 1.0, "min": 1 / 60, "s": 1 / 3600},
    "B": {"B": 1.0, "kB": 1e3},
    "J/bit": {"J/bit": 1.0, "uJ/bit": 1e-6, "nJ/bit": 1e-9},
    "B/day": {"B/day": 1.0, "kB/day": 1e3, "MB/day": 1e6},
}
_EXAMPLE = "Write it as bandwidth=0.5,cell=9000J"


class Radio(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link from a device to its gateway or server, defined by a TOML file in `radios`.

    Attributes:
        title: display name.
        bit: energy per bit sent, including all overhead that scales with size, in joules.
        message: additional energy per message to wake up, connect and listen, in joules.
        round_trip: round-trip time in seconds.
        header: header bytes per message.
        payload: maximum payload bytes per message.
        most: maximum bytes per day; None for no limit.
    """

    title: str
    bit: Figure
    message: Figure
    round_trip: Figure
    header: Figure
    payload: Figure
    most: Figure | None = None


@cache
def radios() -> tuple[str, ...]:
    """Return the names of all links."""
    return tuple(sorted(path.stem for path in (_FOLDER / "radios").glob("*.toml")))


def load_radio(name: str) -> Radio:
    """Load the link of that name.

    Raises:
        UnknownNameError: there is no such link.
    """
    if name not in radios():
        raise UnknownNameError("radio", name, radios(), "--radio")
    return msgspec.toml.decode((_FOLDER / "radios" / f"{name}.toml").read_bytes(), type=Radio)


def usual_radio(profile: Profile, small: bool) -> str:
    """Return the default link: Bluetooth LE for microcontrollers other than ESP32, otherwise Wi-Fi."""
    return "wifi" if not small or profile.name.startswith("esp32") else "ble"


class Figures:
    """Figures by name; a figure of the link has the prefix `radio_`, as in `radio_bit`.

    Args:
        radio: name of the link.
        given: values set by the user, in the stored units.
    """

    def __init__(self, radio: str, given: dict[str, float] | None = None) -> None:
        self.radio = radio
        self._given = given or {}
        self._figures = known_figures(radio)

    def __getitem__(self, name: str) -> float:
        """Return the value of a figure; `math.inf` for a limit that the link does not have."""
        if name in self._given:
            return self._given[name]
        return self._figures[name].value if name in self._figures else math.inf

    def is_given(self, name: str) -> bool:
        """Return whether the user set the figure."""
        return name in self._given

    def with_values(self, **values: float) -> Figures:
        """Return a copy with some values replaced."""
        return Figures(self.radio, {**self._given, **values})

    def parameters(self) -> tuple[Parameter, ...]:
        """Return the figures for the record."""
        return tuple(
            Parameter(
                name=name,
                value=self[name],
                unit=figure.unit,
                source="given" if name in self._given else figure.source,
                given=name in self._given,
            )
            for name, figure in self._figures.items()
        )


def known_figures(radio: str) -> dict[str, Figure]:
    """Return all figures that can be set for a link.

    Raises:
        UnknownNameError: there is no such link.
    """
    common = msgspec.toml.decode((_FOLDER / "figures.toml").read_bytes(), type=dict[str, Figure])
    link = load_radio(radio)
    own = {f"radio_{key}": getattr(link, key) for key in Radio.__struct_fields__ if key != "title"}
    return {**common, **{key: figure for key, figure in own.items() if figure is not None}}


def parse_prices(text: str, radio: str) -> dict[str, float]:
    """Parse figures separated by commas, such as 'bandwidth=0.5,cell=9000J', into their stored units.

    Raises:
        InputError: a part is not NAME=VALUE, a value is not above zero or has the wrong unit, or a figure occurs twice.
        UnknownNameError: a figure is unknown.
    """
    figures, prices = known_figures(radio), dict[str, float]()
    for part, name, amount in _pairs(text):
        if "=" not in part:
            raise NeedFormatError("figures such as bandwidth=0.5", repr(part), "--price", _EXAMPLE)
        if name not in figures:
            raise UnknownNameError("figure", name, figures, "--price")
        if name in prices:
            raise OptionsConflictError(f"one {name}", "two", "--price")
        scales = {"": 1.0, **_SCALES.get(figures[name].unit, {figures[name].unit: 1.0})}
        match, where = _NUMBER.fullmatch(amount), f"--price {name}"
        if match is None or match[2] not in scales:
            raise NeedFormatError(f"a number above zero in {' or '.join(filter(None, scales))}", repr(amount), where)
        prices[name] = _above_zero(float(match[1]) * scales[match[2]], amount, where)
    return prices
