"""Judgement of synthetic data: the same model with and without it, tested on real groups that were left out.

One judgement serves windows, keywords, pictures and sentences: each has a learner, and a way to add synthetic data to
the training part of a fold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.files import write_atomic
from edgewright.core.formatting import plural
from edgewright.schema.data import Labels
from edgewright.schema.errors import InputError
from edgewright.schema.trace_flow import Interval
from edgewright.training.metrics import SHARE, group_interval

FEW_GROUPS = 10
"""Groups below which the interval is wide, and a report says so."""
_ALIKE = 1e-9
"""Width of an interval below which all groups gained alike, but for rounding."""
MOST_AMOUNTS = 3
"""Amounts that one judgement compares: each further one widens all intervals."""

Content = NDArray[Any]
Chunk = tuple[Content, Labels]
Learner = Callable[[Content, Labels, Content, int], Labels]
"""(training content, labels, content to answer, seed) -> labels."""


@dataclass(frozen=True)
class Measured:
    """Real samples that train and judge.

    Attributes:
        content: a sample a row: windows (n, channels, samples), pictures (n, channels, height, width), sentences (n,).
        y: labels, shape (n,).
        groups: whose each sample is, shape (n,).
        by: what a group is, such as 'person'.
    """

    content: Content
    y: Labels
    groups: Labels
    by: str = "person"

    def without(self, groups: Sequence[str]) -> Measured:
        """Return the samples of all other groups: those of a test part judge nothing.

        Raises:
            InputError: for a group that no sample is of.
        """
        unknown = sorted(set(groups) - set(self.groups.tolist()))
        if unknown:
            known = ", ".join(np.unique(self.groups).tolist()[:8])
            raise InputError(f"groups of the data, such as {known}", unknown[0], "--hold-out")
        kept = ~np.isin(self.groups, list(groups))
        return Measured(self.content[kept], self.y[kept], self.groups[kept], self.by)

    def every(self, step: int) -> Measured:
        """Return one of so many samples."""
        return Measured(self.content[::step], self.y[::step], self.groups[::step], self.by)


class Utility(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured, in shares of samples that are right; intervals draw whole groups anew.

    Attributes:
        method: that made the synthetic data.
        options: of the method.
        samples, groups: real ones that were tested on.
        by: what a group is, such as 'person'.
        trained_on: groups in each training; 0: all of the others.
        folds: parts of the groups; each is tested on once.
        amount: of synthetic data, the best of `amounts`: copies of what trains.
        amounts: that were compared; the level of the intervals is stricter the more they are.
        without, with_synthetic: accuracy without and with synthetic data.
        gain: their difference, on the same samples.
    """

    method: str
    options: dict[str, object]
    samples: int
    groups: int
    by: str
    trained_on: int
    folds: int
    amount: int
    amounts: tuple[int, ...]
    without: Interval
    with_synthetic: Interval = msgspec.field(name="beside")
    gain: Interval

    @property
    def helps(self) -> bool:
        """Whether the whole interval of the gain lies above zero."""
        return self.gain.low > 0


