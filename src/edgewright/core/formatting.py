"""Numbers and their units as text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from html import escape

from edgewright.core.errors import UnitDiffersError

# From here on a reading is written with an exponent: below, ten characters hold it, sign and commas included.
_EXPONENT = 9_999_999.5
# Half the width of an error bar, as a share of the estimate, above which the estimate alone is not shown.
_WIDEST = 0.3
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as '10,000 x 20'; empty text for an empty shape."""
    return " x ".join(f"{n:,}" for n in shape)


def flow_text(shape_in: Sequence[int], shape_out: Sequence[int]) -> str:
    """Return the shapes of a stage: '10,000 x 20 -> 10,000 x 10'; only the output where nothing comes in."""
    if not shape_in or not shape_out:
        return shape_text(shape_out or shape_in)
    return f"{shape_text(shape_in)} -> {shape_text(shape_out)}"


def number(value: float | None) -> str:
    """Return a reading with four significant digits, whole up to millions (101,325 Pa); 'missing' for None and NaN."""
    if value is None or math.isnan(value):
        return "missing"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    size = abs(value)
    if size < _EXPONENT and (value == int(value) or size >= 100_000):
        return f"{value:,.0f}" if value else "0"
    if size >= _EXPONENT or size < 0.0005:
        return f"{value:.2e}"
    digits = max(0, 3 - math.floor(math.log10(size)))
    return f"{value:,.{min(digits, 4)}f}"


def fraction(value: float | None, digits: int = 3) -> str:
    """Return a loss or an accuracy the short way, '.553'; '-' where there is none."""
    if value is None:
        return "-"
    if math.isnan(value):
        return "nan"
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("0.") else "-" + text[2:] if text.startswith("-0.") else text


def percent(value: float, digits: int = 0) -> str:
    """Return a share of one in per cent, '85 %'; what is not quite all is never rounded to '100 %'."""
    if 0 < value < 1 and round(100 * value, digits) >= 100:
        return f"{100 * value:.1f} %" if digits == 0 and value < 0.9995 else "> 99.9 %"
    return f"{100 * value:.{digits}f} %"


def points(value: float) -> str:
    """Return a difference of two shares in percentage points, '0.4 points'."""
    size = round(abs(100 * value), 1)
    text = f"{size:.0f}" if size == int(size) else f"{size:.1f}"
    return f"{text} point" if text == "1" else f"{text} points"


