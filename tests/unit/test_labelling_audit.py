"""Audits: exact intervals, samples that grow without bias, answers that are blind, and labels that changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.core.errors import AuditIncompleteError
from edgewright.language.labelling.audit import (
    audited,
    clopper_pearson,
    draw,
    extended,
    level_of,
    needed,
    smallest,
    unanswered,
)
from edgewright.language.labelling.review import shown, todo
from label_example import TRUTH, answer, suggested, write_project


def test_intervals_are_those_of_clopper_and_pearson() -> None:
    # Values of R's binom.test(3, 20) and binom.test(0, 72).
    assert clopper_pearson(3, 20, 0.95) == pytest.approx((0.0320709, 0.3789268), abs=1e-6)
    assert clopper_pearson(0, 72, 0.95) == pytest.approx((0.0, 0.0499444), abs=1e-6)
    assert clopper_pearson(20, 20, 0.95)[1] == 1.0
    assert clopper_pearson(0, 0, 0.95) == (0.0, 1.0)


def test_how_many_to_audit() -> None:
    assert smallest(0.05, 0, 0.95) == 72
    assert smallest(0.05, 1, 0.95) > 72
    count, allowed = needed(0.05, 0.01, 0.95)
    assert clopper_pearson(allowed, count, 0.95)[1] <= 0.05 < clopper_pearson(allowed, count - 1, 0.95)[1]
    with pytest.raises(AuditIncompleteError):
        needed(0.05, 0.05, 0.95)
    longer = extended(2, 100, 0.05, 0.975)
    assert clopper_pearson(2, 100, 0.975)[1] > 0.05 >= clopper_pearson(-(-2 * longer // 100), longer, 0.975)[1]
    assert extended(6, 100, 0.05, 0.975) == 0
    # All looks together mislead at most once in twenty.
    assert sum((1 - level_of(look)) / 2 for look in range(1, 60)) <= 0.05 + 1e-12


def test_a_longer_sample_holds_the_shorter_and_is_stricter(tmp_path: Path) -> None:
    with suggested(write_project(tmp_path), wrong=4) as project:
        first = draw(project, 10, seed=3)
        assert (first.state, first.sampled, first.population, first.high) == ("open", 10, 80, 1.0)
        sample = unanswered(project)
        assert len(sample) == 10
        with pytest.raises(AuditIncompleteError, match="0 of 10"):
            draw(project, 20)
        answer(project, sample[:9], how="blind")
        assert (audited(project).state, audited(project).errors) == ("open", 0)
        # A label that was given in sight of the machine's is no answer.
        answer(project, sample[9:], how="accepted")
        assert audited(project).state == "open"
        answer(project, sample[9:], how="blind")
        done = audited(project)
        assert (done.state, done.answered, done.level) == ("done", 10, 0.95)
        assert (done.low, done.high) == clopper_pearson(done.errors, 10, 0.95)
        second = draw(project, 25)
        assert (second.state, second.answered, second.looks, second.level) == ("open", 10, 2, 0.975)
        answer(project, unanswered(project), how="blind")
        longer = audited(project)
        assert (longer.state, longer.sampled) == ("done", 25)
        wrong = {item.id for item in project.items()[:4]}
        whole = {row[0] for row in project.execute("SELECT item FROM population WHERE rank < 25")}
        assert set(sample) <= whole
        assert longer.errors == len(wrong & whole)
        with pytest.raises(AuditIncompleteError):
            draw(project, 25)


def test_every_class_gets_its_own_sample(tmp_path: Path) -> None:
    with suggested(write_project(tmp_path)) as project:
        draw(project, 4, each=6, seed=0)
        answer(project, unanswered(project), how="blind")
        audit = audited(project)
        assert (audit.state, audit.answered, audit.errors) == ("done", 4, 0)
        assert all(one.answered >= 6 and one.high == clopper_pearson(0, one.answered, 0.95)[1] for one in audit.classes)


def test_labels_that_changed_make_the_audit_stale_and_count_as_a_look(tmp_path: Path) -> None:
    with suggested(write_project(tmp_path)) as project:
        draw(project, 5, seed=0)
        answer(project, unanswered(project), how="blind")
        assert audited(project).state == "done"
        left = next(i.id for i in project.items() if not project.reviews(i.id))
        # What a person labels is a machine's label no more; the rest is as it was audited.
        answer(project, [left])
        assert audited(project).state == "done"
        other = next(i.id for i in project.items() if not project.reviews(i.id))
        project.execute("UPDATE suggestions SET label = 'food' WHERE item = ?", (other,))
        project.execute("UPDATE suggestions SET label = 'lamp' WHERE item = ? AND label = 'lamp'", (other,))
        changed = audited(project)
        assert changed.state == ("stale" if TRUTH[str(project.item(other).content)] == "lamp" else "done")  # type: ignore[union-attr]
        project.execute("UPDATE suggestions SET label = CASE label WHEN 'lamp' THEN 'food' ELSE 'lamp' END")
        assert audited(project).state == "stale"
        again = draw(project, 5, seed=0)
        assert (again.state, again.looks, again.population) == ("open", 2, 74)


def test_an_audit_is_blind_and_not_part_of_the_review(tmp_path: Path) -> None:
    with suggested(write_project(tmp_path)) as project:
        draw(project, 5, seed=0)
        sample = unanswered(project)
        assert todo(project, "ann", audit=True) == sample
        assert not set(sample) & set(todo(project, "ann"))
        assert shown(project, sample[0], audit=True).suggested == ""
        assert shown(project, sample[0], audit=False).suggested != ""
        # Two people who differ leave it open until it is settled.
        answer(project, sample, how="blind")
        project.say(sample[0], "", "bob", "blind")
        assert audited(project).state == "open"
        assert todo(project, "eve", audit=True) == sample[:1]
        project.say(sample[0], "", "eve", "settled")
        assert (audited(project).state, audited(project).errors) == ("done", 1)
