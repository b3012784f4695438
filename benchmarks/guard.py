"""The guard of learning on the device: people left out who label 100 or 200 examples, as recorded and under shifts.

Networks of three sets are fitted on every second person and learn from each of the others, who wear the sensors as
recorded, turned, swapped (waist and watch) or weak, change that halfway, or change it back. Parameters of the guard are
chosen on the even half alone; the odd half judges them:

    python -m benchmarks.guard [--data FOLDER] [--half even|odd] [--sets watch,hapt,heartbeats] [--people N]
                                [--layer output|prototypes]

Targets, set before the odd half was judged: in each group of cases (set, shift, number and order of the examples) the
guarded answers are at most a point worse in the mean than the factory's, and over all cases they get 80 % of what the
learned layer gains where it gains.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import ROOT, TargetReport, markdown
from edgewright.core.adaptation.factory import Numbers
from edgewright.core.adaptation.learner import Learner
from edgewright.core.adaptation.predictor import factory_of, hidden_of
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package
from edgewright.data.load import load_data
from edgewright.data.samples import part_of
from edgewright.data.sets.heartbeats import DS1
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.schema.data import Floats, Samples
from edgewright.training.metrics import group_interval
from edgewright.workflows.adaptation.examples import Examples
from edgewright.workflows.adaptation.simulation import POINT, unseen_samples
from edgewright.workflows.scoring.rows import ScoreRequest

DATA = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data"
HALVES = ("even", "odd")
LABELLED, BOUT, FEWEST_LATER = (100, 200), 4, 40
SHARE, BIG = 0.8, 0.1
# Settings of every fit: copies of windows are left out, so that a fit takes a minute.
_PLAIN = ("refit=false", "compression.max_drop=1")
_WORN = (*_PLAIN, "training.augment=[]")
Shift = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Set:
    """A public set: its pipeline, its folder, how the pipeline is changed, and how its sensors may be worn."""

    pipeline: str
    folder: str
    changes: tuple[str, ...]
    shifts: dict[str, Shift]


@dataclass(frozen=True)
class Case:
    """One person who labelled examples.

    Attributes:
        data, person, shift, order: what was labelled by whom, and in what order.
        labelled: examples.
        later: samples that are judged.
        factory, guarded, learned: shares of right answers among them.
        used: whether the guard lets the learned layer answer.
    """

    data: str
    person: str
    shift: str
    order: str
    labelled: int
    later: int
    factory: float
    guarded: float
    learned: float
    used: bool

    @property
    def group(self) -> tuple[str, str, str, int]:
        """Cases that are averaged."""
        return self.data, self.shift, self.order, self.labelled


def _turned(X: Floats) -> Floats:
    """Return windows of sensors that are turned by half a turn about their third axis."""
    signs = np.ones(X.shape[1], np.float32)
    signs[[axis for axis in range(X.shape[1]) if axis % 3 < 2]] = -1.0
    return X * signs[:, None]


def _swapped(X: Floats) -> Floats:
    return X[:, [axis + (1, -1, 0)[axis % 3] for axis in range(X.shape[1])]]


def _weak(X: Floats) -> Floats:
    return X * np.float32(0.6)


RECORDED, TURNED = "as recorded", "turned"
_MOVES: dict[str, Shift] = {RECORDED: lambda X: X, TURNED: _turned, "swapped": _swapped, "weak": _weak}
SETS = {
    "watch": Set("watch", "har-wisdm-watch", (*_WORN, "window.step=50"), _MOVES),
    "hapt": Set("hapt", "har-hapt", _WORN, _MOVES),
    # Electrodes that are exchanged turn a heartbeat upside down.
    "heartbeats": Set(str(ROOT / "examples" / "health" / "pipeline.toml"), "mitdb", _PLAIN,
                      {RECORDED: lambda X: X, TURNED: lambda X: -X, "weak": _weak}),
}  # fmt: skip


def main() -> int:
    """Print what the guard keeps and withholds; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA, help="Folder of the sets.")
    parser.add_argument("--half", choices=HALVES, default="odd", help="People who are judged.")
    parser.add_argument("--sets", default=",".join(SETS), help="Names of sets.")
    parser.add_argument("--people", type=int, default=0, help="No more than so many of each set.")
    parser.add_argument("--layer", choices=("output", "prototypes"), default="output", help="What learns.")
    given = parser.parse_args()
    layer = f"adapt.layer={given.layer}"
    cases = [
        case for name in given.sets.split(",") for case in set_cases(name, given.data, given.half, given.people, layer)
    ]
    report = TargetReport()
    print(markdown(HEADS, groups(cases)))
    judge(cases, report)
    print()
    print(markdown(["guard of learning on the device", "found", "target", ""], report.rows))
    return 0 if report.reached else 1


def set_cases(name: str, data: Path, half: str, people: int, layer: str) -> Iterator[Case]:
    """Yield the cases of a set, whose network is fitted on the people of the other half."""
    chosen = SETS[name]
    changes = (*chosen.changes, layer)
    config = read_config(chosen.pipeline, changes)
    folder = data / chosen.folder
    everybody = sorted(DS1)
    if name != "heartbeats":
        groups_of_rows = load_data({"kind": config.data["kind"]}, seed=config.seed, path=str(folder)).groups
        everybody = sorted(set(np.asarray(groups_of_rows).tolist()))
    left_out = everybody[HALVES.index(half) :: 2]
    test = f"split.test_groups={json.dumps(left_out)}"
    with tempfile.TemporaryDirectory() as room:
        run = run_pipeline(read_config(chosen.pipeline, (*changes, test)), data=str(folder), out=room).folder
        with unseen_samples(run, ScoreRequest()) as (package, samples, _):
            for person in left_out[: people or None]:
                mine = part_of(samples, np.flatnonzero(samples.groups == person))
                yield from person_cases(name, str(person), package, mine)


