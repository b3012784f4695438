"""The launcher counts new agents that hang, die and wait, and takes them back; a launcher dies at any step of that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import msgspec

from benchmarks.faults.fleet_device import BORN, DEVICE, PRODUCT
from benchmarks.faults.recorder import Recorder
from benchmarks.faults.workload import Workload
from edgewright.core.records.fleet import Acknowledged, Enrolled, TrialLimits
from edgewright.device.store.database import Connect, connect
from edgewright.fleet.device.agent_choice import MARKER, STARTS, AgentChoice, Environments, _fingerprint, new_agent
from edgewright.fleet.device.launcher_record import EndKind, LauncherRecord
from edgewright.fleet.device.state_database import State, Trial

_LIMITS = TrialLimits(boots=3, patience=1000.0)
# Counter of a release, and what becomes of its agent.
_RELEASES: tuple[tuple[int, tuple[EndKind, ...]], ...] = (
    (1, ("hang", "hang", "hang")), (3, ()), (5, ("exit", "", "memory", "exit")), (7, ("", "", "", "", "")),
)  # fmt: skip
_CUT, _CONFIRMED = 7, 3


class Promise(NamedTuple):
    """What the launcher may rely on: the agent that runs, what it counted, and which releases it took back."""

    environment: str
    counter: int
    ends: int
    waited: float
    burned: tuple[int, ...]


def _name(counter: int) -> str:
    return f"agent-{counter}"


def prepare(folder: Path) -> None:
    """Lay down whole environments."""
    for counter, _ in _RELEASES:
        environment = folder / "environments" / _name(counter)
        (environment / "bin").mkdir(parents=True)
        (environment / "bin" / "python").write_text(f"agent {counter}")
        (environment / MARKER).write_text(_fingerprint(environment))


def _state(folder: Path, opener: Connect) -> State:
    state = State.open(folder, opener)
    if not state.link.device:
        state.enrol(Enrolled(device=DEVICE, tags=(), batch="one", at=BORN, nonce="n0"))
    return state


def _choice(folder: Path, opener: Connect) -> AgentChoice:
    return AgentChoice(folder, opener=opener, wall=lambda: BORN)


def promise(folder: Path, choice: AgentChoice, opener: Connect) -> Promise:
    """Return what is durable now."""
    state = State.open(folder, opener)
    state.close()
    record: LauncherRecord = choice.record
    return Promise(
        state.device_state.environment, record.counter, record.ends, record.waited, state.device_state.burned
    )


def use(folder: Path, recorder: Recorder) -> None:
    """Four releases with an agent: one hangs, one is confirmed, one dies and reports, one is cut off repeatedly."""
    choice = _choice(folder, recorder.connect)
    for counter, ends in _RELEASES:
        state = _state(folder, recorder.connect)
        trial = Trial(
            plan=f"plan-{counter}", stage=0, counter=counter, previous="", before=0, plan_before="", limits=_LIMITS,
            environment=state.device_state.environment,
        )  # fmt: skip
        state.change(
            [state.outcome("activated", counter, trial.plan, BORN)], begun=True, product=PRODUCT, active="a",
            counter=counter, environment=_name(counter), trial=trial,
        )  # fmt: skip
        state.close()
        recorder.promise(promise(folder, choice, recorder.connect))
        for number, end in enumerate(ends):
            if choice.choose() != _name(counter):
                break
            recorder.promise(promise(folder, choice, recorder.connect))
            choice.patient(trial, 61.0)
            recorder.promise(promise(folder, choice, recorder.connect))
            state = State.open(folder, recorder.connect)
            state.acknowledge(Acknowledged(nonce=f"n{counter}-{number}", outcomes=state.device_state.outcome))
            state.close()
            if counter == _CUT:  # nobody records how it ended
                choice = _choice(folder, recorder.connect)
            else:
                choice.ended(end, "hangs: no sign of life" if end == "hang" else "ended with exit code 1")
            recorder.promise(promise(folder, choice, recorder.connect))
        if counter == _CONFIRMED:
            choice.choose()
            state = State.open(folder, recorder.connect)
            state.change([state.outcome("confirmed", counter, trial.plan, BORN)], trial=None, floors={PRODUCT: counter})
            state.close()
            choice.ended("", "")
        choice.choose()
        recorder.promise(promise(folder, choice, recorder.connect))


def recover(folder: Path, recorder: Recorder) -> None:
    """Start again; a killed process left the state."""
    choice = _choice(folder, recorder.connect)
    choice.choose()
    choice.ended("hang", "hangs: no sign of life")


def check(folder: Path, before: Promise | None, after: Promise | None) -> str:
    """Return what is wrong: counts that fell, a release that was taken back and runs, an agent that never returns."""
    choice = _choice(folder, connect)
    state = _state(folder, connect)
    device_state = state.device_state
    state.close()
    record = choice.record
    if before is not None and not set(before.burned) <= set(device_state.burned):
        return f"taken back {device_state.burned} after {before.burned}"
    same = before is not None and before.counter == record.counter
    if before is not None and same and (record.ends, record.waited) < (before.ends, before.waited):
        return f"{record.ends} ends and {record.waited} s counted after {before.ends} and {before.waited}"
    trial = new_agent(device_state)
    if before is not None and trial is not None and before.counter == trial.counter and not record.counter:
        return "the counts of the trial are lost"
    for start in range(STARTS + 1):
        name = choice.choose()
        if name and Environments(folder).python(name) is None:
            return f"environment {name} is to run and is not whole"
        if name in {_name(counter) for counter in device_state.burned}:
            return f"{name} was taken back and runs"
        state = State.open(folder, connect)
        state.close()
        if new_agent(state.device_state) is None:
            break
        choice.ended("hang", f"hangs: {start}")
    else:
        return "the new agent never returns"
    if trial is not None:
        if state.device_state.environment != trial.environment or trial.counter not in state.device_state.burned:
            return f"{state.device_state.environment!r} runs after release {trial.counter}"
        outcome = state.outcomes[-1]
        if (outcome.result, outcome.counter) != ("reverted", trial.counter):
            return f"nobody is told: {json.loads(msgspec.json.encode(outcome))}"
        returned = _choice(folder, connect).record.returned
        if returned is None or returned.counter != trial.counter:
            return f"the return is not recorded: {returned}"
    return ""


WORKLOAD = Workload("agent that hangs", use, recover, check, prepare)
