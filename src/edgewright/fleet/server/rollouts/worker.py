"""The rollout worker of a server: keeps the signer's process running and calls the scheduler every few seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from edgewright.fleet.protocol.layout import REPORT_EVERY, ROOT, plan_target
from edgewright.fleet.repository.acceptance import waiting
from edgewright.fleet.repository.folder import Fleet, locked, open_fleet
from edgewright.fleet.repository.public_files import read_target
from edgewright.fleet.server import log
from edgewright.fleet.server.background import repeat
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.lost_connection import retried
from edgewright.fleet.server.publishing import heads, integrity_scan, restore
from edgewright.fleet.server.publishing.publisher import Publisher, take_in
from edgewright.fleet.server.publishing.restore import begin
from edgewright.fleet.server.rollouts.scheduler import Scheduler
from edgewright.fleet.server.rollouts.transitions import Rollouts
from edgewright.fleet.server.signer.process import folder_signer
from edgewright.fleet.server.signer.service import SignedFiles, Signing, SigningRequest
from edgewright.fleet.server.signer.socket import SOCKET, heard, sign_through
from edgewright.fleet.server.signer.supervisor import SignerProcess
from edgewright.schema.errors import InputError

_NAME = "conductor"
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Conductor:
    """The parts of a control plane that manage rollouts."""

    fleet: Fleet
    rollouts: Rollouts
    scheduler: Scheduler
    publisher: Publisher


def conductor(plane: Plane, sign: Signing | None = None) -> Conductor:
    """Return the conductor of a control plane, creating it at the first call.

    Args:
        plane: open control plane.
        sign: signs with the online keys, used at the first call; None for the server's signer, or for a signer in this
            process if no server runs.

    Raises:
        InputError: the folder contains no fleet, or its published files are incomplete.
    """
    with _LOCK:
        found = plane.extra.get(_NAME)
        if isinstance(found, Conductor):
            return found
        fleet = open_fleet(plane.folder)
        now = plane.clock.wall
        begin(fleet, plane.database, plane.committer, now())
        publisher = Publisher(fleet, plane.database)
        socket = fleet.online / SOCKET

        def sign_here(request: SigningRequest) -> SignedFiles:
            here = heard(socket).how == "gone"
            return folder_signer(fleet, now).sign(request) if here else sign_through(socket, request)

        rollouts = Rollouts(
            plane.database, plane.committer, sign or sign_here, now, publisher.publish,
            lambda standing: read_target(fleet, plan_target(standing.plan), standing.sha256),
        )  # fmt: skip
        scheduler = Scheduler(
            fleet, plane.database, plane.committer, rollouts, publisher, now, every=plane.limits.wait or REPORT_EVERY
        )
        made = Conductor(fleet, rollouts, scheduler, publisher)
        plane.extra[_NAME] = made
        return made


PATIENCE_S = 60.0
"""Seconds for which a starting server retries while the database drops its connections."""
EVERY = 2.0
"""Seconds between rounds, and so the delay from a decisive report to the signed halt."""


def start(plane: Plane) -> Callable[[], None]:
    """Start the signer and the rounds; return a function that stops both.

    Raises:
        InputError: the published state is newer than the database, which was restored from a backup.
        OutputError: the signer cannot be started.
    """
    process = SignerProcess(open_fleet(plane.folder).folder)
    try:
        process.wait()
        made = retried(
            lambda: _begun(plane, process.sign), PATIENCE_S, lambda why: log.line("warning", "database.lost", why=why)
        )
    except BaseException:
        process.close()
        raise

    def keep() -> None:
        plane.ready["signer"] = process.watch().trouble

    # In a thread of its own, since a round can block on the signer.
    ends = [
        repeat("rollouts", EVERY, _Rounds(plane, made).run, at_once=True),
        repeat("signer", EVERY, keep, at_once=True),
    ]

    def stop() -> None:
        for end in ends:
            end()
        process.close()

    return stop


def _begun(plane: Plane, sign: Signing) -> Conductor:
    """Return the conductor after checking that the published state is not newer than the database; repeatable."""
    made = conductor(plane, sign)
    _not_behind(plane, made)
    return made


def _not_behind(plane: Plane, made: Conductor) -> None:
    try:
        _agree(plane, made)
    except InputError:
        if not any(ROOT in one.change.roles for one in waiting(made.fleet)):
            raise
        # A waiting change has new keys: the conflicting files may come from a thief of the old keys.
        take_in(made.fleet, made.rollouts)
        _agree(plane, made)


def _agree(plane: Plane, made: Conductor) -> None:
    with plane.database.reading() as connection:
        root = heads.roots(connection)[0]
    made.publisher.publish()
    read = restore.from_folder(made.fleet.metadata.parent)
    restore.check(plane.database, restore.published(read, root))


class _Rounds:
    """The scheduler's rounds, and what the server says about each: its log, its readiness and its news."""

    def __init__(self, plane: Plane, made: Conductor) -> None:
        self._plane, self._made, self._scan = plane, made, PeriodicScan(plane, made)
        self._failed: set[str] = set()
        self._known = made.publisher.written

    def run(self) -> None:
        """Run one round."""
        try:
            happened = self._made.scheduler.tick()
            self._scan.now_and_then()
        finally:
            if self._made.publisher.written != self._known:  # by any process
                self._known = self._made.publisher.written
                self._plane.published()
        failures = {one.why for one in happened if one.what in ("failed", "stale")}
        for one in happened:
            if one.why not in self._failed:  # log the same failure only once
                level = "warning" if one.why in failures else "info"
                log.line(level, f"rollout.{one.what}", plan=one.plan, why=one.why)
        self._failed = failures
        # An invalid change or a gate that cannot be evaluated does not affect devices, so the server stays ready.
        stale = [one.why for one in happened if one.what == "stale"]
        self._plane.ready.pop("rollouts", None)
        if stale:
            self._plane.ready["rollouts"] = stale[0][:300]


