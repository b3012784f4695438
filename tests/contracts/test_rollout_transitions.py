"""A rollout on a real database: every step once, whole, and published; whoever was killed, and whoever races."""

from __future__ import annotations

import threading

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.core.errors import OutputError, RolloutStateError, SignatureError
from edgewright.core.records.fleet import Standing, Standings
from edgewright.fleet.protocol.layout import INDEX
from edgewright.fleet.repository import metadata
from edgewright.fleet.server import restore
from edgewright.fleet.server.database import tables
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import audit, rollouts
from edgewright.fleet.server.restore import RacedError
from edgewright.fleet.server.rollouts.scheduler import Publisher, Scheduler
from edgewright.fleet.server.rollouts.transitions import Rollouts
from edgewright.fleet.server.signer.service import SignedFiles, SigningRequest
from edgewright.fleet.server.signer.supervisor import folder_signer
from fleet_folder import judge
from rollout_example import HOUR, NOW, Example


def seen(example: Example) -> tuple[Standing, ...]:
    """Return what a device that verifies everything finds."""
    index = judge(example.fleet).read(INDEX)
    return msgspec.json.decode(index, type=Standings).rollouts if index else ()


def test_a_rollout_goes_through_its_stages_and_devices_see_each(example: Example) -> None:
    name = example.started()
    assert [(s.plan, s.state, s.stage) for s in seen(example)] == [(name, "running", 0)]
    ok = example.enrol(60)
    example.update(ok)
    for stage in (1, 2):
        assert example.scheduler.tick() == []
        example.now += HOUR
        example.speak(ok)
        assert [h.kind for h in example.scheduler.tick()] == ["stage"]
        assert seen(example)[0].stage == stage
    example.now += HOUR
    example.speak(ok)
    assert [h.kind for h in example.scheduler.tick()] == ["finished"]
    assert seen(example)[0].state == "finished"
    with example.database.reading() as connection:
        assert tables.verify_audit_log(connection)[2] == ""
        records = list(connection.execute(sa.select(audit.c.what).order_by(audit.c.number)).scalars())
    assert records == [
        "begun",
        "metadata.taken",
        "rollout.started",
        "rollout.stage",
        "rollout.stage",
        "rollout.finished",
    ]


def test_start_pause_and_abort_again_change_nothing(example: Example) -> None:
    body = example.signed_plan()
    example.scheduler.tick()
    for _ in range(2):
        example.rollouts.start(body, "ann")
    for _ in range(2):
        assert example.rollouts.steer("first", "ann", "paused").state == "paused"
    for _ in range(2):
        assert example.rollouts.steer("first", "ann", "running").state == "running"
    for revert in (False, True, True, False):
        example.rollouts.steer("first", "ann", "aborted", revert=revert)
    assert seen(example)[0].state == "aborted"
    assert seen(example)[0].revert
    with pytest.raises(RolloutStateError):
        example.rollouts.steer("first", "ann", "running")
    with example.database.reading() as connection:
        version = connection.execute(sa.select(rollouts.c.version)).scalar_one()
    assert version == 5


def test_a_plan_that_nobody_signed_offline_never_starts(example: Example) -> None:
    body = example.signed_plan()
    example.scheduler.tick()
    forged = body.replace(b'"percent":10.0', b'"percent":49.0')
    assert forged != body
    with pytest.raises(SignatureError):
        example.rollouts.start(forged, "thief")
    assert seen(example) == ()


def test_one_rollout_of_a_product_at_a_time(example: Example) -> None:
    example.started()
    body = example.signed_plan(id="second")
    example.scheduler.tick()
    with pytest.raises(RolloutStateError):
        example.rollouts.start(body, "ann")


def test_two_schedulers_make_one_step(example: Example) -> None:
    example.started()
    names = example.enrol(20)
    example.update(names)
    example.now += HOUR
    with example.database.reading() as connection:
        row = connection.execute(sa.select(rollouts)).one()
    first, second = example.rollouts, example.another()[0]
    first.advance("first", row.version)
    assert second.advance("first", row.version).stage == 1  # it saw the same version, and does nothing more
    assert [h.kind for h in example.another()[1].tick()] == []
    assert seen(example)[0].stage == 1


