"""What `edgewright check` says of data before anything is built on them."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import InputError, OptionError, OptionsConflictError
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import DataSet, Samples, Split
from edgewright.data.contract import Finding, Quality, percent
from edgewright.data.load import load_data
from edgewright.data.memory_share import KEY as FILES
from edgewright.data.memory_share import fitting_files
from edgewright.data.quality import examine
from edgewright.data.samples import cut
from edgewright.data.splits import overlap
from edgewright.data.table_proposal import propose_table, sound_window
from edgewright.data.targets import encode_target, task_of
from edgewright.pipeline.evaluation.robustness import Inflation, QuickAnswers, inflation_of, quick_answers

# Samples of each of the two classes that a person must have.
_FEWEST = 5
# Share of them that is answered with the other class, both ways; and at most among everybody else.
_SWAPPED, _ELSEWHERE = 0.5, 0.25
# Rows of recordings that are looked at for leaks, at most.
_MOST_ROWS = 2_000_000


def swapped_labels(answers: QuickAnswers) -> tuple[Finding, ...]:
    """Find persons or machines with two classes that look exchanged, the surest first.

    The classes must be told apart for everybody else: where most people's are confused, the model is to blame.
    """
    if not answers.classify or answers.by != "group":
        return ()
    candidates = []
    for group in np.unique(answers.units):
        own = answers.units == group
        classes, counts = np.unique(answers.y[own], return_counts=True)
        for a, b in combinations(classes[counts >= _FEWEST], 2):
            swapped = min(_share(answers, own, a, b), _share(answers, own, b, a))
            elsewhere = max(_share(answers, ~own, a, b), _share(answers, ~own, b, a))
            if swapped > _SWAPPED and elsewhere <= _ELSEWHERE:
                candidates.append((swapped, elsewhere, group, a, b))
    return tuple(_finding(*candidate) for candidate in sorted(candidates, key=lambda candidate: -candidate[0]))


def _share(answers: QuickAnswers, rows: NDArray[np.bool_], given: Any, other: Any) -> float:  # noqa: ANN401 - classes
    """Return share of the rows labelled `given` that are answered `other`."""
    labelled = rows & (answers.y == given)
    return float(np.mean(answers.kept[labelled] == other)) if labelled.any() else 0.0


def _finding(swapped: float, elsewhere: float, group: object, a: object, b: object) -> Finding:
    return Finding(
        kind="swapped-labels",
        severity="warning",
        sentence=(
            f"the labels {str(a)!r} and {str(b)!r} of {group} look swapped: a model of the others predicts at least "
            f"{percent(swapped)} of each as the other one, and at most {percent(elsewhere)} elsewhere"
        ),
        numbers={"share": swapped, "elsewhere": elsewhere},
    )


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of one look at data.

    Attributes:
        name: of the data set.
        quality: columns, times, classes.
        task: 'classification' or 'regression'; empty without a target.
        split: 'given' for the data's own split column, else the random split that is measured.
        leakage: what stands on both sides of that split.
        inflation: how much a random split flatters; None where nothing can leak.
        given: whether the data's own split was judged; its leaks are errors.
        framed: how sound was cut into windows by itself; empty where nothing was.
        labels: persons two of whose labels look swapped.
        columns: what columns were taken for without being named, in a line.
    """

    name: str
    quality: Quality
    task: str
    split: str
    leakage: tuple[Finding, ...]
    inflation: Inflation | None
    given: bool
    framed: str = ""
    labels: tuple[Finding, ...] = ()
    columns: str = ""

    @property
    def failed(self) -> bool:
        """Whether something was found that makes results wrong."""
        wrong = any(finding.severity == "error" for finding in self.quality.findings)
        return wrong or (self.given and any(finding.severity == "error" for finding in self.leakage))


