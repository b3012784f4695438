"""The control plane killed with signal 9 at every transition of rollouts, at five moments of each: it goes on."""

from __future__ import annotations

import functools
import signal
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from edgewright.fleet.server.database import postgres
from edgewright.schema.fleet_plan import Stage
from fleet_servers import FALLING, Server, Signed, until
from postgres_database import fresh_database
from rollout_example import FAILED

MOMENTS = ("signed", "written", "committed", "half", "published")
STAGES = (Stage(name="some", percent=50.0, dwell=0.5), Stage(name="all", percent=100.0, dwell=0.5))
# (plan, what the audit log calls it, whether a person asks for it)
STEPS = (
    (1, "started", True), (1, "paused", True), (1, "resumed", True), (1, "stage", False), (1, "finished", False),
    (2, "started", True), (2, "aborted", True), (3, "started", True), (3, "halted", False),
)  # fmt: skip
STATES = {"started": "running", "resumed": "running", "stage": "running", "halted": "aborted"}


def ask(operator: httpx.Client, address: str, number: int, act: str) -> int:
    """Return what a person does; the answer's status."""
    where = f"{address}/v1/fleet/rollouts"
    if act == "started":
        return operator.post(where, json={"plan": f"plan-{number}"}).status_code
    word, record = {"paused": ("pause", {}), "resumed": ("resume", {}), "aborted": ("abort", {"revert": True})}[act]
    return operator.post(f"{where}/plan-{number}/{word}", json=record).status_code


def _accepted(operator: httpx.Client, address: str, number: int, act: str) -> bool:
    return ask(operator, address, number, act) == 200


def killed_at_each(
    folder: Path, moments: tuple[str, ...], steps: tuple[tuple[int, str, bool], ...], address: str = ""
) -> None:  # fmt: skip
    """Kill a server at each step; the next server finishes what the last one began."""
    signed = Signed(folder, *[{"stages": STAGES, "gates": (FAILED,), "unconfirmed": 100.0}] * 3)
    if address:
        postgres.keep(signed.folder, address)
    devices = signed.devices(60)
    expected = [(f"plan-{number}", f"rollout.{act}") for number, act, _ in steps]
    again: tuple[int, str] | None = None
    with ExitStack() as stack:
        operator = stack.enter_context(signed.operator())
        for index, (number, act, person) in enumerate(steps):
            fall = f"rollout.{act}:{moments[index % len(moments)]}"
            server = Server(signed.folder, command=FALLING, FALL=fall)
            stack.callback(server.end, signal.SIGKILL)
            if again is not None or person:
                server.wait()
            if again is not None:  # nobody was answered, so whoever asked asks again
                assert ask(operator, server.address, *again) == 200, (fall, server.log)
            if person:
                with pytest.raises(httpx.TransportError):  # the server may not have taken the plan in yet
                    until(functools.partial(_accepted, operator, server.address, number, act))
            elif act != "finished":  # trials end, and by themselves stages end with them
                signed.ended(devices, number - 1, "reverted" if act == "halted" else "confirmed")
            assert server.died() == -signal.SIGKILL, (fall, server.log)
            again = (number, act) if person else None
            done = signed.acts()
            assert done in (expected[:index], expected[: index + 1]), fall
            assert set(signed.seen()) <= {name for name, _ in expected[: index + 1]}, fall
        server = Server(signed.folder).wait()
        stack.callback(server.end, signal.SIGKILL)
        if again is not None:
            assert ask(operator, server.address, *again) == 200
        until(lambda: signed.acts() == expected, lambda: (signed.acts(), server.log))
        plan, act = f"plan-{steps[-1][0]}", steps[-1][1]
        state = STATES.get(act, act)
        until(lambda: signed.seen()[plan].state == state, signed.seen)
        assert signed.states()[plan] == state
        assert server.end() == 0
    assert signed.acts() == expected


@pytest.mark.slow
def test_killed_between_signature_and_commit_a_start_and_a_pause_are_done_once(tmp_path: Path) -> None:
    killed_at_each(tmp_path, ("signed", "half"), STEPS[:2])


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("first", [0, 2])
def test_killed_at_every_transition_a_server_goes_on_and_steps_once(tmp_path: Path, first: int) -> None:
    killed_at_each(tmp_path, MOMENTS[first:] + MOMENTS[:first], STEPS)


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("first", [1])
def test_killed_at_every_transition_over_postgresql(tmp_path: Path, first: int) -> None:
    with fresh_database() as address:
        killed_at_each(tmp_path, MOMENTS[first:] + MOMENTS[:first], STEPS, address)