class PeriodicScan:
    """Checks the published files periodically, repairs them if possible, and reports other problems."""

    def __init__(self, plane: Plane, made: Conductor) -> None:
        self._plane, self._made, self._look = plane, made, integrity_scan.IntegrityScan(made.fleet)
        self._next, self._told = 0.0, ""

    def now_and_then(self) -> None:
        """Scan if a scan is due; the server is not ready while conflicting files are published."""
        now = self._plane.clock.monotonic()
        if now < self._next:
            return
        self._next = now + integrity_scan.EVERY
        try:
            self._plane.extra[integrity_scan.NAME] = self.look()
            self._plane.ready.pop("files", None)
        except InputError as error:
            self._plane.ready["files"] = str(error)[:300]
            self._tell("files.conflict", why=str(error))

    def look(self) -> tuple[integrity_scan.Wrong, ...]:
        """Scan once; missing or changed metadata, standings and plans are written again.

        Raises:
            InputError: a published file is newer than the database, or has other bytes for the same version.
        """
        made, plane = self._made, self._plane
        if made.publisher.publish(again=True):
            log.line("warning", "files.restored", why="published files were missing or had been changed")
        with plane.database.reading() as connection:
            root = heads.roots(connection)[0]
        restore.check(plane.database, restore.published(restore.from_folder(plane.public), root))
        with locked(made.fleet):  # no publishing between the two reads
            with plane.database.reading() as connection:
                held = heads.held(connection)
            found = self._look.wrong(held)
        if found:
            self._tell(
                "files.wrong",
                files=[f"{one.kind}: {one.path}" for one in found[: integrity_scan.MOST_LOGGED]],
                count=len(found),
            )
        else:
            self._told = ""
        return found

    def _tell(self, event: str, **more: object) -> None:
        """Log the same event once."""
        if str(more) != self._told:
            self._told = str(more)
            log.line("warning", event, **more)
