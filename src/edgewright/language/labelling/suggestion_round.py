"""A round of suggestions: who is asked, how sure one may be, and what is left empty because it is not sure."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from edgewright.core.errors import LabelsError
from edgewright.core.records.data import MACHINE, Floats
from edgewright.language.labelling.audit import decided
from edgewright.language.labelling.project import Project, now
from edgewright.language.labelling.suggesters import SUGGESTERS, Given, Scores, suggester_of
from edgewright.language.labelling.vectors import vectors_of
from edgewright.nlp.utterance.student import Encodes
from edgewright.pipeline.cost import Ahead

POOL = 10
"""Times as many uncertain items as are chosen."""
_MAX_POOL = 6000


def choose(vectors: Floats, unlabelled: NDArray[np.int64], count: int, shares: Scores | None, seed: int) -> list[int]:
    """Return places of the items to be labelled next, the most uncertain first.

    Args:
        vectors: of all items, shape (n, d).
        unlabelled: places that may be chosen.
        count: how many.
        shares: belief in each class, shape (n, classes); None before anything is known.
        seed: seed of the clusters.
    """
    if len(unlabelled) <= count:
        return [int(index) for index in unlabelled]
    random = np.random.default_rng(seed)
    weights = np.ones(len(vectors))
    if shares is None:
        pool = (
            unlabelled if len(unlabelled) <= _MAX_POOL else np.sort(random.choice(unlabelled, _MAX_POOL, replace=False))
        )
    else:
        best = np.sort(shares, axis=1)[:, -2:]
        weights = 1.0 - (best[:, 1] - best[:, 0])
        order = unlabelled[np.argsort(-weights[unlabelled], kind="stable")]
        pool = order[: POOL * count]
    weight = np.maximum(weights[pool], 1e-6)
    with warnings.catch_warnings():
        # Items that are equal leave clusters empty.
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters = KMeans(count, n_init=1, random_state=seed, max_iter=50).fit(vectors[pool], sample_weight=weight)
    distance = clusters.transform(vectors[pool])
    chosen: list[int] = []
    for centre in range(count):
        order = np.argsort(distance[:, centre], kind="stable")
        chosen.append(next(int(pool[k]) for k in order if int(pool[k]) not in chosen))
    return sorted(chosen, key=lambda index: (-weights[index], index))


MIN_CONFIDENCE = 0.7
"""Confidence from which on a suggestion counts as a label."""
ENOUGH = 20
"""Labels by people from which on confidences are fitted to how often suggestions are right."""
FEW = 3
"""Labels of every class from which on they may replace descriptions."""
QUEUED = 20
_HEATS = np.geomspace(0.02, 20.0, 61)


class Round(msgspec.Struct, frozen=True):
    """What a round did.

    Attributes:
        suggester: its name; empty where there is nothing to suggest from.
        items, labelled: all, and those that people labelled.
        suggested, unsure: labels given, and left empty.
        heat: temperature; fitted: whether it was fitted on `labelled`.
        right: share of labelled items on which the suggestion agrees, of those that were not unsure; -1 for unknown.
        queued: items to be labelled next.
        absent: classes that cannot be suggested, because nobody has labelled any of them.
    """

    suggester: str
    items: int
    labelled: int
    suggested: int
    unsure: int
    heat: float
    fitted: bool
    right: float
    queued: int
    absent: tuple[str, ...] = ()


def suggest(
    project: Project, *, encoder: Encodes | None = None, by: str = "", minimum: float = MIN_CONFIDENCE,
    count: int = QUEUED, seed: int = 0, ahead: Ahead = lambda _: None, language_model: Path | None = None,
) -> Round:  # fmt: skip
    """Suggest a label for every item that nobody labelled, and chooses what to label next.

    Args:
        project: is changed, all at once.
        encoder: of texts or pictures; without one words, or mean colours, count.
        by: name of a suggester; chosen by what there is when empty.
        minimum: confidence below which an item is left empty.
        count: items that are chosen to be labelled next.
        seed: of what is drawn.
        ahead: gets the estimate of long work before it begins.
        language_model: GGUF file of a model that labels texts.

    Raises:
        UnknownNameError: no such suggester.
        InputError: it needs labels or descriptions that are not there.
    """
    items = project.items()
    humans = decided(project.reviews())
    labelled = np.array([i.id in humans for i in items])
    given = given_of(project, vectors_of(project, encoder, ahead), encoder, seed)
    if language_model is not None:
        texts = tuple(item.content for item in items) if project.kind == "text" else ()
        given = msgspec.structs.replace(given, texts=texts, language_model=language_model, ahead=ahead)
        by = "language-model"
    vectors, targets = given.vectors, given.targets
    believed = _believed(given, [by] if by else _known(given))
    queued = choose(vectors, np.flatnonzero(~labelled), count, believed.shares, seed)
    numbers = [item.id for item in items]
    with project.changing():
        project.execute("DELETE FROM suggestions")
        suggested, unsure = _write(project, numbers, np.flatnonzero(~labelled), given.classes, believed, minimum)
        project.execute("DELETE FROM queue")
        for rank, index in enumerate(queued):
            project.execute("INSERT INTO queue VALUES (?, ?)", (numbers[index], rank))
    return Round(
        believed.name, len(items), int(labelled.sum()), suggested, unsure, believed.heat, believed.fitted,
        _agreement(believed, targets, minimum), len(queued), _absent(given, believed.name),
    )  # fmt: skip


def given_of(project: Project, vectors: Floats, encoder: Encodes | None, seed: int = 0) -> Given:
    """Return what suggestions are made from; vectors behind those of the project's items are of things without a label.

    Args:
        project: with its classes and the labels of people.
        vectors: of its items, and of further things.
        encoder: that understands the descriptions.
        seed: of what is drawn.
    """
    classes, humans = project.classes(), decided(project.reviews())
    number = {name: k for k, name in enumerate(classes)}
    targets = np.full(len(vectors), -1, np.int64)
    for index, item in enumerate(project.items()):
        if item.id in humans and not humans[item.id].disputed:
            targets[index] = number.get(humans[item.id].label, -1)
    return Given(vectors, targets, tuple(classes), tuple(classes.values()), encoder, seed)


def _absent(given: Given, name: str) -> tuple[str, ...]:
    """Return classes that a suggester which learns from labels cannot name."""
    if not name or suggester_of(name).needs != "labels":
        return ()
    return tuple(
        name_of_class for number, name_of_class in enumerate(given.classes) if not (given.targets == number).any()
    )


def _write(
    project: Project, numbers: Sequence[int], places: NDArray[np.int64], classes: tuple[str, ...], believed: _Believed,
    minimum: float,
) -> tuple[int, int]:  # fmt: skip
    """Suggestions of items at `places`: how many are sure, and how many are left empty."""
    if believed.shares is None:
        return 0, 0
    labels, sure = believed.shares.argmax(axis=1), believed.shares.max(axis=1)
    now_text = now()
    is_sure = _is_sure(believed.shares, minimum)
    for location in places.tolist():
        label = classes[int(labels[location])] if is_sure[location] else ""
        project.execute(
            "INSERT INTO suggestions VALUES (?, ?, ?, ?, ?)",
            (numbers[location], label, round(float(sure[location]), 6), f"{MACHINE}{believed.name}", now_text),
        )
    count = int(is_sure[places].sum())
    return count, len(places) - count


def _is_sure(shares: Scores, minimum: float) -> NDArray[np.bool_]:
    """Return which items have a suggestion; classes that are all alike, as those of `none`, are none."""
    return np.asarray((shares.max(axis=1) >= minimum) & (np.ptp(shares, axis=1) > 0))


def _agreement(believed: _Believed, targets: NDArray[np.int64], minimum: float) -> float:
    """Return share of the labels by people that sure suggestions agree with; -1 where too few are there to tell."""
    known = np.flatnonzero(targets >= 0)
    if believed.shares is None or len(known) < ENOUGH:
        return -1.0
    kept = known[_is_sure(believed.shares[known], minimum)]
    return float(np.mean(believed.shares[kept].argmax(axis=1) == targets[kept])) if len(kept) else -1.0


class _Believed(msgspec.Struct, frozen=True):
    """What a suggester believes: shares of each class, shape (n, classes), None without any suggester."""

    name: str = ""
    shares: Scores | None = None
    heat: float = 1.0
    fitted: bool = False
    loss: float = 0.0


def _known(given: Given) -> list[str]:
    """Suggesters that have what they need; the likelier one is taken where enough is labelled to tell."""
    labelled = given.targets[given.targets >= 0]
    reads = given.encoder is not None and getattr(given.encoder, "reads_text", True)
    described = reads and len(given.classes) >= 2
    names = [name for name, part in sorted(SUGGESTERS.items()) if described and part.needs == "descriptions"]
    # Labels cannot speak for a class that lacks them: beside descriptions they are heard once every class has some.
    counts = np.bincount(labelled, minlength=len(given.classes))
    labels_count = len(given.classes) > 0 and counts.min() >= FEW if described else np.count_nonzero(counts) >= 2
    if labels_count:
        names += [name for name, part in sorted(SUGGESTERS.items()) if part.needs == "labels"]
    return names if len(labelled) >= ENOUGH else names[:1]


def _believed(given: Given, names: Sequence[str]) -> _Believed:
    """Return the suggester under which the labels by people, which it did not see, are likeliest."""
    beliefs = [_belief(given, name) for name in names]
    return min(beliefs, key=lambda belief: belief.loss) if beliefs else _Believed()


def _belief(given: Given, name: str) -> _Believed:
    suggester = suggester_of(name, "--by")
    if len(given.classes) < 2:
        raise LabelsError("at least two classes", str(len(given.classes)), "the project", "Add some with --class")
    known = given.targets >= 0
    if suggester.needs == "labels" and len(np.unique(given.targets[known])) < 2:
        do = "Label some: edgewright label review PROJECT"
        raise LabelsError("labels of two classes", "fewer", f"--by {name}", do)
    scores = suggester.scores(given)
    # Items whose classes are all alike, as where a language model answers `none`, fit any temperature.
    if np.count_nonzero(np.ptp(scores[known], axis=1)) < ENOUGH:
        loss = loss_of(scores[known], given.targets[known], suggester.heat) if known.any() else 0.0
        return _Believed(name, shares_of(scores, suggester.heat), suggester.heat, loss=loss)
    heat, loss = temperature(scores[known], given.targets[known])
    return _Believed(name, shares_of(scores, heat), heat, fitted=True, loss=loss)


def shares_of(scores: Scores, heat: float) -> Scores:
    """Return probabilities, shape (n, classes)."""
    powers = np.exp((scores - scores.max(axis=1, keepdims=True)) / heat)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)


def temperature(scores: Scores, targets: NDArray[np.int64]) -> tuple[float, float]:
    """Return the temperature of largest likelihood (Guo et al., 2017), and the mean loss with it."""
    losses = [loss_of(scores, targets, heat) for heat in _HEATS.tolist()]
    best = int(np.argmin(losses))
    return float(_HEATS[best]), losses[best]


def loss_of(scores: Scores, targets: NDArray[np.int64], heat: float) -> float:
    """Return the mean loss at a temperature."""
    return float(-np.mean(np.log(shares_of(scores, heat)[np.arange(len(targets)), targets] + 1e-12)))


def start(project: Project, labels: Mapping[int, str], classes: Mapping[str, str], reviewer: str = "given") -> None:
    """Put classes and the labels that the data brought along into a new project."""
    with project.changing():
        for name, line in {**dict.fromkeys(sorted(set(labels.values())), ""), **classes}.items():
            project.add_class(name, line)
        for item, label in labels.items():
            project.execute(
                "INSERT INTO labels (item, label, reviewer, how, made) VALUES (?, ?, ?, 'given', ?)",
                (item, label, reviewer, now()),
            )
