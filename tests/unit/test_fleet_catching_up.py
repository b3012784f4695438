"""A step that was signed and never committed: the database follows the signer, which takes no word back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.fleet.protocol.layout import plan_target
from edgewright.fleet.repository.public_files import read_target
from edgewright.fleet.server.database import audit_chain
from edgewright.fleet.server.database.tables import audit, rollouts
from edgewright.fleet.server.rollouts.transitions import Rollouts, missed
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Standing
from rollout_example import HOUR, Example


class Killed(BaseException):
    """The process is gone between the signature and the commit."""


def rollouts_of(example: Example) -> Rollouts:
    return Rollouts(
        example.database, example.committer, example.signer.sign, lambda: example.now, example.publisher.publish,
        lambda one: read_target(example.fleet, plan_target(one.plan), one.sha256),
    )  # fmt: skip


def killed(example: Example, act: str, *arguments: Any, **more: Any) -> None:  # noqa: ANN401 - of a method
    """Run a step whose commit never comes."""
    service = rollouts_of(example)

    def dies(work: object) -> object:
        raise Killed

    service._committer = type("Dead", (), {"submit": staticmethod(dies)})()
    with pytest.raises(Killed):
        getattr(service, act)(*arguments, **more)


def row(example: Example) -> Any:  # noqa: ANN401 - a row
    with example.database.reading() as connection:
        assert audit_chain.verify(connection)[2] == ""
        return connection.execute(sa.select(rollouts)).one()


def acts(example: Example) -> list[str]:
    with example.database.reading() as connection:
        query = sa.select(audit.c.what).where(audit.c.what.like("rollout.%")).order_by(audit.c.number)
        return list(connection.execute(query).scalars())


def test_a_start_that_was_signed_alone_is_written_down_by_whoever_signs_next(example: Example) -> None:
    body = example.signed_plan()
    example.scheduler.tick()
    killed(example, "start", body, "ada")
    with pytest.raises(InputError, match="a standing of rollout first"):
        example.rollouts.refresh()  # without the plans' bytes it cannot follow
    rollouts_of(example).refresh()
    assert (row(example).state, row(example).stage, row(example).body) == ("running", 0, body)
    assert acts(example) == ["rollout.started"]
    assert rollouts_of(example).start(body, "ada").state == "running"  # who asked for it asks again
    assert acts(example) == ["rollout.started"]


def test_an_abort_that_was_signed_alone_is_not_taken_back(example: Example) -> None:
    example.started()
    killed(example, "steer", "first", "ada", "aborted", revert=True)
    rollouts_of(example).refresh()
    assert (row(example).state, bool(row(example).revert)) == ("aborted", True)
    assert acts(example) == ["rollout.started", "rollout.aborted"]


def test_a_stage_that_a_pause_overtook_leaves_it_paused_and_able_to_go_on(example: Example) -> None:
    example.started()
    example.end(example.enrol(60), "confirmed")
    example.now += HOUR
    seen = row(example).version
    mine = rollouts_of(example)
    real = example.committer.submit

    def overtaken(work: Any) -> Any:  # noqa: ANN401 - as `Committer.submit`
        example.committer.submit = real  # type: ignore[method-assign]
        with example.database.writing.begin() as connection:  # another server's pause, which was signed before
            connection.execute(sa.update(rollouts).values(state="paused", version=rollouts.c.version + 1))
            connection.execute(sa.text("UPDATE heads SET serial = serial + 1"))
        return real(work)

    example.committer.submit = overtaken  # type: ignore[method-assign]
    assert mine.advance("first", seen).state == "paused"
    mine.refresh()
    assert (row(example).state, row(example).stage) == ("paused", 1)
    assert mine.steer("first", "ada", "running").state == "running"


def test_the_stricter_of_two_words_counts() -> None:
    def standing(state: Any, stage: int = 0, revert: bool = False) -> Standing:  # noqa: ANN401 - a state
        return Standing(
            plan="p", sha256="a" * 64, product="main", state=state, stage=stage, entered=float(stage), revert=revert
        )

    def lacks(here: Standing, signed: Standing) -> Any:  # noqa: ANN401 - of a test
        command = missed({**msgspec.structs.asdict(here), "version": 1}, signed, lambda _: b"")
        return command and (command.action, command.values)

    assert lacks(standing("running"), standing("running")) is None
    assert lacks(standing("aborted"), standing("running")) is None
    assert lacks(standing("paused", 1), standing("running", 0)) is None
    assert lacks(standing("running"), standing("running", 1)) == ("rollout.stage", {"stage": 1, "entered": 1.0})
    assert lacks(standing("running"), standing("finished")) == ("rollout.finished", {"state": "finished"})
    assert lacks(standing("aborted"), standing("aborted", 0, True)) == ("rollout.aborted", {"revert": True})
