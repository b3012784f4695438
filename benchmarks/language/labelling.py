"""Labelling: what to label next, likely label errors, and an audit's interval; on training parts alone.

`python -m benchmarks.language labelling`. Vectors of MiniLM where it is there, of words elsewhere.
"""

from __future__ import annotations

import json

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.language.clinc import read
from benchmarks.language.row import DATA, Row, encoder_directory
from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.language.embedding import Encoder, load
from edgewright.language.labelling.audit import clopper_pearson, level_of
from edgewright.language.labelling.label_errors import likely_errors
from edgewright.language.labelling.suggesters import Given, Suggester, suggester_of
from edgewright.language.labelling.suggesters.labelled import logits
from edgewright.language.labelling.suggestion_round import MIN_CONFIDENCE, choose, shares_of, temperature
from edgewright.language.labelling.vectors import features, words
from edgewright.schema.config import WindowConfig
from edgewright.schema.data import Floats

Numbers = NDArray[np.int64]
SEEDS, BUDGET, CHUNK, FLIPPED = 5, 200, 20, 0.05
# People who are never looked at for a choice.
KEPT_BACK = {"26", "27", "28", "29", "30"}


class Set(msgspec.Struct, frozen=True):
    """Vectors with their true classes and, of windows, people."""

    name: str
    vectors: Floats
    targets: Numbers
    groups: Numbers | None = None
    classes: tuple[str, ...] = ()


def rows() -> list[Row]:
    """Return what is measured."""
    snips, clinc, hapt = _snips(), _clinc(), _hapt()
    rows = [row for one in (snips, clinc, hapt) for row in _next(one)]
    rows += [_sure(one, by) for one in (snips, clinc, hapt) for by in map(suggester_of, ("linear", "neighbours"))]
    rows += [_flips(one) for one in (clinc, hapt)]
    path = encoder_directory()
    if path is not None:
        rows.append(_structured(clinc, load(path)))
    return [*rows, _audit()]


def _encoded(texts: list[str]) -> Floats:
    path = encoder_directory()
    return load(path).encode(texts) if path else words(texts)


def _snips() -> Set:
    texts, names = [], []
    for path in sorted((DATA / "snips").glob("train_*_full.json")):
        content = json.loads(path.read_bytes().decode("utf-8", "replace"))
        for intent, utterances in content.items():
            some = utterances[:700]
            texts += ["".join(piece["text"] for piece in one["data"]) for one in some]
            names += [intent] * len(some)
    kinds, targets = np.unique(names, return_inverse=True)
    return Set("SNIPS", _encoded(texts), targets.astype(np.int64), classes=tuple(kinds.tolist()))


def _clinc() -> Set:
    """Of each intent 60 training utterances."""
    given = read()
    kept = np.concatenate([np.flatnonzero(given.targets == k)[:60] for k in range(given.classes)])
    content = json.loads((DATA / "clinc150" / "data_full.json").read_bytes())["train"]
    names = dict(zip([text for text, _ in content], [intent for _, intent in content], strict=True))
    texts = [given.train[k] for k in kept]
    of = [
        next(names[t] for t, c in zip(texts, given.targets[kept], strict=True) if c == k) for k in range(given.classes)
    ]
    return Set("CLINC150", _encoded(texts), given.targets[kept], classes=tuple(of))


def _hapt() -> Set:
    data = load_data({"kind": "hapt", "path": str(DATA / "har-hapt")}, seed=0)
    samples = cut(data, WindowConfig(samples=128, step=128))
    people = np.asarray(samples.groups)
    kept = np.flatnonzero(~np.isin(people, list(KEPT_BACK)))[::2]
    names, units = tuple(c.name for c in samples.columns), tuple(c.unit for c in samples.columns)
    vectors = features(samples.X[kept], names, units, float(samples.rate or 0.0))
    kinds, targets = np.unique(samples.y[kept], return_inverse=True)
    groups = np.unique(people[kept], return_inverse=True)[1]
    return Set("HAPT", vectors, targets.astype(np.int64), groups.astype(np.int64), tuple(kinds.tolist()))