def bytes_text(count: float) -> str:
    """Return bytes in decimal units, '5.4 kB'."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if abs(count) >= size:
            value = count / size
            return f"{value:.0f} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}"
    return f"{count:.0f} B"


def seconds_text(seconds: float) -> str:
    """Return a duration, '0.12 s', '4.2 ms', '2 min 3 s', '7 d 1 h'."""
    if seconds >= 60:
        return duration_text(seconds)
    if seconds >= 0.1:
        return f"{seconds:.2f} s"
    if seconds >= 0.0001:
        return f"{1e3 * seconds:.1f} ms"
    return f"{1e6 * seconds:.0f} µs" if seconds > 0 else "0 s"


def duration_text(seconds: float) -> str:
    """Return a duration in its two largest units: '3.5 s', '2 min 3 s', '7 d 1 h'."""
    if abs(seconds) < 60:
        return f"{seconds:.3g} s"
    whole = round(abs(seconds))
    index = next(number for number, (size, _) in enumerate(_UNITS) if whole >= size)
    (large, first), (small, second) = _UNITS[index : index + 2]
    rest = whole % large // small
    text = f"{whole // large:,} {first}" + (f" {rest} {second}" if rest else "")
    return f"-{text}" if seconds < 0 else text


def elapsed_text(seconds: float) -> str:
    """Return how long something lasts in its largest whole unit: '12 s', '3 min', '2 h', '5 d'."""
    passed = max(0.0, seconds)
    for size, word in ((86_400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if passed >= size:
            return f"{passed // size:.0f} {word}"
    return f"{passed:.0f} s"


_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*([a-z]*)\s*")


def parse_duration(text: str) -> float | None:
    """Return the seconds of '90', '30min', '1.5h', '1d' or '1w'; None for any other text."""
    match = _DURATION.fullmatch(text.lower())
    return float(match[1]) * _SECONDS[match[2]] if match and match[2] in _SECONDS else None


def microseconds_text(microseconds: float | None) -> str:
    """Return a latency: '4.2 µs', '1.31 ms'; '-' where there is none."""
    if microseconds is None:
        return "-"
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if float(f"{microseconds:.3g}") >= size:  # 999.7 is shown as 1 ms, not as 1e+03
            return f"{microseconds / size:.3g} {unit}"
    return f"{microseconds:.3g} µs"


def estimated_latency(value: float, low: float, high: float) -> tuple[str, str]:
    """Return an estimated latency and its range: '12 µs', '10 µs to 15 µs'.

    Beyond ±30 % a single figure would say more than is known: 'at most 134 µs' and no range.
    """
    if high - low > 2 * _WIDEST * value:
        return f"at most {microseconds_text(high)}", ""
    return microseconds_text(value), f"{microseconds_text(low)} to {microseconds_text(high)}"


def speed_text(before: float, after: float) -> str:
    """Return how a duration changes: '2.1x faster' or '1.1x slower'."""
    ratio = before / after
    return f"{ratio:.1f}x faster" if ratio >= 1 else f"{1 / ratio:.1f}x slower"


def times_text(ratio: float) -> str:
    """Return how many times as much something is, in two digits: `150 times as much`."""
    return f"{float(f'{ratio:.2g}'):,.10g} times as much"


def amount(value: float, unit: str) -> str:
    """Return a figure with its unit: bytes and microseconds in the size a person reads, others as they are."""
    if unit in ("B", "bytes"):
        return bytes_text(value)
    if unit in ("us", "µs", "microseconds"):
        return microseconds_text(value)
    return f"{number(value)} {unit}".rstrip()


def measure_word(measure: str) -> str:
    """Return a measure of a comparison over data sizes as a reader calls it: 'cpu_seconds' is 'CPU time'."""
    known = {"seconds": "time", "cpu_seconds": "CPU time", "peak_bytes": "memory", "latency_us": "latency"}
    return known.get(measure, measure.replace("_", " "))


def plural(count: int, singular: str, many: str = "") -> str:
    """'1 sample', '8,000 samples'."""
    return f"{count:,} {singular if count == 1 else many or singular + 's'}"


def shorten(text: str, width: int, mark: str = "…") -> str:
    """Return text cut to at most `width` characters, with `mark` at the cut."""
    return text if len(text) <= width else text[: max(0, width - len(mark))] + mark


def printable(text: str, mark: str = "", keep: str = "") -> str:
    """Return text that cannot control a terminal: `mark` replaces each character that is not printable.

    Args:
        text: from outside.
        mark: replacement.
        keep: characters that stay, such as line feeds.
    """
    return "".join(char if char.isprintable() or char in keep else mark for char in text)


def share_word(share: float) -> str:
    """Return the largest plain fraction that is not above `share`: 'a quarter', 'half', 'nine tenths'."""
    words = (
        (0.9, "nine tenths"),
        (0.75, "three quarters"),
        (2 / 3, "two thirds"),
        (0.5, "half"),
        (1 / 3, "a third"),
        (0.25, "a quarter"),
        (0.2, "a fifth"),
        (0.1, "a tenth"),
    )
    return next((word for minimum, word in words if share >= minimum - 1e-9), percent(share))


def some_of(names: Sequence[str], count: int = 5) -> str:
    """Return names in a sentence: the first ones, and how many more there are."""
    more = f" and {len(names) - count:,} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def html_table(caption: str, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose caption, headers and cells are escaped."""
    head = "".join(f"<th>{escape(text)}</th>" for text in headers)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return (
        f'<table><caption style="text-align: left">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


MISSING_NUMBERS = frozenset(
    {"", "nan", "na", "?", "n/a", "#n/a", "#na", "<na>", "null", "none", "nil", "-", "--", "---", "missing", "#value!",
     "unavailable", "unknown"}
)  # fmt: skip
"""Spellings of a missing number, in lower case; the last two are states of Home Assistant."""
MISSING_LABELS = frozenset({"", "nan", "na", "n/a", "null", "?", "unavailable"})
"""Spellings of a missing label, in lower case: `none`, `-` and `unknown` may be classes."""
MISSING_TEXTS = frozenset({"", "nan", "na", "?"})
"""Spellings of a missing text of a category, in lower case, as packages know them."""
_DATE = re.compile(
    r"(?:1[5-9]|20)\d\d[-/](?:0[1-9]|1[0-2])$|\d{4}([-/])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2\d{2,4}|\d{1,2}:\d\d"
)


def is_number(text: str) -> bool:
    """Return whether a cell holds a number as a program writes it, be it infinite or none (`nan`)."""
    try:
        float(text)
    except ValueError:
        return False
    # Python reads 1_000 as a number; no other reader of CSV does.
    return "_" not in text


def is_date(text: str) -> bool:
    """Return whether a cell begins as a date or a time of day."""
    return _DATE.match(text) is not None


# Units of one quantity stand in one text, spellings of one unit between '='.
_QUANTITIES = (
    "°C=C=degC, K, °F=F=degF", "%", "g, mg, m/s²=m/s2=m/s^2", "m/s, mm/s", "rad/s, deg/s=°/s=dps", "V, mV, kV", "A, mA",
    "W, mW, kW", "Wh, kWh, J", "Hz, kHz, 1/min=rpm", "h, min, s, ms, µs=us=\u03bcs, ns", "m, mm, cm, km",
    "Pa, hPa=mbar, kPa, MPa, bar", "lx=lux", "ppm, ppb", "µg/m³=\u03bcg/m³", "N", "N m=Nm", "kg", "l/min, l/h, m³/h",
    "dB", "µT=uT=\u03bcT, T", "Ω=\u2126=ohm",
)  # fmt: skip
_SPELLINGS = {
    spelling: (number, unit.split("=")[0])
    for number, text in enumerate(_QUANTITIES)
    for unit in text.split(", ")
    for spelling in unit.split("=")
}
UNITS = frozenset(_SPELLINGS)
"""Units that declare the one of a column."""
# Words in brackets that are no unit ('mean', '12') stay part of the name only.
_BRACKETS = re.compile(r"[\[(]\s*([^\])]{1,16}?)\s*[\])]\s*$")
# What stands under the name of a column that has no unit.
_NO_UNIT = frozenset({"", "-", "--", "1", "n/a", "none", "text", "bool"})


def spelled(unit: str) -> str:
    """Return a unit as it is spelled here: °C for C and degC; an unknown one as it is."""
    return _SPELLINGS[unit][1] if unit in _SPELLINGS else unit


def is_same_unit(first: str, second: str) -> bool:
    """Return whether two texts are spellings of one unit, such as C and °C."""
    return spelled(first) == spelled(second)


def is_one_quantity(units: Sequence[str]) -> bool:
    """Return whether all units, which are known ones, measure the same, as °C and °F do."""
    return len({_SPELLINGS[unit][0] for unit in units}) == 1


def refuse_other_unit(column: str, unit: str, other: str, whose: str, where: str) -> None:
    """Refuse a column in another unit than the one that it should have; nothing where a side does not know its unit.

    Args:
        column: its name.
        unit: that it should have.
        other: that it has.
        whose: where the first unit comes from, for the error: 'as in the training'.
        where: the file.

    Raises:
        InputError: for two units.
    """
    if unit and other and not is_same_unit(unit, other):
        raise UnitDiffersError(
            f"{column} in {unit}, {whose}", other, f"{where}, column {column}",
            f"Convert the column to {unit}, and write its unit or none",
        )  # fmt: skip


def unit_in(name: str) -> str:
    """Return the unit in brackets at the end of a column's name; empty when there is none."""
    match = _BRACKETS.search(name)
    return match[1] if match and match[1] in UNITS else ""


def unit_of(cell: str) -> str:
    """Return the unit in a cell below a name, with or without brackets; empty where there is none."""
    text = cell.strip().strip("[]()")
    return text if text in UNITS else ""


def is_unit_line(cells: Sequence[str], below: Sequence[str]) -> bool:
    """Return whether a line holds units: nothing else, and numbers stand below one of them at least.

    Args:
        cells: of the line below the header.
        below: of the next line; empty where there is none.
    """
    if not all(unit_of(cell) or cell.strip().lower() in _NO_UNIT for cell in cells):
        return False
    return any(
        unit_of(cell) and any(sign.isdigit() for sign in value) for cell, value in zip(cells, below, strict=False)
    )
