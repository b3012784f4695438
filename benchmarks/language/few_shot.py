"""Windows by nearest neighbour on a package's features: HAPT, people left out in four folds, never 26 to 30.

For each fold the shipped pipeline (without copies of windows) is trained on the other people, once with all activities
and once without each of them; examples are drawn from those people. Then: all six by 1, 5 and 20 examples; the activity
that the network never saw, added by examples of other people or of the wearer; and how it is told before it is added.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import HAPT
from benchmarks.hapt.crossvalidation import others, people_of, train_without
from benchmarks.language.row import DATA, Row
from edgewright.core.neighbours import LIMITS, NONE, Examples, place_of, unit_rows
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import DataSet, Recording
from edgewright.core.records.package import Space
from edgewright.pipeline.config import read_config
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan
from edgewright.training.metrics import SHARE, auroc, group_interval

FOLDS, DRAWS, COUNTS, SEED = 4, 2, (1, 5, 20), 7
CHANGES = ("training.augment=[]",)
TASK = "HAPT windows, people left out"
Floats = NDArray[np.float32]
Text = NDArray[np.str_]
Numbers = NDArray[np.int64]
Shares = list[tuple[int, float]]


@dataclass(frozen=True)
class Fold:
    """Vectors of all windows by a network that knows neither some people nor (where `out`) an activity."""

    vectors: dict[Space, Floats]
    truth: Text
    people: Text
    left: tuple[str, ...]
    out: str
    number: int
    right: float = 0.0


@dataclass
class FewShotAnswers:
    """Shares of one space and count, each with the number of its fold: people of a fold share their networks."""

    six: Shares = field(default_factory=list)
    new: Shares = field(default_factory=list)
    rest: Shares = field(default_factory=list)
    own: Shares = field(default_factory=list)
    kept: Shares = field(default_factory=list)
    refused: Shares = field(default_factory=list)
    area: Shares = field(default_factory=list)


def rows() -> list[Row]:
    """Return a row a space and count."""
    answers_of: dict[tuple[Space, int], FewShotAnswers] = {}
    networks = []
    for fold in folds():
        if not fold.out:
            networks.append(fold.right)
        for space, vectors in fold.vectors.items():
            for count in COUNTS:
                for seed in range(DRAWS):
                    into = answers_of.setdefault((space, count), FewShotAnswers())
                    _measure(fold, vectors, (space, count), np.random.default_rng(seed), into)
    rows = [Row(TASK, "its network, trained on all labels", f"{100 * np.mean(networks):.1f} %", "")]
    return rows + [
        Row(TASK, f"{key[0]}, {key[1]} examples a label", _summary(one), "") for key, one in answers_of.items()
    ]


def _summary(one: FewShotAnswers) -> str:
    return (
        f"six known activities {_share(one.six)}; one never seen, added: {_share(one.new)} of it, {_share(one.rest)} "
        f"of the others; added by the wearer's examples {_share(one.own)}; before it is added {_share(one.refused)} "
        f"of it refused, {_share(one.kept)} of the others kept, AUROC {np.mean([area for _, area in one.area]):.2f}"
    )


def _share(values: Shares) -> str:
    """Return mean with its 95 % interval over folds."""
    if not values:
        return "-"
    folds_of, shares = (np.array(column) for column in zip(*values, strict=True))
    interval = group_interval(folds_of, lambda rows: float(shares[rows].mean()), by="fold", within=SHARE)
    return f"{100 * interval.value:.0f} % ({100 * interval.low:.0f} to {100 * interval.high:.0f})"


def folds() -> Iterator[Fold]:
    """Four folds, seven networks each."""
    config = read_config(HAPT, CHANGES)
    dataset = others(str(DATA / "har-hapt"), config)
    people = people_of(dataset)
    fold = np.random.default_rng(0).permutation(len(people)) % FOLDS
    split = msgspec.structs.replace(config.split, test_groups=(people[0],))
    whole = prepare(data_plan(msgspec.structs.replace(config, split=split)), None, dataset).samples
    truth, owners = np.asarray(whole.y).astype(str), np.asarray(whole.groups).astype(str)
    for number in range(FOLDS):
        left = tuple(p for p, k in zip(people, fold, strict=True) if k == number)
        for out in ("", *np.unique(truth)):
            trained = train_without(_without(dataset, out), CHANGES, left, SEED)
            places: dict[Space, str] = {s: place_of(trained.graph, s, "hapt") for s in ("network", "features")}
            run = compile_graph(trained.graph, [*places.values(), "label"])
            parts = [run(np.ascontiguousarray(whole.X[at : at + 512], np.float32)) for at in range(0, len(truth), 512)]
            vectors = {s: unit_rows(np.concatenate([part[p] for part in parts])) for s, p in places.items()}
            label = np.array(trained.graph.labels)[np.concatenate([part["label"] for part in parts]).reshape(-1)]
            test = np.isin(owners, left)
            yield Fold(vectors, truth, owners, left, str(out), number, float(np.mean((label == truth)[test])))


def _without(dataset: DataSet, activity: str) -> DataSet:
    """Return rows of an activity lose their label, so that no window of it is cut."""

    def one(recording: Recording) -> Recording:
        target = np.asarray(recording.target)
        return msgspec.structs.replace(recording, target=np.where(target == activity, "", target).astype(target.dtype))

    if not activity:
        return dataset
    return msgspec.structs.replace(dataset, recordings=tuple(one(recording) for recording in dataset.recordings))


def _measure(
    fold: Fold, vectors: Floats, key: tuple[Space, int], random: np.random.Generator, into: FewShotAnswers
) -> None:
    space, count = key
    names = np.unique(fold.truth)
    test = np.isin(fold.people, fold.left)
    examples_of = {
        str(n): random.choice(np.flatnonzero(~test & (fold.truth == n)), count, replace=False) for n in names
    }
    whole = _answers(vectors, examples_of, np.flatnonzero(test), space)
    truth = fold.truth[test]
    if not fold.out:
        into.six.append((fold.number, float(np.mean(whole[0] == truth))))
        return
    new = truth == fold.out
    into.new.append((fold.number, float(np.mean(whole[0][new] == truth[new]))))
    into.rest.append((fold.number, float(np.mean(whole[0][~new] == truth[~new]))))
    known = {name: places for name, places in examples_of.items() if name != fold.out}
    _, values, ratio = _answers(vectors, known, np.flatnonzero(test), space)
    into.kept.append((fold.number, float(np.mean(values[~new] != NONE))))
    into.refused.append((fold.number, float(np.mean(values[new] == NONE))))
    into.area.append((fold.number, auroc(-ratio[~new], -ratio[new])))
    for person in fold.left:
        own = np.flatnonzero((fold.people == person) & (fold.truth == fold.out))
        if len(own) > count:
            given = random.choice(own, count, replace=False)
            test_rows = np.setdiff1d(own, given)
            nearest = _answers(vectors, {**known, fold.out: given}, test_rows, space)[0]
            into.own.append((fold.number, float(np.mean(nearest == fold.out))))


def _answers(
    vectors: Floats, examples_of: dict[str, Numbers], test_rows: Numbers, space: Space
) -> tuple[Text, Text, Floats]:
    """Nearest label, what is said, and the distance in units of the limit."""
    names = list(examples_of)
    owners = np.repeat(np.arange(len(names)), [len(examples_of[name]) for name in names])
    examples = Examples(vectors[np.concatenate(list(examples_of.values()))], owners, LIMITS[space])
    answers = examples.answers(vectors[test_rows], names, [""] * len(test_rows))
    ratio = np.array([one.distance / one.limit for one in answers], np.float32)
    return np.array([one.nearest for one in answers]), np.array([one.label for one in answers]), ratio


if __name__ == "__main__":
    for row in rows():
        print(row)
