"""An audit: people answer a random sample of the machine's labels without seeing them, and the error rate is counted.

The sample is the first items of one random order, so that a longer one holds the shorter one and both are simple random
samples; of each class the first ones are a simple random sample of that class. Whoever draws more after an answer looks
twice: look k has an interval of two-sided level 1 - 0.1 / 2^k, so that all upper bounds together hold with 95 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from edgewright.core.errors import AuditIncompleteError, LabelProjectError, LabelsError
from edgewright.core.records.data import ClassAudit, Floats, LabelAudit
from edgewright.language.labelling.project import Item, Project, Review, now
from edgewright.language.labelling.suggesters import out_of_fold
from edgewright.nlp.utterance.values import normalised


class Human(NamedTuple):
    """The label of an item by people: who gave it, or that they differ."""

    label: str
    reviewer: str
    disputed: bool = False


class Kappa(NamedTuple):
    """Agreement of two reviewers beyond chance (Cohen, 1960); `value` is 1 where both gave one class only."""

    first: str
    second: str
    common: int
    agreed: int
    value: float


def decided(review: Iterable[Review]) -> dict[int, Human]:
    """By item: the last word of who settled it, else what all reviewers agree on, else that they differ."""
    latest: dict[int, dict[str, Review]] = {}
    settled: dict[int, Review] = {}
    for answer in review:
        latest.setdefault(answer.item, {})[answer.reviewer] = answer
        if answer.how == "settled":
            settled[answer.item] = answer
    labels = {}
    for item, by in latest.items():
        last = list(by.values())[-1]
        if item in settled:
            labels[item] = Human(settled[item].label, settled[item].reviewer)
        elif len({answer.label for answer in by.values()}) == 1:
            labels[item] = Human(last.label, last.reviewer)
        else:
            labels[item] = Human("", " and ".join(sorted(by)), disputed=True)
    return labels


def blind(review: Iterable[Review]) -> dict[int, Human]:
    """Return the decisions from answers given without sight of the machine's label."""
    kept = list(review)
    seen = {answer.item for answer in kept if answer.how == "blind"}
    return decided(answer for answer in kept if answer.item in seen and answer.how in ("blind", "settled"))


def kappas(review: Iterable[Review]) -> list[Kappa]:
    """Each pair of reviewers who labelled the same items."""
    by: dict[str, dict[int, str]] = {}
    for answer in review:
        if answer.how != "settled":
            by.setdefault(answer.reviewer, {})[answer.item] = answer.label
    return [kappa(a, b, by[a], by[b]) for a, b in combinations(sorted(by), 2) if by[a].keys() & by[b].keys()]


def kappa(first: str, second: str, a: Mapping[int, str], b: Mapping[int, str]) -> Kappa:
    """Cohen's kappa on the items that both labelled."""
    common = sorted(a.keys() & b.keys())
    n = len(common)
    agreed = sum(a[i] == b[i] for i in common)
    shares = Counter(a[i] for i in common), Counter(b[i] for i in common)
    chance = sum(shares[0][label] * shares[1][label] for label in shares[0]) / n**2
    value = 1.0 if chance == 1 else (agreed / n - chance) / (1 - chance)
    return Kappa(first, second, n, agreed, value)


def contradictions(items: Iterable[Item], humans: Mapping[int, Human]) -> list[tuple[Item, Item, str, str]]:
    """Return texts that are equal and have two labels by people: the first item of the text and the other one."""
    seen: dict[str, tuple[Item, str]] = {}
    pairs = []
    for item in items:
        human = humans.get(item.id)
        if human is None or human.disputed or not human.label:
            continue
        first = seen.setdefault(normalised(item.content) or item.content, (item, human.label))
        if first[1] != human.label:
            pairs.append((first[0], item, first[1], human.label))
    return pairs


_MAX_LABELS = 100_000
# With which an audit is planned to be passed.
_CHANCE = 0.8


def level_of(look: int) -> float:
    """Two-sided level of the interval at a look, from 1."""
    return 1.0 - 0.1 / float(2 ** max(1, look))


def clopper_pearson(errors: int, count: int, level: float) -> tuple[float, float]:
    """Return the exact two-sided interval of a share (Clopper and Pearson, 1934); on the safe side without replacement.

    Args:
        errors: number of wrong labels found.
        count: number of labels audited.
        level: such as 0.95.
    """
    if not count:
        return 0.0, 1.0
    side = (1.0 - level) / 2
    low = 0.0 if errors == 0 else float(stats.beta.ppf(side, errors, count - errors + 1))
    high = 1.0 if errors == count else float(stats.beta.ppf(1.0 - side, errors + 1, count - errors))
    return low, high


