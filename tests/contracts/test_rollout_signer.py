"""What the signer refuses, whoever asks; and what a thief of the online keys can make a device do."""

from __future__ import annotations

import os
import signal
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.core.errors import ClockBehindError, InputError, OutputError, RolloutStateError, SignatureError
from edgewright.core.records.fleet import Plan, Standing
from edgewright.fleet.protocol.plans.decision import Moment, Traits, decide
from edgewright.fleet.repository import metadata
from edgewright.fleet.server import restore
from edgewright.fleet.server.database.tables import rollouts
from edgewright.fleet.server.signer.service import LocalSigner, SigningRequest
from edgewright.fleet.server.signer.supervisor import SOCKET, SignerProcess, listen, probe, serve, sign_through
from rollout_example import HOUR, NOW, Example, plan


def request_of(example: Example, body: bytes, **changes: Any) -> SigningRequest:  # noqa: ANN401 - fields of Standing
    """One rollout, and what is published."""
    with example.database.reading() as connection:
        role_files, roots = restore.role_files(connection), restore.roots(connection)
    fields: dict[str, Any] = {
        "plan": "first", "sha256": metadata.sha256(body), "product": "main", "state": "running", "entered": example.now,
    }  # fmt: skip
    return SigningRequest(
        standings=(Standing(**{**fields, **changes}),),
        published_files=role_files,
        roots=tuple(roots),
        plans={"first": body},
    )


