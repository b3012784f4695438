"""A process in which a device learns with its fleet: `python -m edgewright.fleet.device.federation_process PARENT ...`.

Learning needs memory and time that the agent does not have; if this process fails, the agent and the model's process
continue. No other module imports this one, because it needs NumPy.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from edgewright.core.adaptation.learner import State as Learned
from edgewright.core.adaptation.predictor import factory_of
from edgewright.core.adaptation.slots import Files, Slots
from edgewright.core.package import read_package
from edgewright.device.agent.learned import learned_folder
from edgewright.device.agent.parent_process import end_with
from edgewright.fleet.device.control_client import HttpControl
from edgewright.fleet.device.enrollment import device_key
from edgewright.fleet.device.federation import take_part
from edgewright.fleet.device.package_slots import FolderSlots
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.wire.transport import HttpTransport
from edgewright.schema.errors import EdgewrightError


class FleetLearner:
    """Takes part in the rounds of a fleet with the package that answers on this device and what it keeps of it.

    Args:
        store: folder of the device's store.
        url, ca_file: address of the fleet, and its CA certificates; empty for those of the system.
    """

    def __init__(self, store: Path, url: str, ca_file: str) -> None:
        self._store, self._slots = store, FolderSlots(store)
        self._transport = HttpTransport(url, ca_file)

    def attempt(self) -> str:
        """Take part until the rounds are over or another release answers; return what came of it, in one line.

        Raises:
            EdgewrightError: the store, the package or the fleet does not let this device take part.
        """
        target = device, slot, counter = self._target()
        if not device or not slot:
            return "waits for a confirmed release"
        package = read_package(self._slots.path(slot))
        factory = factory_of(package)
        learned = Slots[Learned](Files(learned_folder(self._store, package.manifest.name)), factory).load()
        if not learned.kept:
            return "waits for labelled examples: edgewright device label"

        def wait(seconds: float) -> bool:
            time.sleep(seconds)
            return self._target() != target

        done = take_part(HttpControl(self._transport, device_key(self._store), device), factory, learned, wait)
        if not done.rounds and not done.left:
            return "waits for a round: the fleet has none for this release"
        left = f", left {done.left}: {done.why}" if done.left else ""
        return f"release {counter} took part in {done.rounds} rounds{left}"

    def _target(self) -> tuple[str, str, int]:
        """Return the device's id, and slot and counter of its confirmed release; empty where there is none."""
        state = State.open(self._store, writable=False)
        try:
            current, device = state.device_state, state.link.device
        finally:
            state.close()
        ready = current.trial is None and not current.quarantined
        return device, current.active if ready else "", current.counter


def main(arguments: list[str]) -> int:
    """Take part until the agent exits.

    Args:
        arguments: process id of the agent, store, address of the fleet, file of CA certificates, and seconds between
            two attempts.
    """
    parent, store, url, ca_file, poll_s = arguments
    # The next agent starts a process of its own.
    if not end_with(int(parent)):
        return 3
    learner, last = FleetLearner(Path(store), url, ca_file), ""
    while True:
        try:
            line = learner.attempt()
        except EdgewrightError as error:
            line = str(error)
        if line != last:
            print(f"federation: {line}", file=sys.stderr, flush=True)
        last = line
        time.sleep(float(poll_s))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
