"""An audit: people answer a random sample of the machine's labels without seeing them, and the error rate is counted.

The sample is the first items of one random order, so that a longer one holds the shorter one and both are simple random
samples; of each class the first ones are a simple random sample of that class. Whoever draws more after an answer looks
twice: look k has an interval of two-sided level 1 - 0.1 / 2^k, so that all upper bounds together hold with 95 %.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from edgewright.language.labelling.agreement import Human, blind
from edgewright.language.labelling.project import Project, now
from edgewright.schema.errors import InputError
from edgewright.schema.labelling import ClassAudit, LabelAudit

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
        raise InputError(f"a limit that {_MAX_LABELS:,} answers can show", f"{limit:g}", "--limit")
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
        raise InputError("a rate to plan for that is below the limit", f"{rate:g} with {limit:g}", "label audit")
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
        raise InputError(
            "all answers of the last sample before a longer one is drawn", f"{state.answered:,} of {state.sampled:,}",
            "label audit", "edgewright label review PROJECT --audit",
        )  # fmt: skip
    with project.changing():
        audit = _last(project)
        if state.state != "done":
            labels = _machine(project)
            if not labels:
                raise InputError("labels by a machine", "none", "label audit", "edgewright label suggest PROJECT")
            audit = 1 + (audit or 0)
            order = np.random.default_rng(seed).permutation(len(labels))
            project.execute("INSERT INTO audits VALUES (?, ?)", (audit, now()))
            for (item, label), rank in zip(labels.items(), order.tolist(), strict=True):
                project.execute("INSERT INTO population VALUES (?, ?, ?, ?)", (audit, item, label, rank))
        elif count <= state.sampled and not each:
            raise InputError(f"a longer sample than {state.sampled:,}", str(count), "--count")
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
    if _machine(project).items() - labels.items():
        return _counted(label_audit, whole, more, labels, answers, "stale")
    return _counted(label_audit, whole, more, labels, answers, "done") if complete else label_audit


def _counted(
    label_audit: LabelAudit,
    whole: list[int],
    more: list[int],
    labels: dict[int, str],
    answers: dict[int, Human],
    state: str,
) -> LabelAudit:
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
    return LabelAudit(
        state="stale" if state == "stale" else "done",
        population=label_audit.population,
        sampled=label_audit.sampled,
        answered=label_audit.answered,
        errors=errors,
        low=low,
        high=high,
        level=label_audit.level,
        looks=label_audit.looks,
        classes=tuple(classes),
        when=label_audit.when,
    )


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