def smallest(limit: float, errors: int, level: float) -> int:
    """Return answers with which so many errors still have an upper bound of at most `limit`.

    Raises:
        InputError: a limit that no sample of reasonable size reaches.
    """
    low, high = errors + 1, _MAX_LABELS
    if not 0.0 < limit < 1.0 or clopper_pearson(errors, high, level)[1] > limit:
        raise AuditIncompleteError(f"a limit that {_MAX_LABELS:,} answers can show", f"{limit:g}", "--limit")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if clopper_pearson(errors, middle, level)[1] <= limit else (middle + 1, high)
    return low


def needed(limit: float, rate: float, level: float) -> tuple[int, int]:
    """Return the smallest audit that labels of a true error rate pass with a chance: answers and allowed errors.

    Raises:
        InputError: a rate that is not below the limit.
    """
    if not 0.0 <= rate < limit:
        raise AuditIncompleteError(
            "a rate to plan for that is below the limit", f"{rate:g} with {limit:g}", "label audit"
        )
    allowed = 0
    while True:
        count = smallest(limit, allowed, level)
        if float(stats.binom.cdf(allowed, count, rate)) >= _CHANCE:
            return count, allowed
        allowed += 1


def extended(errors: int, count: int, limit: float, level: float) -> int:
    """Answers with which the same share of errors would have an upper bound within `limit`; 0 where none would do."""
    size = count
    while size <= _MAX_LABELS:
        size = round(size * 1.05) + 1
        if clopper_pearson(-(-errors * size // count), size, level)[1] <= limit:
            return size
    return 0


def draw(project: Project, count: int, each: int = 0, seed: int | None = None) -> LabelAudit:
    """Draw a sample of the machine's labels, or a longer one that holds the present one.

    Args:
        project: is changed.
        count: items of the whole sample.
        each: items of every class at least, for the intervals by class.
        seed: of the random order; from the system where it is left out, so that nobody can choose it.

    Raises:
        InputError: no machine labels, or answers of the last sample that are missing.
    """
    state = audited(project)
    if state.state == "open":
        raise AuditIncompleteError(
            "all answers of the last sample before a longer one is drawn", f"{state.answered:,} of {state.sampled:,}",
            "label audit", "edgewright label review PROJECT --audit",
        )  # fmt: skip
    with project.changing():
        audit = _last(project)
        if state.state != "done":
            labels = _machine(project)
            if not labels:
                raise LabelsError("labels by a machine", "none", "label audit", "edgewright label suggest PROJECT")
            audit = 1 + (audit or 0)
            order = np.random.default_rng(seed).permutation(len(labels))
            project.execute("INSERT INTO audits VALUES (?, ?)", (audit, now()))
            for (item, label), rank in zip(labels.items(), order.tolist(), strict=True):
                project.execute("INSERT INTO population VALUES (?, ?, ?, ?)", (audit, item, label, rank))
        elif count <= state.sampled and not each:
            raise AuditIncompleteError(f"a longer sample than {state.sampled:,}", str(count), "--count")
        whole = max(count, state.sampled if state.state == "done" else 0)
        project.execute("INSERT INTO draws (audit, whole, each, made) VALUES (?, ?, ?, ?)", (audit, whole, each, now()))
    return audited(project)


def answered_sample(project: Project) -> dict[int, tuple[str, str]]:
    """Return what the machine and people say of each answered item of the present simple random sample."""
    audit = _last(project)
    if audit is None:
        return {}
    labels = dict(project.execute("SELECT item, label FROM population WHERE audit = ?", (audit,)))
    answers = {item: human for item, human in blind(project.reviews()).items() if not human.disputed}
    return {item: (labels[item], answers[item].label) for item in _sampled(project, audit)[0] if item in answers}


def unanswered(project: Project) -> list[int]:
    """Items of the present sample that lack an answer, in their random order; none where labels changed since."""
    audit = _last(project)
    if audit is None:
        return []
    whole, more = _sampled(project, audit)
    answers = blind(project.reviews())
    return [item for item in (*whole, *more) if item not in answers]


def disputed(project: Project) -> list[int]:
    """Return items of the present sample on which reviewers differ."""
    audit = _last(project)
    if audit is None:
        return []
    answers = blind(project.reviews())
    return [i for part in _sampled(project, audit) for i in part if i in answers and answers[i].disputed]


def audited(project: Project) -> LabelAudit:
    """Return what the latest sample says; no share before all of it is answered, so that nobody stops when it suits."""
    audit = _last(project)
    if audit is None:
        return LabelAudit()
    looks = int(project.execute("SELECT COUNT(*) FROM draws")[0][0])
    drawn_at = str(project.execute("SELECT made FROM draws ORDER BY id DESC LIMIT 1")[0][0])
    labels = dict(project.execute("SELECT item, label FROM population WHERE audit = ?", (audit,)))
    whole, more = _sampled(project, audit)
    answers = {item: human for item, human in blind(project.reviews()).items() if not human.disputed}
    answered = sum(item in answers for item in whole)
    complete = all(item in answers for item in (*whole, *more))
    level = level_of(looks)
    label_audit = LabelAudit(
        state="done" if complete else "open", population=len(labels), sampled=len(whole), answered=answered,
        level=level, looks=looks, when=drawn_at,
    )  # fmt: skip
    stale = bool(_machine(project).items() - labels.items())
    if not stale and not complete:
        return label_audit
    counted = _counted(label_audit, whole, more, labels, answers)
    return msgspec.structs.replace(counted, state="stale" if stale else "done")


def _counted(
    label_audit: LabelAudit, whole: list[int], more: list[int], labels: dict[int, str], answers: dict[int, Human]
) -> LabelAudit:
    """Return an audit with its errors and classes."""
    sample = [item for item in whole if item in answers]
    errors = sum(answers[item].label != labels[item] for item in sample)
    low, high = clopper_pearson(errors, len(sample), label_audit.level) if label_audit.state == "done" else (0.0, 1.0)
    classes = []
    for name in sorted(set(labels.values())):
        own = [item for item in (*whole, *more) if labels[item] == name and item in answers]
        wrong = sum(answers[item].label != name for item in own)
        size = sum(label == name for label in labels.values())
        bounds = clopper_pearson(wrong, len(own), label_audit.level)
        classes.append(
            ClassAudit(label=name, population=size, answered=len(own), errors=wrong, low=bounds[0], high=bounds[1])
        )
    return msgspec.structs.replace(label_audit, errors=errors, low=low, high=high, classes=tuple(classes))


def _last(project: Project) -> int | None:
    rows = project.execute("SELECT MAX(id) FROM audits")
    return None if rows[0][0] is None else int(rows[0][0])


def _machine(project: Project) -> dict[int, str]:
    """Return the machine's labels of items that nobody labelled."""
    return dict(
        project.execute(
            "SELECT item, label FROM suggestions WHERE label != '' AND item NOT IN "
            "(SELECT item FROM labels WHERE undone = 0) ORDER BY item"
        )
    )


def _sampled(project: Project, audit: int) -> tuple[list[int], list[int]]:
    """Return items of the simple random sample in their order, and those that only their classes' samples have."""
    rows = project.execute("SELECT MAX(whole), MAX(each) FROM draws WHERE audit = ?", (audit,))
    count, each = (int(value or 0) for value in rows[0])
    listed = project.execute("SELECT item, label FROM population WHERE audit = ? ORDER BY rank", (audit,))
    whole = [int(item) for item, _ in listed[:count]]
    seen: dict[str, int] = {}
    more = []
    for index, (item, label) in enumerate(listed):
        seen[label] = seen.get(label, 0) + 1
        if index >= count and seen[label] <= each:
            more.append(int(item))
    return whole, more


CANNOT = (
    "finds single mistakes, not classes that are confused throughout; machine labels from the same "
    "vectors agree with themselves, so only edgewright label audit shows their error rate"
)
FEWEST = 5


class Mistake(msgspec.Struct, frozen=True):
    """A label that is likely wrong: its index, the classes given and likelier, and the belief in the one given."""

    index: int
    given: int
    likelier: int
    belief: float


def likely_errors(
    vectors: Floats, targets: NDArray[np.int64], groups: NDArray[np.int64] | None = None, seed: int = 0
) -> list[Mistake]:
    """Return labels that are likely wrong by confident learning (Northcutt et al., 2021), the likeliest first.

    Probabilities come from heads that saw no item of the same group: a person's windows are alike, and a head that saw
    some would repeat their mistakes. It finds slips. A class that is mixed up with another throughout is learnt as it
    is, and hardly found; so is what a machine suggested from the same vectors.

    Args:
        vectors: shape (n, d).
        targets: class numbers, shape (n,).
        groups: of the items; each is its own when None.
        seed: seed of the folds.

    Raises:
        InputError: one class or group, or a class with fewer than `FEWEST` items.
    """
    from cleanlab.filter import find_label_issues  # noqa: PLC0415 - of an extra, and slow to load

    kinds, numbers, counts = np.unique(targets, return_inverse=True, return_counts=True)
    if len(kinds) < 2 or counts.min() < FEWEST:
        got = "one class" if len(kinds) < 2 else f"one with {counts.min()}"
        raise LabelsError(f"two classes of at least {FEWEST} labelled items", got, "label errors", "Label more first")
    of = np.arange(len(targets)) if groups is None else np.unique(groups, return_inverse=True)[1]
    if len(np.unique(of)) < 2:
        raise LabelProjectError("items of two groups at least", "one", "label errors", "Omit the group")
    scores = out_of_fold(vectors, numbers, len(kinds), of, seed)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = powers / powers.sum(axis=1, keepdims=True)
    indices = find_label_issues(
        numbers, shares, return_indices_ranked_by="self_confidence", filter_by="prune_by_noise_rate", n_jobs=1
    )
    return [
        Mistake(int(k), int(targets[k]), int(kinds[shares[k].argmax()]), round(float(shares[k, numbers[k]]), 4))
        for k in indices
    ]
