"""Everything that a control plane has for rollouts, put together over its folder at the first use."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from edgewright.fleet.protocol.layout import REPORT_EVERY, plan_target
from edgewright.fleet.repository.folder import Fleet, open_fleet
from edgewright.fleet.repository.public_files import read_target
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.publishing.publisher import Publisher
from edgewright.fleet.server.publishing.restore import begin
from edgewright.fleet.server.rollouts.scheduler import Scheduler
from edgewright.fleet.server.rollouts.transitions import Rollouts
from edgewright.fleet.server.signer.process import folder_signer
from edgewright.fleet.server.signer.service import Given, Signing, SigningRequest
from edgewright.fleet.server.signer.socket import SOCKET, RemoteSigner, heard

_NAME = "conductor"
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Conductor:
    """The parts of a control plane that steer rollouts."""

    fleet: Fleet
    rollouts: Rollouts
    scheduler: Scheduler
    publisher: Publisher


class FolderSigner:
    """The server's signer where one listens; else, for a command on a folder without a server, one in this process.

    Args:
        fleet: whose keys.
        plane: whose clock.
    """

    def __init__(self, fleet: Fleet, plane: Plane) -> None:
        self._fleet, self._plane = fleet, plane

    def sign(self, asked: SigningRequest) -> Given:
        """As `signer.Signing.sign`."""
        socket = self._fleet.online / SOCKET
        if heard(socket).how != "gone":
            return RemoteSigner(socket).sign(asked)
        return folder_signer(self._fleet, self._plane.clock.wall).sign(asked)


def conductor(plane: Plane, signer: Signing | None = None) -> Conductor:
    """The one of a control plane.

    Args:
        plane: opened.
        signer: at the first call; where it is left out, the folder's.

    Raises:
        InputError: the folder is no fleet's, or its published files are not whole.
    """
    with _LOCK:
        found = plane.extra.get(_NAME)
        if isinstance(found, Conductor):
            return found
        fleet = open_fleet(plane.folder)
        now = plane.clock.wall
        begin(fleet, plane.database, plane.committer, now())
        publisher = Publisher(fleet, plane.database)
        rollouts = Rollouts(
            plane.database, plane.committer, signer or FolderSigner(fleet, plane), now, publisher.publish,
            lambda standing: read_target(fleet, plan_target(standing.plan), standing.sha256),
        )  # fmt: skip
        scheduler = Scheduler(
            fleet, plane.database, plane.committer, rollouts, publisher, now, every=plane.limits.wait or REPORT_EVERY
        )
        made = Conductor(fleet, rollouts, scheduler, publisher)
        plane.extra[_NAME] = made
        return made
