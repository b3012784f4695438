"""What `edgewright check` says of data before anything is built on them."""

from __future__ import annotations

import msgspec
import numpy as np

from edgewright.data.findings import Finding, Quality
from edgewright.data.framing import sound_window
from edgewright.data.leakage import overlap, shared
from edgewright.data.load import find_time, guess, load_data
from edgewright.data.quality import examine
from edgewright.data.samples import cut
from edgewright.data.targets import encode_target, task_of
from edgewright.pipeline.leakage_inflation import Inflation, inflation_of, quick_answers
from edgewright.pipeline.swapped_labels import swapped_labels
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import DataSet, Samples, Split
from edgewright.schema.errors import InputError


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
    ignore: tuple[str, ...] = (),
    pattern: str = "",
    split_column: str = "",
    window: int = 0,
    seed: int = 0,
) -> Checked:
    """Examines data and what a split of them would leak.

    Args:
        path: file or folder.
        kind: source or public set; judged by the path when empty.
        target, group, session, time: columns; without `time`, one that is called as times usually are.
        ignore: columns that are no measurement.
        pattern: what the parts of a file's name mean, for a folder of recordings.
        split_column: column that says which rows train and which test.
        window: rows in a window; 0 looks at single rows.
        seed: of the random split and the quick model.

    Raises:
        InputError: the data cannot be read, or a column is not there.
    """
    if split_column and session:
        raise InputError("either --session or --split", "both", "edgewright check")
    # The split's column is read as if it were the session, so that every row keeps its side.
    named = {"target": target, "group": group, "session": session or split_column, "time": time}
    table = _table(path, kind, {**named, "ignore": list(ignore), "pattern": pattern})
    dataset = load_data(table, seed=seed)
    quality = examine(dataset)
    if all(recording.target is None for recording in dataset.recordings):
        return Checked(name=dataset.name, quality=quality, task="", split="", leakage=(), inflation=None, given=False)
    framing, framed = _framing(dataset, window)
    samples, length = cut(dataset, framing), framing.samples if framing else None
    task = task_of(samples.y)
    samples = msgspec.structs.replace(samples, y=encode_target(samples.y, task))
    if split_column:
        sides = _given(samples, split_column)
        leaks = tuple(f for f in overlap(samples, sides, length) if f.kind != "same-session")
        told = f"the column {split_column!r}"
    else:
        sides = _random(samples, seed)
        leaks = overlap(samples, sides, length)
        told = "a random split of the samples"
    answers = None if split_column and samples.groups is None else quick_answers(samples, task, seed)
    return Checked(
        name=dataset.name,
        quality=quality,
        framed=framed,
        task=task,
        split=told,
        leakage=leaks,
        inflation=None if answers is None else inflation_of(answers, seed),
        labels=() if answers is None else swapped_labels(answers),
        given=bool(split_column),
    )


def _framing(dataset: DataSet, window: int) -> tuple[WindowConfig | None, str]:
    """The window that is asked for, else the one that sound is cut in."""
    sound, why = sound_window(dataset)
    if not window:
        return sound, why
    return WindowConfig(samples=window, pad=sound is not None), ""


def _table(path: str, kind: str, named: dict[str, object]) -> dict[str, object]:
    """The table `[data]` of what was named; a pattern of names is of files in a folder."""
    table: dict[str, object] = {"kind": kind, "path": path} if kind else guess(path)
    table.update({key: value for key, value in named.items() if value})
    if named["pattern"] and not kind and table["kind"] != "wav":
        table["kind"] = "folder"
    if not named["time"] and (found := find_time(table)):
        table["time"] = found
    return table


def leak_findings(samples: Samples, sides: Split, window: int | None) -> tuple[Finding, ...]:
    """What makes a split worthless: the same group or overlapping windows on both sides."""
    return shared(samples, sides, window)


def _random(samples: Samples, seed: int) -> Split:
    """A split that deals samples at random, as one does without thinking of people."""
    order = np.random.default_rng(seed).permutation(len(samples.y)).astype(np.int64)
    tested = max(1, len(order) // 5)
    return Split(train=np.sort(order[tested:]), validation=order[:0], test=np.sort(order[:tested]), by="row")


def _given(samples: Samples, column: str) -> Split:
    """The data's own split.

    Raises:
        InputError: a column that does not name two sides.
    """
    names = np.char.lower(np.char.rpartition(samples.sessions, "/")[:, -1])
    sides = sorted(set(names.tolist()))
    test = np.isin(names, [name for name in sides if name.strip().startswith(("test", "eval"))] or ["1", "true"])
    if not test.any() or test.all():
        raise InputError("rows named train and test", ", ".join(sides[:5]), f"column {column}")
    everything = np.arange(len(names), dtype=np.int64)
    return Split(train=everything[~test], validation=everything[:0], test=everything[test], by="given")
