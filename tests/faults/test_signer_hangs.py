"""A signer that hangs, stopped and not dead: told, ended for another, and no step is taken twice."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from edgewright.cli.main import run
from edgewright.core.records.fleet import Stage
from edgewright.fleet.server.database import migration
from edgewright.fleet.server.signer import supervisor
from edgewright.fleet.server.signer.supervisor import SOCKET, probe
from fleet_servers import Server, Signed, until
from postgres_database import fresh_database

pytestmark = [pytest.mark.slow, pytest.mark.heavy]

# The same server, but it waits for less long: half a minute in which nothing happens shows no more than this.
SOONER = """
import functools
from edgewright.cli.main import main
from edgewright.fleet.server.rollouts import worker
worker.SignerProcess = functools.partial(worker.SignerProcess, hung=4.0, answers=1.0)
main()
"""
IMPATIENT = (sys.executable, "-c", SOONER)
STAGES = tuple(Stage(name=f"s{number}", percent=100.0, dwell=2.0) for number in range(4))
STEPS = ["rollout.started", *["rollout.stage"] * 3, "rollout.finished"]


def ready(server: Server) -> tuple[int, str]:
    """Return what /readyz says."""
    try:
        answer = httpx.get(f"{server.address}/readyz", timeout=60, trust_env=False)
    except httpx.TransportError:
        return 0, ""
    return answer.status_code, answer.text


def signers(folder: Path) -> list[int]:
    """Return process that hold the online keys; two for a moment where two servers miss one at the same time."""
    pids = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word == supervisor.__name__.encode() for word in words) and str(folder).encode() in words:
            pids.append(int(path.parent.name))
    return pids


def signer(folder: Path) -> int:
    """Return process of the only signer, which answers."""
    path = folder / "keys" / "online" / SOCKET
    pids: list[int] = []

    def answers() -> bool:
        pids[:] = signers(folder)
        state = probe(path)
        return state.how == "answers" and pids == [state.pid]

    until(answers, lambda: pids)
    return pids[0]


def lives(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def carried(act: Callable[[], object], pids: list[int]) -> None:
    """Acts; processes that were stopped go on whatever happens."""
    try:
        act()
    finally:
        for pid in pids:
            if lives(pid):
                os.kill(pid, signal.SIGCONT)


def test_a_signer_that_hangs_is_told_and_ended_for_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    signed = Signed(tmp_path, {"stages": STAGES, "gates": ()})
    server = Server(signed.folder, command=IMPATIENT).wait()
    stopped: list[int] = []

    def act() -> None:
        until(lambda: ready(server)[0] == 200)
        assert run(["fleet", "rollout", "status", "--all", "--fleet", str(signed.folder)]) == 0
        first = signer(signed.folder)
        os.kill(first, signal.SIGSTOP)
        stopped.append(first)
        until(lambda: ready(server)[0] == 503, lambda: ready(server))
        assert f"does not answer (process {first})" in ready(server)[1]
        until(lambda: not lives(first))
        until(lambda: ready(server)[0] == 200)
        assert signer(signed.folder) != first
        with signed.operator() as ada:
            answer = ada.post(f"{server.address}/v1/fleet/rollouts", json={"plan": "plan-1"})
            assert answer.status_code == 200, answer.text
        until(lambda: signed.states() == {"plan-1": "finished"}, signed.states)

    try:
        carried(act, stopped)
    finally:
        assert server.end() == 0
    assert [action for _, action in signed.acts()] == STEPS
    assert any("signer.hangs" in line for line in server.log)


def test_a_signer_that_hangs_under_two_servers_is_ended_by_one_of_them(tmp_path: Path) -> None:
    """Also by the one that did not start it, where the other one hangs with it and comes back later."""
    with fresh_database() as address:
        signed = Signed(tmp_path, {"stages": STAGES, "gates": ()})
        with signed.database():
            pass
        migration.move(signed.folder, address)
        servers = [Server(signed.folder, command=IMPATIENT).wait() for _ in range(2)]
        stopped: list[int] = []

        def act() -> None:
            until(lambda: all(ready(one)[0] == 200 for one in servers))
            with signed.operator() as ada:
                answer = ada.post(f"{servers[1].address}/v1/fleet/rollouts", json={"plan": "plan-1"})
                assert answer.status_code == 200, answer.text
            first = signer(signed.folder)
            stopped.append(first)
            os.kill(first, signal.SIGSTOP)
            until(lambda: not lives(first))
            second = signer(signed.folder)
            # Now the server that is its parent hangs with it, wherever in a round it is.
            parent = int(Path(f"/proc/{second}/stat").read_text().rpartition(")")[2].split()[1])
            other = next(one for one in servers if one.process.pid != parent)
            stopped.extend((second, parent))
            os.kill(parent, signal.SIGSTOP)
            os.kill(second, signal.SIGSTOP)
            until(lambda: not lives(second))
            until(lambda: ready(other)[0] == 200, lambda: ready(other))
            assert signer(signed.folder) != second
            os.kill(parent, signal.SIGCONT)
            until(lambda: signed.states() == {"plan-1": "finished"}, signed.states)
            until(lambda: all(ready(one)[0] == 200 for one in servers))

        try:
            carried(act, stopped)
        finally:
            codes = {one.end() for one in servers}
        assert codes == {0}
        assert [action for _, action in signed.acts()] == STEPS