def judge(
    real: Measured,
    method: str,
    options: dict[str, object],
    make: Callable[[NDArray[np.int64], int], list[Chunk]],
    learner: Learner,
    *,
    amounts: Sequence[int] = (1,),
    people: int = 0,
    folds: int = 5,
    seed: int = 0,
) -> Utility:
    """Measure one method by cross-validation over groups.

    Args:
        real: samples that train and judge.
        method: name of the method, for the report.
        options: of the method, for the report.
        make: from the training rows of a fold, and the largest amount, to so many chunks of synthetic data.
        learner: fits and answers.
        amounts: numbers of chunks to compare.
        people: groups that train, drawn anew in each fold; 0: all that are not tested.
        folds: parts of the groups; each is tested on once.
        seed: of all that is drawn.

    Raises:
        InputError: fewer than three groups, one class, or more amounts than `MOST_AMOUNTS`.
    """
    compared = tuple(dict.fromkeys(amounts))
    known = np.unique(real.groups)
    if len(known) < 3:
        raise InputError(f"at least three groups ({real.by})", str(len(known)), "synth",
                         "Groups that are left out judge the gain; record more people, or machines, first")  # fmt: skip
    if len(np.unique(real.y)) < 2:
        raise InputError("at least two labels", str(len(np.unique(real.y))), "synth")
    if len(compared) > MOST_AMOUNTS:
        raise InputError(f"at most {MOST_AMOUNTS} amounts", str(len(compared)), "--copies",
                         "The more are compared, the likelier one of them looks good by chance")  # fmt: skip
    folds = min(folds, len(known))
    # Who tests and trains does not depend on the method: all methods are judged beside the same models without them.
    rng = np.random.default_rng([seed, 0])
    right = np.zeros((1 + len(compared), len(real.y)), np.float64)
    for part in np.array_split(rng.permutation(known), folds):
        test = np.isin(real.groups, part)
        others = np.setdiff1d(known, part)
        chosen = rng.choice(others, min(people, len(others)), replace=False) if people else others
        rows = np.flatnonzero(np.isin(real.groups, chosen))
        chunks = make(rows, max(compared))
        for row, amount in enumerate((0, *compared)):
            used = chunks[:amount]
            content = np.concatenate([real.content[rows], *(chunk[0] for chunk in used)])
            labels = np.concatenate([real.y[rows], *(chunk[1] for chunk in used)])
            right[row, test] = learner(content, labels, real.content[test], seed) == real.y[test]
    level = 1 - 0.05 / len(compared)
    gains = [_gain(real, right[1 + row] - right[0], level) for row in range(len(compared))]
    best = max(range(len(compared)), key=lambda row: gains[row].low)
    return Utility(
        method=method, options=options, samples=len(real.y), groups=len(known), by=real.by, folds=folds,
        trained_on=people if people < len(known) - -(-len(known) // folds) else 0, amount=compared[best],
        amounts=compared, without=_share(real, right[0], level), with_synthetic=_share(real, right[1 + best], level),
        gain=gains[best],
    )  # fmt: skip


def _share(real: Measured, right: NDArray[np.float64], level: float) -> Interval:
    return group_interval(real.groups, lambda rows: float(right[rows].mean()), by=real.by, within=SHARE,
                          samples=len(right), level=level)  # fmt: skip


def _gain(real: Measured, values: NDArray[np.float64], level: float) -> Interval:
    """Return the mean with its interval by group; where all groups gain alike, by sample, which chance moves too."""
    whole = group_interval(real.groups, lambda rows: float(values[rows].mean()), by=real.by, level=level)
    if whole.high - whole.low > _ALIKE:
        return whole
    return group_interval(np.arange(len(values)), lambda rows: float(values[rows].mean()), by="sample", level=level)


def _groups(utility: Utility) -> str:
    return plural(utility.groups, utility.by, "people" if utility.by == "person" else "")


def verdict(utility: Utility) -> list[str]:
    """Return the lines of a judgement: both accuracies, the gain, what it means, and whether the groups are few."""
    trained = f"{utility.trained_on} of them" if utility.trained_on else "all others"
    lines = [
        f"Judged on {utility.samples:,} real samples of {_groups(utility)}, {utility.folds} folds, "
        f"each trained on {trained}"
    ]
    for name, figure in (("without", utility.without), (f"with {utility.method}", utility.with_synthetic)):
        interval = f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"
        lines.append(f"  {name:<16} {100 * figure.value:5.1f} % right ({interval})")
    gain = utility.gain
    points = f"{100 * gain.value:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
    if utility.helps:
        lines.append(f"it helped: {points} on groups that no model had seen")
    elif gain.high < 0:
        lines.append(f"it did harm: {points}: models that also train on it are right less often on real data")
    else:
        lines.append(f"it did not help: {points}: the interval holds 0, so the gain may be chance, or none")
    if len(utility.amounts) > 1:
        listing = ", ".join(map(str, utility.amounts))
        lines.append(f"  amounts {listing} were compared, {utility.amount} is the best; intervals are wider for that")
    if utility.groups < FEW_GROUPS:
        width = 100 * (gain.high - gain.low) / 2
        lines.append(
            f"  {_groups(utility)} are few: a gain below {width:.1f} points would not show. "
            "Record more of them before you decide by this"
        )
    return lines


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What is written beside synthetic data.

    Attributes:
        measurement: of the gain; None where no real data judged.
        helps: whether the interval of the gain lies above zero.
        forced: written by --force alone: it does not help, or the data given could not judge it.
    """

    measurement: Utility | None
    helps: bool
    forced: bool

    @classmethod
    def of(cls, utility: Utility | None, *, forced: bool = False) -> Judgement:
        """Return the judgement of a measurement; `forced` where a person wanted the data unless they help."""
        helps = utility is not None and utility.helps
        return cls(measurement=utility, helps=helps, forced=forced and not helps)

    def write(self, data: Path) -> None:
        """Write it beside the data once they are there, as NAME.judgement.json; one of earlier data never stays."""
        content = msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"
        path = data.with_name(f"{data.name}.judgement.json")
        try:
            write_atomic(path, content)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