def check_data(
    path: str,
    *,
    kind: str = "",
    target: str = "",
    group: str = "",
    session: str = "",
    time: str = "",
    time_unit: str = "",
    ignore: tuple[str, ...] = (),
    skip_bad_rows: bool = False,
    pattern: str = "",
    split_column: str = "",
    window: int = 0,
    seed: int = 0,
) -> Checked:
    """Examine data and what a split of them would leak.

    Args:
        path: file or folder.
        kind: source or public set; judged by the path when empty.
        target: column of the labels.
        group: column of people or machines.
        session: column of recordings.
        time: column of times; when empty, a column with a usual name for times.
        time_unit: of a time in numbers.
        ignore: columns that are no measurement.
        skip_bad_rows: leave out rows and files that cannot be read.
        pattern: what the parts of a file's name mean, for a folder of recordings.
        split_column: column that says which rows train and which test.
        window: rows in a window; 0 looks at single rows.
        seed: of the random split and the quick model.

    Raises:
        InputError: the data cannot be read, or a column is not there.
    """
    if split_column and session:
        raise OptionsConflictError("either --session or --split", "both", "edgewright check")
    # The split's column is read as if it were the session, so that every row keeps its side.
    named = {"target": target, "group": group, "session": session or split_column, "time": time,
             "time_unit": time_unit, "skip_bad_rows": skip_bad_rows}  # fmt: skip
    proposed = propose_table(path, {**named, "ignore": ignore, "pattern": pattern}, kind, find_target="named")
    proposed = proposed.with_numbers()
    count, some = fitting_files(proposed.table)
    columns = ". ".join(filter(None, (proposed.sentence, some)))
    dataset = load_data({**proposed.table, **({FILES: count} if count else {})}, seed=seed, mixed_rates=True)
    quality = examine(dataset)
    if all(recording.target is None for recording in dataset.recordings):
        return Checked(
            name=dataset.name, quality=quality, task="", split="", leakage=(), inflation=None, given=False,
            columns=columns,
        )  # fmt: skip
    framing, framed = _framing(dataset, window)
    looked = dataset if split_column else _some_recordings(dataset, seed)
    try:
        samples = cut(looked, framing)
    except InputError:  # perhaps only of those that were drawn
        looked, samples = dataset, cut(dataset, framing)
    length = framing.samples if framing else None
    task = task_of(samples.y)
    samples = msgspec.structs.replace(samples, y=encode_target(samples.y, task))
    if split_column:
        sides = _given(samples, split_column)
        leaks = tuple(f for f in overlap(samples, sides, length) if f.kind != "same-session")
        text = f"the column {split_column!r}"
    else:
        sides = _random(samples, seed)
        leaks = overlap(samples, sides, length)
        text = "a random split of the samples"
        if looked is not dataset:
            text += f" of {len(looked.recordings):,} of {len(dataset.recordings):,} recordings, drawn by chance"
    answers = None if split_column and samples.groups is None else quick_answers(samples, task, seed)
    return Checked(
        name=dataset.name,
        quality=quality,
        framed=framed,
        task=task,
        split=text,
        leakage=leaks,
        inflation=None if answers is None else inflation_of(answers),
        labels=() if answers is None else swapped_labels(answers),
        given=bool(split_column),
        columns=columns,
    )


def _some_recordings(dataset: DataSet, seed: int) -> DataSet:
    """Return some of many recordings, drawn by chance, in order: as many as have `_MOST_ROWS` rows at most, or one."""
    sizes = np.array([len(recording.values) for recording in dataset.recordings])
    if sizes.sum() <= _MOST_ROWS:
        return dataset
    order = np.random.default_rng(seed).permutation(len(sizes))
    count = max(1, int(np.searchsorted(np.cumsum(sizes[order]), _MOST_ROWS, side="right")))
    kept = tuple(dataset.recordings[number] for number in sorted(order[:count].tolist()))
    return msgspec.structs.replace(dataset, recordings=kept)


def _framing(dataset: DataSet, window: int) -> tuple[WindowConfig | None, str]:
    """Return the window that is asked for, else the one that sound is cut in."""
    sound, why = sound_window(dataset)
    if not window:
        return sound, why
    return WindowConfig(samples=window, pad=sound is not None), ""


def _random(samples: Samples, seed: int) -> Split:
    """Return a split that deals samples at random, as one does without thinking of people."""
    order = np.random.default_rng(seed).permutation(len(samples.y)).astype(np.int64)
    tested = max(1, len(order) // 5)
    return Split(train=np.sort(order[tested:]), validation=order[:0], test=np.sort(order[:tested]), by="row")


def _given(samples: Samples, column: str) -> Split:
    """Return the data's own split.

    Raises:
        InputError: a column that does not name two sides.
    """
    names = np.char.lower(np.char.rpartition(samples.sessions, "/")[:, -1])
    sides = sorted(set(names.tolist()))
    test = np.isin(names, [name for name in sides if name.strip().startswith(("test", "eval"))] or ["1", "true"])
    if not test.any() or test.all():
        raise OptionError("rows named train and test", ", ".join(sides[:5]), f"column {column}")
    everything = np.arange(len(names), dtype=np.int64)
    return Split(train=everything[~test], validation=everything[:0], test=everything[test], by="given")