@pytest.mark.slow
def test_four_schedulers_with_connections_of_their_own_make_each_step_once(example: Example) -> None:
    example.started()
    names = example.enrol(20)
    example.update(names)

    def one(barrier: threading.Barrier, failed: list[str]) -> None:
        database = open_database(example.fleet.folder)
        committer = Committer(database.writing)
        publisher = Publisher(example.fleet, database)
        signer = folder_signer(example.fleet, lambda: example.now, 10_000)
        mine = Rollouts(database, committer, signer.sign, lambda: example.now, publisher.publish)
        scheduler = Scheduler(example.fleet, database, committer, mine, publisher, lambda: example.now)
        for _ in range(3):
            barrier.wait()
            failed += [h.why for h in scheduler.tick() if h.kind in ("failed", "stale")]
            barrier.wait()
        committer.close()
        database.close()

    barrier = threading.Barrier(5)
    failed: list[str] = []
    threads = [threading.Thread(target=one, args=(barrier, failed)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for stage in (1, 2, 2):
        example.now += HOUR
        example.speak(names)
        barrier.wait(20.0)
        barrier.wait(60.0)
        assert seen(example)[0].stage == stage
    for thread in threads:
        thread.join(20.0)
    assert failed == []
    assert seen(example)[0].state == "finished"
    with example.database.reading() as connection:
        assert tables.verify_audit_log(connection)[2] == ""
        acts = list(connection.execute(sa.select(audit.c.what).where(audit.c.what.like("rollout.%"))).scalars())
    assert acts == ["rollout.started", "rollout.stage", "rollout.stage", "rollout.finished"]


def test_a_step_between_reading_and_writing_makes_the_other_begin_anew(example: Example) -> None:
    example.started()
    sign = example.signer.sign
    raced: list[bool] = []

    def meanwhile(request: SigningRequest) -> SignedFiles:
        given = sign(request)
        if not raced:
            raced.append(True)
            example.another()[0].steer("first", "bob", "aborted", revert=True)
        return given

    example.rollouts._sign = meanwhile
    with pytest.raises(RolloutStateError):
        example.rollouts.steer("first", "ann", "paused")
    assert seen(example)[0].state == "aborted"


def test_bytes_of_a_version_are_never_replaced(example: Example) -> None:
    example.started()
    with example.database.reading() as connection:
        role_files = restore.role_files(connection)
    forged = role_files["timestamp"].replace(b'"spec_version"', b' "spec_version"')
    with pytest.raises(RacedError, match="other bytes"):
        example.committer.submit(lambda c: restore.keep(c, {"timestamp": forged}, 0.0)).result()


class _Killed(BaseException):
    """The process is gone: nothing after this runs."""


@pytest.mark.slow
def test_killed_at_any_statement_a_step_is_done_whole_or_not_at_all(example: Example) -> None:
    example.started()
    names = example.enrol(20)
    example.update(names)
    example.now += HOUR
    example.scheduler.tick()
    example.now += HOUR
    done = False
    for kill in range(1, 60):
        count = 0

        def before(*_: object, at: int = kill) -> None:
            nonlocal count
            count += 1
            if count == at:
                raise _Killed

        sa.event.listen(example.database.writing, "before_cursor_execute", before)
        try:
            example.rollouts.steer("first", "ann", "aborted", revert=True)
            done = True
        except _Killed:
            pass
        finally:
            sa.event.remove(example.database.writing, "before_cursor_execute", before)
        example.close()
        example.open()
        example.scheduler._publish()
        with example.database.reading() as connection:
            row = connection.execute(sa.select(rollouts)).one()
            acts = connection.execute(sa.select(sa.func.count()).where(audit.c.what == "rollout.aborted")).scalar_one()
            assert tables.verify_audit_log(connection)[2] == ""
        assert (row.state, acts) == (("aborted", 1) if done else ("running", 0))
        assert seen(example)[0].state == row.state
        if done:
            break
    assert done
    assert kill > 5  # several statements, so several places to be killed at


def test_killed_after_the_commit_the_files_are_written_by_the_next_start(example: Example) -> None:
    example.started()

    def killed() -> None:
        raise _Killed

    example.rollouts.publish = killed
    with pytest.raises(_Killed):
        example.rollouts.steer("first", "ann", "aborted", revert=True)
    assert seen(example)[0].state == "running"  # nobody was told yet
    example.close()
    example.open()
    assert [h.kind for h in example.scheduler.tick()] == ["published"]
    assert seen(example)[0].state == "aborted"


@pytest.mark.slow
def test_metadata_is_signed_again_before_it_expires(example: Example) -> None:
    example.started()
    with example.database.reading() as connection:
        before = metadata.version(restore.role_files(connection), "timestamp")
    example.now = NOW + 11 * HOUR
    example.rollouts.steer("first", "ann", "paused")
    for _ in range(20):
        example.now += 6 * HOUR
        example.scheduler.tick()
    with example.database.reading() as connection:
        role_files = restore.role_files(connection)
    for role in ("timestamp", "rollouts"):
        assert metadata.read(role_files[role], role).signed.expires.timestamp() > example.now
    assert metadata.version(role_files, "timestamp") > before


def test_a_signer_that_is_away_is_told_and_tried_again(example: Example) -> None:
    name = example.started()
    sign = example.signer.sign

    def away(request: SigningRequest) -> SignedFiles:
        raise OutputError("an answer of the signer", "none")

    example.rollouts._sign = away
    with pytest.raises(OutputError, match="signer"):
        example.rollouts.steer(name, "ann", "paused")
    example.now = NOW + 13 * HOUR
    assert [h.kind for h in example.scheduler.tick()] == ["stale"]
    assert seen(example)[0].state == "running"
    example.rollouts._sign = sign
    assert [h.kind for h in example.scheduler.tick()] == ["renewed"]
