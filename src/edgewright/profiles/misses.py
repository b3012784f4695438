"""Error bars from past misses: what was estimated and what was found, by kind of device and quantity.

The interval is the conformal one (Vovk et al., "Algorithmic Learning in a Random World", 2005) with a guarantee for the
past at hand (Vovk, "Conditional Validity of Inductive Conformal Predictors", 2012): of n past misses, relative to the
estimate, the k-th smallest, where k is the first for which nine of ten new misses lie within it with a probability of
at least .99. Up to 63 misses that is the largest; below nine it is never less than what is assumed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from edgewright.core.files import state_folder, write_atomic
from edgewright.schema.errors import OutputError

VERSION = 1
COVERED = 0.9
CONFIDENT = 0.99
FEWEST = 9
# Where nothing was ever compiled, counted or measured: half to one and a half.
ASSUMED = 0.5
# The newest of one kind and quantity are kept.
_KEPT = 400
SHIPPED = Path(__file__).resolve().parent / "misses.json"


class Miss(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One estimate and what was found: `kind` is a core, for latency a profile; both figures are in one unit."""

    kind: str
    quantity: str
    estimated: float
    measured: float = msgspec.field(name="found")
    subject: str = ""

    @property
    def relative(self) -> float:
        """How far off, relative to the estimate."""
        return abs(self.measured - self.estimated) / self.estimated if self.estimated > 0 else math.inf


class Misses(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of past misses.

    Attributes:
        version: version of the format.
        misses: the oldest first.
        made_with: what estimated, compiled and counted.
    """

    version: int = VERSION
    misses: tuple[Miss, ...] = ()
    made_with: str = ""


@cache
def shipped() -> tuple[Miss, ...]:
    """Those of the benchmark, which come with Edgewright."""
    return msgspec.json.decode(SHIPPED.read_bytes(), type=Misses).misses if SHIPPED.exists() else ()


def own_file() -> Path:
    """Where the user's own misses are kept: `$XDG_STATE_HOME/edgewright/misses.json`, or under `~/.local/state`."""
    return state_folder() / "misses.json"


def own() -> tuple[tuple[Miss, ...], str]:
    """Return the user's own misses, and a word where the file cannot be read."""
    path = own_file()
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return (), ""
    except OSError as error:
        return (), f"past misses in {path} are ignored: {error.strerror or error}"
    try:
        misses = msgspec.json.decode(data, type=Misses)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return (), f"past misses in {path} are ignored: the file is damaged ({str(error).replace('`', chr(39))})"
    if misses.version > VERSION:
        return (), f"past misses in {path} are ignored: they are of a newer format, {misses.version}"
    sound = tuple(m for m in misses.misses if 0 < m.estimated < math.inf and 0 < m.measured < math.inf)
    return sound, ""


def remember(new: Sequence[Miss]) -> str:
    """Append misses to the user's own; a word where they cannot be kept. A damaged file is replaced."""
    kept, text = own()
    repeated = {(m.kind, m.quantity, m.subject) for m in new if m.subject}
    kept_misses = [m for m in kept if (m.kind, m.quantity, m.subject) not in repeated] + list(new)
    counts: dict[tuple[str, str], int] = {}
    chosen = []
    for miss in reversed(kept_misses):
        key = (miss.kind, miss.quantity)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= _KEPT:
            chosen.append(miss)
    path = own_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, msgspec.json.encode(Misses(misses=tuple(chosen[::-1]))))
    except (OSError, OutputError) as error:
        return f"this miss could not be kept in {path}: {error}"
    return text


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """A relative half-width and what it rests on."""

    width: float
    source: str


def bar(kind: str, quantity: str, also: Sequence[Miss] = (), assumed: float = ASSUMED) -> Bar:
    """Return the error bar of a quantity on a kind of device.

    Args:
        kind: of device.
        quantity: 'flash', 'ram', 'instructions' or 'latency'.
        also: misses beside those that come with Edgewright.
        assumed: half-width where too few are known.
    """
    every = _by_kind().get((kind, quantity), ()) + tuple(
        m.relative for m in also if m.kind == kind and m.quantity == quantity
    )
    if not every:
        return Bar(width=assumed, source=f"assumed: no past {quantity} of a {kind} is known")
    largest, count = max(every), len(every)
    if count < FEWEST:
        return Bar(width=max(assumed, largest), source=f"assumed: only {count} past {quantity} of a {kind} known")
    return Bar(width=sorted(every)[index_of(count) - 1], source=f"{count} past estimates of a {kind}")


@cache
def index_of(count: int) -> int:
    """Which of so many past misses, the smallest first, is the half-width; from 1.

    The share of new misses within the k-th of n is at least `COVERED` with the probability that a binomial variable
    of n trials with `COVERED` each stays below k.
    """
    below = 0.0
    for k in range(count):
        below += math.comb(count, k) * COVERED**k * (1 - COVERED) ** (count - k)
        if below >= CONFIDENT:
            return k + 1
    return count


@cache
def _by_kind() -> dict[tuple[str, str], tuple[float, ...]]:
    ratios: dict[tuple[str, str], tuple[float, ...]] = {}
    for miss in shipped():
        key = (miss.kind, miss.quantity)
        ratios[key] = (*ratios.get(key, ()), miss.relative)
    return ratios
