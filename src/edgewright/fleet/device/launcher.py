"""The first thing that runs: it starts the agent of the active environment, and goes back where a trial never starts.

It is the code that came with the device, and no update replaces it. It needs nothing of the agent but the state.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec

from edgewright.device.store.database import Connect, connect
from edgewright.fleet.device.environments import FACTORY_VARIABLE, NAME_VARIABLE, Environments, factory, running
from edgewright.fleet.device.model_supervisor import go_back
from edgewright.fleet.device.package_slots import FolderSlots
from edgewright.fleet.device.state_database import FILE, State
from edgewright.fleet.device.store_lock import locked

RESTARTED_VARIABLE = "EDGEWRIGHT_RESTARTED"
STARTS = 3
"""Starts of a new agent during its trial that may end without a word of it, before the device goes back."""


def launch(store: Path) -> None:
    """Replace this process by the agent of the active environment, where that is another one than this.

    Called before an agent begins. In the trial of a new agent the start is counted durably; once the control plane has
    acknowledged a report of the new agent, the count begins anew.
    """
    if running() or not (store / FILE).exists():
        return
    environments = Environments(store)
    while True:
        with locked(store):
            name = choose(store)
        python = environments.python(name) if name else None
        if python is None:
            return
        environment = {**os.environ, NAME_VARIABLE: name, FACTORY_VARIABLE: sys.executable}
        try:
            os.execve(python, [str(python), "-m", "edgewright", *sys.argv[1:]], environment)  # noqa: S606 - no shell
        except OSError:
            environments.discard(name)


def restart() -> None:
    """Replace this process by the launcher."""
    environment = {key: value for key, value in os.environ.items() if key not in (NAME_VARIABLE, FACTORY_VARIABLE)}
    environment[RESTARTED_VARIABLE] = "1"
    os.execve(factory(), [factory(), "-m", "edgewright", *sys.argv[1:]], environment)  # noqa: S606 - no shell


def restarted() -> bool:
    """Return whether an agent that was enrolled called the launcher: standard input has given its token already."""
    return RESTARTED_VARIABLE in os.environ


def choose(store: Path, opener: Connect = connect) -> str:
    """Return the environment to start; empty for this one."""
    state = State.open(store, opener)
    try:
        while name := state.held.environment:
            trial, whole = state.held.trial, Environments(store).python(name) is not None
            if trial is None or trial.environment == name:
                if whole:
                    return name
                # Damaged on this device: the agent that came with it goes on.
                state.change(environment="", environment_before="")
            elif whole and trial.starts < STARTS:
                state.change(trial=msgspec.structs.replace(trial, starts=trial.starts + 1))
                return name
            else:
                why = f"the new agent reported nothing in {trial.starts} starts" if whole else "its files are damaged"
                go_back(state, FolderSlots(store), "start" if whole else "damaged", why, time.time())
        return ""
    finally:
        state.close()