def _next(one: Set) -> list[Row]:
    """Accuracy on a held-out half after `BUDGET` labels, chosen and at random, the same halves for both."""
    reached: dict[str, list[float]] = {"random order": [], "chosen": []}
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        order = random.permutation(len(one.targets))
        pool, judges = np.sort(order[: len(order) // 2]), order[len(order) // 2 :]
        for name, values in reached.items():
            picked = random.permutation(pool)[:BUDGET] if name == "random order" else _picked(one, pool, seed)
            answers = logits(one.vectors[picked], one.targets[picked], one.vectors[judges], len(one.classes))
            values.append(float(np.mean(answers.argmax(axis=1) == one.targets[judges])))
    task = f"{one.name}, accuracy after {BUDGET} labels"
    gain = np.array(reached["chosen"]) - np.array(reached["random order"])
    rows = [Row(task, name, _spread(values), f"{SEEDS} seeds") for name, values in reached.items()]
    return [*rows, Row(task, "gain", _spread(gain.tolist(), "points", signed=True), f"{SEEDS} seeds")]


def _sure(one: Set, by: Suggester) -> Row:
    """Return what is suggested for the other half after `BUDGET` chosen labels, and how much of it is right."""
    covered, right, promised = [], [], []
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(one.targets))
        pool, judges = np.sort(order[: len(order) // 2]), order[len(order) // 2 :]
        picked = _picked(one, pool, seed)
        targets = np.full(len(one.targets), -1, np.int64)
        targets[picked] = one.targets[picked]
        scores = by.scores(Given(one.vectors, targets, one.classes, ("",) * len(one.classes), None, seed))
        heat, _ = temperature(scores[picked], targets[picked])
        shares = shares_of(scores[judges], heat)
        sure = shares.max(axis=1) >= MIN_CONFIDENCE
        covered.append(float(sure.mean()))
        if sure.any():
            right.append(float(np.mean(shares[sure].argmax(axis=1) == one.targets[judges][sure])))
            promised.append(float(shares[sure].max(axis=1).mean()))
    text = f"{100 * np.mean(covered):.0f} % suggested, " + (
        f"{100 * np.mean(right):.1f} % of these right, {100 * np.mean(promised):.1f} % promised" if right else "none"
    )
    return Row(
        f"{one.name}, suggestions after {BUDGET} chosen labels, {MIN_CONFIDENCE:g} or surer",
        by.description,
        text,
        f"{SEEDS} seeds",
    )


def _picked(one: Set, pool: Numbers, seed: int) -> Numbers:
    labelled: list[int] = []
    while len(labelled) < BUDGET:
        known = np.array(labelled, np.int64)
        shares = None
        if len(np.unique(one.targets[known])) >= 2:
            shares = shares_of(logits(one.vectors[known], one.targets[known], one.vectors, len(one.classes)), 1.0)
        labelled += choose(one.vectors, np.setdiff1d(pool, known), CHUNK, shares, seed + len(labelled))
    return np.array(labelled[:BUDGET], np.int64)


def _spread(values: list[float], unit: str = "%", signed: bool = False) -> str:
    """Return mean with the 95 % interval of Student's t over seeds."""
    mean, half = 100 * float(np.mean(values)), 2.776 * 100 * float(np.std(values, ddof=1)) / len(values) ** 0.5
    sign = "+" if signed else ""
    return f"{mean:{sign}.1f} {unit} ({mean - half:{sign}.1f} to {mean + half:{sign}.1f})"


def _flips(one: Set) -> Row:
    """Precision and recall of likely errors where 5 % of the labels were turned into another class at random."""
    precision, recall = [], []
    for seed in range(3):
        random = np.random.default_rng(seed)
        turned = random.choice(len(one.targets), round(FLIPPED * len(one.targets)), replace=False)
        labels = one.targets.copy()
        labels[turned] = (labels[turned] + random.integers(1, len(one.classes), len(turned))) % len(one.classes)
        suspects = [mistake.index for mistake in likely_errors(one.vectors, labels, one.groups, seed)]
        hit = len(np.intersect1d(suspects, turned))
        precision.append(hit / max(1, len(suspects)))
        recall.append(hit / len(turned))
    text = f"precision {100 * np.mean(precision):.1f} %, recall {100 * np.mean(recall):.1f} %"
    return Row(
        f"{one.name}, 5 % of labels turned at random", "likely errors", text, f"{len(one.targets):,} items, 3 seeds"
    )


def _structured(one: Set, encoder: Encoder) -> Row:
    """Return labels by the nearest name of an intent: how many of their errors are found from the same vectors."""
    none = np.full(len(one.targets), -1, np.int64)
    given = Given(one.vectors, none, one.classes, ("",) * len(one.classes), encoder)
    labels = suggester_of("descriptions").scores(given).argmax(axis=1)
    few = np.flatnonzero(np.bincount(labels, minlength=len(one.classes)) < 10)
    kept = np.flatnonzero(~np.isin(labels, few))
    wrong = np.flatnonzero(labels[kept] != one.targets[kept])
    suspects = [mistake.index for mistake in likely_errors(one.vectors[kept], labels[kept])]
    hit = len(np.intersect1d(suspects, wrong))
    rate = f"{100 * len(wrong) / len(kept):.1f} % wrong"
    text = f"precision {100 * hit / max(1, len(suspects)):.1f} %, recall {100 * hit / len(wrong):.1f} %"
    return Row(f"{one.name}, labels by the names of intents ({rate})", "likely errors", text, f"{len(kept):,} items")


def _audit() -> Row:
    """How often bad labels pass: 6 % wrong of 2,000, limit 5 %, samples of 100 made longer by 50 up to five times."""
    random = np.random.default_rng(0)
    limit, passed, trials = 0.05, 0, 4000
    for _ in range(trials):
        wrong = random.permutation(2000) < 120
        order = random.permutation(2000)
        counts = [int(wrong[order[: 100 + 50 * look]].sum()) for look in range(5)]
        passed += any(
            clopper_pearson(count, 100 + 50 * look, level_of(look + 1))[1] <= limit for look, count in enumerate(counts)
        )
    share = passed / trials
    return Row("Audits of labels of which 6 % are wrong, limit 5 %, five looks", "pass all the same",
               f"{100 * share:.2f} % of {trials:,}", "", "at most 5 %", share <= 0.05)  # fmt: skip