def person_cases(name: str, person: str, package: Package, mine: Samples) -> Iterator[Case]:
    """Yield the cases of one person."""
    labels = np.asarray(package.manifest.labels)
    truth = np.searchsorted(labels, np.asarray(mine.y).astype(str))
    factory, graph = factory_of(package), read_onnx(package.model("int8"))
    X = np.ascontiguousarray(mine.X[:], np.float32)
    seen = {}
    for shift, move in SETS[name].shifts.items():
        hidden, outputs = hidden_of(graph, np.ascontiguousarray(move(X)))
        seen[shift] = hidden, outputs.argmax(axis=1)
    for labelled, order_name, order, later in plans(name, person, mine, truth):
        half = len(order) // 2
        shifts = {shift: ([shift] * len(order), shift) for shift in seen}
        if order_name != "class after class":  # half of such an order lacks half of the classes
            shifts |= {"then turned": ([RECORDED] * half + [TURNED] * (len(order) - half), TURNED),
                       "then back": ([TURNED] * half + [RECORDED] * (len(order) - half), RECORDED)}  # fmt: skip
        for shift, (worn, last) in shifts.items():
            learner = Learner(factory)
            for index, way in zip(order.tolist(), worn, strict=True):
                hidden, given = seen[way]
                learner.learn(hidden[index], int(given[index]), int(truth[index]))
            hidden, given = seen[last]
            before = float((given[later] == truth[later]).mean())
            learned = float((learner.outputs(hidden[later]).argmax(axis=1) == truth[later]).mean())
            used = bool(learner.state.used)
            yield Case(name, person, shift, order_name, labelled, len(later), before, learned if used else before,
                       learned, used)  # fmt: skip


def plans(name: str, person: str, mine: Samples, truth: Numbers) -> Iterator[tuple[int, str, Numbers, Numbers]]:
    """Yield how many examples are labelled, in which order, which they are, and which later samples are judged."""
    for labelled in LABELLED:
        if name == "heartbeats":
            yield labelled, "in time", np.arange(labelled), np.arange(max(LABELLED), len(truth))
            continue
        each = -(-labelled // len(np.unique(truth)))
        order, later = Examples(each, "samples").parts(mine, truth)
        if len(later) < FEWEST_LATER or len(order) < 0.7 * labelled:
            continue
        yield labelled, "class after class", order, later
        digits = int("".join(letter for letter in person if letter.isdigit()) or 0)
        bouts = [order[start : start + BOUT] for start in range(0, len(order), BOUT)]
        mixed = np.random.default_rng([labelled, digits]).permutation(len(bouts))
        yield labelled, "mixed", np.concatenate([bouts[index] for index in mixed]), later


HEADS = ("set", "shift", "order", "labels", "people", "factory", "guarded", "learned", "guarded less factory (95 % CI)")


def groups(cases: Sequence[Case]) -> list[list[str]]:
    """Return a row for each group of cases: means over people, and the interval of the difference over people."""
    rows = []
    for group in dict.fromkeys(case.group for case in cases):
        some = [case for case in cases if case.group == group]
        means = [np.mean([getattr(case, key) for case in some]) for key in ("factory", "guarded", "learned")]
        change = np.array([case.guarded - case.factory for case in some])
        rows.append([*map(str, group), str(len(some)), *(f"{mean:.3f}" for mean in means), _interval(change)])
    return rows


def _interval(values: NDArray[np.float64]) -> str:
    interval = group_interval(
        np.arange(len(values)), lambda rows: float(values[rows].mean()), by="person", within=(-1.0, 1.0)
    )
    return f"{interval.value:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"


def judge(cases: Sequence[Case], report: TargetReport) -> None:
    """Report the targets, and who gains and loses."""
    factory, guarded, learned = (
        np.array([getattr(case, key) for case in cases]) for key in ("factory", "guarded", "learned")
    )
    groups_of_cases = list(dict.fromkeys(case.group for case in cases))
    rows = [np.array([case.group == group for case in cases]) for group in groups_of_cases]
    changes = np.array([(guarded - factory)[own].mean() for own in rows])
    worst = groups_of_cases[int(changes.argmin())]
    report("worst group, guarded less factory", f"{changes.min():+.3f} ({', '.join(map(str, worst))})",
           f"{-POINT:+.2f}", bool(changes.min() >= -POINT))  # fmt: skip
    people = sorted({(case.data, case.person) for case in cases})
    numbers = np.array([people.index((case.data, case.person)) for case in cases])

    def share(chosen: NDArray[np.int64]) -> float:
        own = np.concatenate([np.flatnonzero(numbers == person) for person in chosen])
        gains = (learned - factory)[own]
        return float((guarded - factory)[own].sum() / max(gains[gains > 0].sum(), 1e-9))

    interval = group_interval(np.arange(len(people)), share, by="person")
    report("share of the gains that the guard lets through, less what it loses",
           f"{interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})", f"{SHARE:.2f}",
           interval.value >= SHARE)  # fmt: skip
    big = learned - factory >= BIG
    means = [f"{values[big].mean():.3f}" if big.any() else "-" for values in (factory, guarded, learned)]
    off = sum(not case.used for case, is_big in zip(cases, big, strict=True) if is_big)
    report("cases with ten points to gain: factory, guarded, learned",
           f"{', '.join(means)}; off in {off} of {int(big.sum())}", "", True)  # fmt: skip
    lost, unguarded = (int((factory - values > POINT).sum()) for values in (guarded, learned))
    report("cases more than a point worse: guarded, without the guard",
           f"{lost}, {unguarded} of {len(cases)} ({len(people)} people)", "", True)  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
