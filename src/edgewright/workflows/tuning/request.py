"""What a tuning is asked for, whether recordings, grid and device allow it, and which point of the curve it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from edgewright.profiles.catalogue import load_profile
from edgewright.schema.errors import InputError
from edgewright.schema.package import Manifest
from edgewright.workflows.tuning.grid import Grid, Tried
from edgewright.workflows.tuning.recordings import Tape, TuneData
from edgewright.workflows.tuning.selection import AtMost, Cost, Rule, best, rate_of

# Answers that the grid may be tried on: more than some minutes of it are thinned out.
_MOST = 40_000_000


@dataclass(frozen=True)
class TuningRequest:
    """What is tuned.

    Attributes:
        cost: of a false alarm and of a missed event.
        point: of the curve, from 1 on, that is taken instead of the cheapest.
        most: false alarms a day that are accepted; of what keeps to it the point that misses least is taken.
        alarms: labels that call for somebody; all but those that mean 'normal' when empty.
        people: groups that are taken.
        tolerance: seconds after an event in which an alarm belongs to it; a window and a step when None.
        form: of the model.
        device: profile whose memory the smoothing must fit; empty for none.
        grid: what is tried.
    """

    cost: Cost
    point: int | None = None
    most: float | None = None
    alarms: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    tolerance: float | None = None
    form: str | None = None
    device: str = ""
    grid: Grid = field(default_factory=Grid)

    def __post_init__(self) -> None:
        if self.point is not None and self.most is not None:
            raise InputError("either --point or --alarms-per-day", "both", "edgewright tune")

    @property
    def taken(self) -> Literal["cost", "point", "most"]:
        """By what the point of the curve is taken."""
        return "point" if self.point is not None else "cost" if self.most is None else "most"


def usual_tolerance(manifest: Manifest, tape: Tape) -> float:
    """Return seconds after an event in which an alarm belongs to it by default: a window and a step."""
    window = manifest.window
    # A window that ends so long after an event still holds rows of it; the step is how late the answer may be.
    return tape.step if window is None else tape.step * (window.samples + window.step) / window.step


def refuse(tapes: list[Tape], alarms: tuple[str, ...], tolerance: float, found: TuneData) -> None:
    """Say what cannot be tuned on.

    Raises:
        InputError: no label, too few events, or nothing but events.
    """
    where = found.dataset.name
    events = sum(len(tape.events) for tape in tapes)
    if not any(r.target is not None for r in found.dataset.recordings):
        raise InputError("labelled recordings", "no labels", where, "Set the column of labels with --target")
    if events < 2:
        got = "none" if not events else "one, which is too few"
        raise InputError(f"at least two events of {', '.join(alarms)}", got, where,
                         "Record more of them, or set other labels with --alarm")  # fmt: skip
    if not any(tape.exposure(tolerance) > 0 for tape in tapes):
        raise InputError("time outside events, to count false alarms", "none", where,
                         "Add recordings without events")  # fmt: skip


def within(grid: Grid, tapes: list[Tape]) -> tuple[Grid, str]:
    """Return the grid, thinned out where it would take too long; and a word about it."""
    windows = sum(tape.windows for tape in tapes)
    if windows * len(grid) // len(grid.refractory) <= _MOST:
        return grid, ""
    few = Grid(grid.smoothing[::2], grid.debounce[::2], grid.thresholds[::2], grid.refractory)
    return few, f"{windows:,} windows: only every second setting was tried"


def fits(request: TuningRequest, manifest: Manifest) -> str:
    """Return what the smoothing takes on the device; empty where none is named.

    Raises:
        InputError: more than the device has.
    """
    if not request.device:
        return ""
    profile = load_profile(request.device)
    # Float32 averages of every label, for each window that is kept.
    needed = 4 * len(manifest.labels) * max(request.grid.smoothing)
    if needed > profile.ram.value:
        raise InputError(f"at most {profile.ram.value:,.0f} bytes of memory", f"{needed:,} for smoothing",
                         f"device {profile.name}", "Smooth over fewer windows: --smoothing")  # fmt: skip
    return f"on {profile.name} the longest smoothing tried takes {needed:,} of {profile.ram.value:,.0f} bytes of memory"


def taken(tried: Sequence[Tried], places: Sequence[int], request: TuningRequest, day: float | None) -> tuple[Rule, int]:
    """Return the point of the curve that was asked for.

    The curve itself is the same whichever is taken, so that a number read from one is good for the next call.

    Args:
        tried: decisions over all tapes.
        places: of those on the curve, the fewest missed first.
        request: what.
        day: seconds of exposure in one; None where nobody knows the rate.

    Returns:
        By what others may judge it, and its place on the curve. A named point is what one takes who accepts as many
        false alarms as it has.

    Raises:
        InputError: no such point, no decision with so few alarms, or a rate where nobody knows that of the rows.
    """
    everyone = range(len(tried[0].tallies))
    if request.point is not None:
        if not 1 <= request.point <= len(places):
            raise InputError(f"a point of the curve, 1 to {len(places)}", str(request.point), "--point")
        return AtMost(rate_of(tried[places[request.point - 1]].tallies)), request.point - 1
    rule: Rule = request.cost
    if request.most is not None:
        if day is None:
            raise InputError("recordings whose rate is known, to count alarms a day", "rows without time or rate",
                             "--alarms-per-day", "Choose a point of the curve with --point")  # fmt: skip
        rule = within = AtMost(request.most / day)
        smallest = tried[places[-1]].tallies
        if not within.keeps(smallest):
            raise InputError(
                f"a decision with at most {request.most:g} false alarms a day",
                f"at least {rate_of(smallest) * day:.4g} (point {len(places)} of the curve)",
                "--alarms-per-day",
                "Accept as many, or let more windows agree: --smoothing, --debounce",
            )
    return rule, places.index(best(tried, rule, everyone, among=places))
