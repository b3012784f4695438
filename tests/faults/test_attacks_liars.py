"""Liars at 5, 20 and 40 % of a fleet of 400, with the real scheduler, gates, signer and database."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
import sqlalchemy as sa

from edgewright.core.records.fleet import Gate
from edgewright.fleet.protocol.plans.decision import position
from edgewright.fleet.protocol.plans.options import DEFAULT_GATES
from edgewright.fleet.server.database.tables import devices, rollouts
from rollout_example import HOUR, STAGES, Example

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
GATES = (DEFAULT_GATES[0], Gate(measure="alarms", limit=5.0))
SEEDS = 4


def rolled_out(folder: Path, seed: int, rate: float, *, bad: bool, promoted: bool = False) -> tuple[str, int]:
    """State and stage in the end; with `promoted` a person ends each stage that holds."""
    example = Example(folder)
    names = example.enrol(400)
    liars = set(random.Random(seed).sample(names, round(rate * len(names))))  # noqa: S311 - of a test
    salt = hashlib.sha256(str(seed).encode()).hexdigest()
    plan = example.started(salt=salt, gates=GATES)
    spoken: set[str] = set()
    try:
        for _ in range(8):
            with example.database.reading() as connection:
                row = connection.execute(sa.select(rollouts)).one()
            if row.state != "running":
                break
            inside = [n for n in names if position(salt, plan, n) < STAGES[row.stage].percent and n not in spoken]
            if inside:
                spoken |= set(inside)
                example.allow(inside)
                failed = [name for name in inside if bad ^ (name in liars)]
                for ended, action, because in (
                    (failed, "reverted", "alarms"),
                    (set(inside) - set(failed), "confirmed", ""),
                ):
                    if ended:
                        example.end(sorted(ended), action, because)
                        example.report(sorted(ended), 2, alarms=50 * (action == "reverted"))
            example.now += HOUR
            with example.database.writing.begin() as connection:
                connection.execute(sa.update(devices).values(last_report_at=example.now))
            if not example.scheduler.tick() and promoted:
                example.rollouts.promote(plan, "ann", STAGES[row.stage].name, "their reports are false")
        return row.state, row.stage
    finally:
        example.close()


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.4])
def test_liars_push_no_bad_release_beyond_its_canary(tmp_path: Path, rate: float) -> None:
    outcomes = [rolled_out(tmp_path / str(seed), seed, rate, bad=True) for seed in range(SEEDS)]
    assert set(outcomes) == {("aborted", 0)}


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_a_fifth_of_liars_stops_no_good_release(tmp_path: Path, rate: float) -> None:
    """Those above one in twenty make it wait for a person, who promotes it."""
    outcomes = [rolled_out(tmp_path / str(seed), seed, rate, bad=False, promoted=True) for seed in range(SEEDS)]
    assert [state for state, _ in outcomes].count("aborted") == 0
    assert [state for state, _ in outcomes].count("finished") >= SEEDS - 1, outcomes


def test_two_fifths_of_liars_have_a_good_release_held_or_halted_and_never_confirmed(tmp_path: Path) -> None:
    outcomes = [rolled_out(tmp_path / str(seed), seed, 0.4, bad=False) for seed in range(SEEDS)]
    assert not any(state == "finished" or stage == len(STAGES) - 1 for state, stage in outcomes), outcomes
