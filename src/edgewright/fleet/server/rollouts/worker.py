"""The rollout worker of a server: keeps the signer's process running and calls the scheduler every few seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from edgewright.core.errors import InputError
from edgewright.fleet.protocol.layout import REPORT_EVERY, ROOT, plan_target
from edgewright.fleet.repository.acceptance import waiting
from edgewright.fleet.repository.folder import Fleet, locked, open_fleet, read_target
from edgewright.fleet.server import background, restore
from edgewright.fleet.server.background import repeat
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.postgres import retried
from edgewright.fleet.server.restore import begin
from edgewright.fleet.server.rollouts.scheduler import Publisher, Scheduler, take_in
from edgewright.fleet.server.rollouts.transitions import Rollouts
from edgewright.fleet.server.signer.service import SignedFiles, Signing, SigningRequest
from edgewright.fleet.server.signer.supervisor import SOCKET, SignerProcess, folder_signer, probe, sign_through

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
        present = plane.extra.get(_NAME)
        if isinstance(present, Conductor):
            return present
        fleet = open_fleet(plane.folder)
        now = plane.clock.wall
        begin(fleet, plane.database, plane.committer, now())
        publisher = Publisher(fleet, plane.database)
        socket = fleet.online / SOCKET

        def sign_here(request: SigningRequest) -> SignedFiles:
            here = probe(socket).how == "gone"
            return folder_signer(fleet, now).sign(request) if here else sign_through(socket, request)

        rollouts = Rollouts(
            plane.database, plane.committer, sign or sign_here, now, publisher.publish,
            lambda standing: read_target(fleet, plan_target(standing.plan), standing.sha256),
        )  # fmt: skip
        scheduler = Scheduler(
            fleet, plane.database, plane.committer, rollouts, publisher, now, every=plane.limits.wait or REPORT_EVERY
        )
        parts = Conductor(fleet, rollouts, scheduler, publisher)
        plane.extra[_NAME] = parts
        return parts


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
        parts = retried(
            lambda: _begun(plane, process.sign),
            PATIENCE_S,
            lambda why: background.line("warning", "database.lost", why=why),
        )
    except BaseException:
        process.close()
        raise

    def keep() -> None:
        plane.ready["signer"] = process.watch().trouble

    # In a thread of its own, since a round can block on the signer.
    ends = [
        repeat("rollouts", EVERY, _Rounds(plane, parts).run, at_once=True),
        repeat("signer", EVERY, keep, at_once=True),
    ]

    def stop() -> None:
        for end in ends:
            end()
        process.close()

    return stop


def _begun(plane: Plane, sign: Signing) -> Conductor:
    """Return the conductor after checking that the published state is not newer than the database; repeatable."""
    parts = conductor(plane, sign)
    _not_behind(plane, parts)
    return parts


def _not_behind(plane: Plane, parts: Conductor) -> None:
    try:
        _agree(plane, parts)
    except InputError:
        if not any(ROOT in item.change.roles for item in waiting(parts.fleet)):
            raise
        # A waiting change has new keys: the conflicting files may come from a thief of the old keys.
        take_in(parts.fleet, parts.rollouts)
        _agree(plane, parts)


def _agree(plane: Plane, parts: Conductor) -> None:
    with plane.database.reading() as connection:
        root = restore.roots(connection)[0]
    parts.publisher.publish()
    read = restore.from_folder(parts.fleet.metadata.parent)
    restore.check(plane.database, restore.published(read, root))


class _Rounds:
    """The scheduler's rounds, and what the server says about each: its log and its readiness."""

    def __init__(self, plane: Plane, parts: Conductor) -> None:
        self._plane, self._parts, self._scan = plane, parts, PeriodicScan(plane, parts)
        self._failed: set[str] = set()

    def run(self) -> None:
        """Run one round."""
        happened = self._parts.scheduler.tick()
        self._scan.now_and_then()
        failures = {event.why for event in happened if event.kind in ("failed", "stale")}
        for event in happened:
            if event.why not in self._failed:  # log the same failure only once
                level = "warning" if event.why in failures else "info"
                background.line(level, f"rollout.{event.kind}", plan=event.plan, why=event.why)
        self._failed = failures
        # An invalid change or a gate that cannot be evaluated does not affect devices, so the server stays ready.
        stale = [event.why for event in happened if event.kind == "stale"]
        self._plane.ready.pop("rollouts", None)
        if stale:
            self._plane.ready["rollouts"] = stale[0][:300]


class PeriodicScan:
    """Checks the published files periodically, repairs them if possible, and reports other problems."""

    def __init__(self, plane: Plane, parts: Conductor) -> None:
        self._plane, self._parts, self._look = plane, parts, restore.IntegrityScan(parts.fleet)
        self._next, self._reported = 0.0, ""

    def now_and_then(self) -> None:
        """Scan if a scan is due; the server is not ready while conflicting files are published."""
        now = self._plane.clock.monotonic()
        if now < self._next:
            return
        self._next = now + restore.EVERY
        try:
            self._plane.extra[restore.NAME] = self.look()
            self._plane.ready.pop("files", None)
        except InputError as error:
            self._plane.ready["files"] = str(error)[:300]
            self._log_once("files.conflict", why=str(error))

    def look(self) -> tuple[restore.Wrong, ...]:
        """Scan once; missing or changed metadata, standings and plans are written again.

        Raises:
            InputError: a published file is newer than the database, or has other bytes for the same version.
        """
        parts, plane = self._parts, self._plane
        if parts.publisher.publish(again=True):
            background.line("warning", "files.restored", why="published files were missing or had been changed")
        with plane.database.reading() as connection:
            root = restore.roots(connection)[0]
        restore.check(plane.database, restore.published(restore.from_folder(plane.public), root))
        with locked(parts.fleet):  # no publishing between the two reads
            with plane.database.reading() as connection:
                role_files = restore.role_files(connection)
            wrong = self._look.wrong(role_files)
        if wrong:
            self._log_once(
                "files.wrong",
                files=[f"{file.kind}: {file.path}" for file in wrong[: restore.MOST_LOGGED]],
                count=len(wrong),
            )
        else:
            self._reported = ""
        return wrong

    def _log_once(self, event: str, **more: object) -> None:
        """Log the same event once."""
        if str(more) != self._reported:
            self._reported = str(more)
            background.line("warning", event, **more)