@pytest.fixture
def body(example: Example) -> bytes:
    signed = example.signed_plan()
    example.scheduler.tick()
    return signed


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"stage": 1}, "or the one after"),
        ({"stage": 9}, "a stage of the plan"),
        ({"state": "aborted", "revert": True}, "begins by running"),
        ({"product": "other"}, "for 'other'"),
        ({"sha256": "0" * 64}, "bytes of the plan"),
        ({"revert": True}, "a rollback only"),
        ({"entered": NOW - HOUR}, "entered now"),
    ],
)
def test_a_rollout_cannot_begin_otherwise_than_at_its_first_stage(
    example: Example, body: bytes, changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(InputError, match=why):
        example.signer.sign(request_of(example, body, **changes))


def test_a_stage_comes_neither_early_nor_out_of_turn_nor_after_the_plan(example: Example, body: bytes) -> None:
    sign = example.signer.sign
    sign(request_of(example, body))
    example.now += HOUR - 1.0
    with pytest.raises(RolloutStateError, match="too early"):
        sign(request_of(example, body, stage=1))
    example.now += 2.0
    with pytest.raises(RolloutStateError):
        sign(request_of(example, body, stage=2))
    sign(request_of(example, body, stage=1))
    with pytest.raises(RolloutStateError):
        sign(request_of(example, body, stage=0))
    example.now = NOW + 31 * 24 * HOUR
    with pytest.raises(RolloutStateError, match="expired"):
        sign(request_of(example, body, stage=2))


def test_an_abort_is_for_ever_and_no_rollout_is_forgotten(example: Example, body: bytes) -> None:
    example.signer.sign(request_of(example, body))
    stopped = request_of(example, body, state="aborted", revert=True)
    example.signer.sign(stopped)
    signer = example.new_signer()  # as after a start of its process
    for record in ({"state": "running"}, {"state": "paused"}, {"state": "finished"}, {"state": "aborted"}):
        with pytest.raises(RolloutStateError):
            signer.sign(request_of(example, body, **record))
    with pytest.raises(RolloutStateError):
        signer.sign(msgspec.structs.replace(stopped, standings=()))
    signer.sign(stopped)


def test_one_version_never_has_two_contents(example: Example, body: bytes) -> None:
    """Also where the control plane was restored and asks for what it had before."""
    wanted = request_of(example, body)
    versions = []
    for signer in (example.signer, example.signer, example.new_signer()):
        given = signer.sign(wanted)
        versions.append(metadata.version(given.roles, "timestamp"))
    assert versions == sorted(set(versions))


def test_a_signer_without_its_record_signs_nothing(example: Example, body: bytes) -> None:
    example.signer.sign(request_of(example, body))
    (example.fleet.online / "signed.json").write_text('{"format":')
    with pytest.raises(RolloutStateError):
        example.new_signer()


@pytest.mark.slow
def test_a_lost_record_is_begun_from_what_the_signers_own_keys_signed(example: Example) -> None:
    example.started()
    example.now += HOUR
    example.rollouts.advance("first", 1)
    example.rollouts.steer("first", "ann", "paused")
    (example.fleet.online / "signed.json").unlink()
    assert example.rollouts.steer("first", "ann", "running").stage == 1
    example.rollouts.steer("first", "ann", "aborted", revert=True)
    (example.fleet.online / "signed.json").unlink()
    with example.database.reading() as connection:
        body = connection.execute(sa.select(rollouts.c.body)).scalar_one()
    with pytest.raises(InputError, match="aborted"):
        example.signer.sign(request_of(example, body, stage=1))


def test_a_clock_that_goes_back_and_haste_are_refused(example: Example, body: bytes) -> None:
    example.signer.sign(request_of(example, body))
    example.now -= 5.0
    with pytest.raises(ClockBehindError):
        example.signer.sign(request_of(example, body))
    example.now += 10.0
    slow = example.new_signer()
    slow._a_minute = 2
    example_ask = request_of(example, body, entered=NOW)
    for _ in range(2):
        slow.sign(example_ask)
    with pytest.raises(SignatureError):
        slow.sign(example_ask)


def test_an_older_offline_file_is_refused(example: Example, body: bytes) -> None:
    with example.database.reading() as connection:
        before = restore.role_files(connection)
    example.signed_plan(id="second")
    example.scheduler.tick()
    wanted = request_of(example, body)
    with pytest.raises(RolloutStateError):
        example.signer.sign(
            msgspec.structs.replace(wanted, published_files={**wanted.published_files, "releases": before["releases"]})
        )


def test_a_socket_that_only_its_owner_reaches_gives_what_the_signer_gives(
    example: Example, body: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    listening = listen(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    thread = threading.Thread(target=serve, args=(listening, example.signer.sign))
    thread.start()
    try:
        assert metadata.version(sign_through(path, request_of(example, body)).roles, "rollouts") > 0
        with pytest.raises(InputError, match="or the one after"):
            sign_through(path, request_of(example, body, stage=2))
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(str(path))
            stream.sendall(b'{"nonsense": 1}\n')
            assert b"refused" in stream.recv(4096)
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5.0)
    assert path.exists()
    assert probe(path).how == "gone"  # what a killed signer leaves behind
    with pytest.raises(OutputError, match="signer"):
        sign_through(path, request_of(example, body))


@pytest.mark.slow
def test_the_signers_process_is_started_again_and_remembers(tmp_path: Path) -> None:
    example = Example(tmp_path, time.time() - 60.0)
    process = SignerProcess(example.fleet.folder)
    try:
        process.wait()
        first = process.pid
        assert first is not None
        with example.database.reading() as connection:
            role_files, roots = restore.role_files(connection), restore.roots(connection)
        empty = SigningRequest(standings=(), published_files=role_files, roots=tuple(roots))
        given = process.sign(empty)
        os.kill(first, signal.SIGKILL)
        for _ in range(200):
            process.watch()
            if process.pid not in (None, first):
                break
            threading.Event().wait(0.05)
        process.wait()
        again = process.sign(empty)
        assert metadata.version(again.roles, "snapshot") > metadata.version(given.roles, "snapshot")
        second = process.pid
        process.watch()
        (example.fleet.online / SOCKET).unlink()  # somebody removed it: its process lives and nobody can ask it
        process.watch()
        process.watch()
        for _ in range(200):
            process.watch()
            if (example.fleet.online / SOCKET).exists():
                break
            threading.Event().wait(0.05)
        assert process.pid not in (None, second)
        process.wait()  # the file is there before anybody listens
        assert process.sign(empty).roles
    finally:
        process.close()
        example.close()
    assert process.pid is None


def _stolen(example: Example, stolen_plan: Plan, **changes: Any) -> Standing:  # noqa: ANN401 - fields of Standing
    """Return what a thief signs with the online keys, past the signer's rules."""
    fields: dict[str, Any] = {"plan": stolen_plan.id, "sha256": "0" * 64, "product": "main", "state": "running"}
    return Standing(**{**fields, **changes})


def test_stolen_online_keys_push_nothing_beyond_the_plan(example: Example) -> None:
    planned = plan()
    devices = [Traits(device=f"{number:032x}", product="main", counter=1) for number in range(400)]

    def going(standing: Standing, moment: Moment) -> int:
        return sum(decide(planned, standing, device, moment).go for device in devices)

    everywhere = _stolen(example, planned, stage=2)
    honest = Moment(now=NOW + 60.0, trusted=True, running=0.0, seen=0.0, fresh=True, wall=NOW + 60.0)
    assert 20 <= going(everywhere, honest) <= 60  # the canary's tenth, not all
    # The thief signs a time at which the dwells are over; the device counts the time that it ran itself.
    ahead = Moment(now=NOW + 9 * HOUR, trusted=False, running=500.0, seen=400.0, fresh=True, wall=NOW)
    assert going(everywhere, ahead) == going(everywhere, honest)
    assert going(_stolen(example, planned, stage=9), honest) == 0
    late = Moment(now=planned.expires + 1.0, trusted=True, running=0.0, seen=0.0, fresh=True, wall=NOW)
    assert going(everywhere, late) == 0
    done = Moment(now=NOW + 9 * HOUR, trusted=True, running=0.0, seen=0.0, fresh=True, wall=NOW)
    assert going(everywhere, done) == 400
    assert going(_stolen(example, planned, stage=2, state="paused"), done) == 0
    # What it can do is to call back those that have the release, to bytes that were signed offline.
    back = decide(planned, _stolen(example, planned, state="aborted", revert=True), devices[0], done)
    assert back.target is None
    has = msgspec.structs.replace(devices[0], counter=2)
    assert decide(planned, _stolen(example, planned, state="aborted", revert=True), has, done).target == planned.revert


@pytest.mark.slow
def test_a_signer_needs_its_root(tmp_path: Path) -> None:
    """A record that was never begun trusts the root it is given, and no other after that."""
    one, other = Example(tmp_path / "a"), Example(tmp_path / "b", now=NOW + 1.0)  # another time has keys of its own
    try:
        mine = one.signed_plan()
        one.scheduler.tick()
        theirs = other.signed_plan()
        other.scheduler.tick()
        assert isinstance(one.signer, LocalSigner)
        with pytest.raises(InputError):
            one.signer.sign(request_of(other, theirs))
        one.signer.sign(request_of(one, mine))
    finally:
        one.close()
        other.close()
