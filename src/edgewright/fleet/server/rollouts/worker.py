"""A server's rollouts: the signer's process is kept alive, and every few seconds the scheduler has its round."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from edgewright.fleet.protocol.layout import REPORT_EVERY, ROOT, plan_target
from edgewright.fleet.repository.acceptance import waiting
from edgewright.fleet.repository.folder import Fleet, locked, open_fleet
from edgewright.fleet.repository.public_files import read_target
from edgewright.fleet.server import log
from edgewright.fleet.server.control_plane import Plane
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
    """The parts of a control plane that steer rollouts."""

    fleet: Fleet
    rollouts: Rollouts
    scheduler: Scheduler
    publisher: Publisher


def conductor(plane: Plane, sign: Signing | None = None) -> Conductor:
    """Return the one of a control plane.

    Args:
        plane: opened.
        sign: at the first call; where it is left out, the server's signer where one listens, else, for a command on a
            folder without a server, one in this process.

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


EVERY = 2.0
"""Seconds between rounds: a halt is signed that much after the report that shows it."""


def start(plane: Plane) -> Callable[[], None]:
    """Start the signer and the rounds; what is returned stops both.

    Raises:
        InputError: devices have seen more than the database knows: it was restored from a backup.
        OutputError: the signer cannot be started.
    """
    process = SignerProcess(open_fleet(plane.folder).folder)
    ended = threading.Event()
    try:
        process.wait()
        made = conductor(plane, process.sign)
        _not_behind(plane, made)
    except BaseException:
        process.close()
        raise
    threads = [
        threading.Thread(target=_run, args=(plane, made, ended), name="fleet-scheduler", daemon=True),
        threading.Thread(target=_keep, args=(plane, process, ended), name="fleet-signer", daemon=True),
    ]
    for thread in threads:
        thread.start()

    def stop() -> None:
        ended.set()
        for thread in threads:
            thread.join(10.0)
        process.close()

    return stop


def _not_behind(plane: Plane, made: Conductor) -> None:
    try:
        _agree(plane, made)
    except InputError:
        if not any(ROOT in one.change.roles for one in waiting(made.fleet)):
            raise
        # Other keys wait to be taken in: what stands in the way may be what a thief of the old ones published.
        take_in(made.fleet, made.rollouts)
        _agree(plane, made)


def _agree(plane: Plane, made: Conductor) -> None:
    with plane.database.reading() as connection:
        root = heads.roots(connection)[0]
    made.publisher.publish()
    read = restore.from_folder(made.fleet.metadata.parent)
    restore.check(plane.database, restore.published(read, root))


def _keep(plane: Plane, process: SignerProcess, ended: threading.Event) -> None:
    """Look after the signer, beside the rounds: one of them may wait for it."""
    while True:
        try:
            plane.ready["signer"] = process.watch().trouble
        except Exception as error:  # noqa: BLE001 - no process can be started, such as: told, and tried again
            log.broken(error, "signer")
        if ended.wait(EVERY):
            return


def _run(plane: Plane, made: Conductor, ended: threading.Event) -> None:
    failed: set[str] = set()
    watch = PeriodicScan(plane, made)
    known = made.publisher.written
    while True:
        try:
            happened = made.scheduler.tick()
            watch.now_and_then()
        except Exception as error:  # noqa: BLE001 - the disk, the database: told, and tried again
            log.broken(error, "rollouts")
            happened = []
        if made.publisher.written != known:  # by whichever process
            known = made.publisher.written
            plane.published()
        failures = {one.why for one in happened if one.what in ("failed", "stale")}
        for one in happened:
            if one.why not in failed:  # the same failure is told once
                level = "warning" if one.why in failures else "info"
                log.line(level, f"rollout.{one.what}", plan=one.plan, why=one.why)
        failed = failures
        # A change that cannot be taken in, or a gate that cannot be asked, keeps no device from being served.
        stale = [one.why for one in happened if one.what == "stale"]
        plane.ready.pop("rollouts", None)
        if stale:
            plane.ready["rollouts"] = stale[0][:300]
        if ended.wait(EVERY):
            return


class PeriodicScan:
    """Looks now and then; what can be put right is, the rest is told.

    Args:
        plane: whose readiness and log tell it.
        made: what it publishes with.
    """

    def __init__(self, plane: Plane, made: Conductor) -> None:
        self._plane, self._made, self._look = plane, made, integrity_scan.IntegrityScan(made.fleet)
        self._next, self._told = 0.0, ""

    def now_and_then(self) -> None:
        """Look where it is time to; a server is not ready where devices find what it did not publish."""
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
        """One look: newest metadata, standings and plans are written again where they are gone or were changed.

        Raises:
            InputError: devices find something newer than the database knows, or other bytes for the same version.
        """
        made, plane = self._made, self._plane
        if made.publisher.publish(again=True):
            log.line("warning", "files.restored", why="published files were missing or had been changed")
        with plane.database.reading() as connection:
            root = heads.roots(connection)[0]
        restore.check(plane.database, restore.published(restore.from_folder(plane.public), root))
        with locked(made.fleet):  # nobody publishes between what is read here and there
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
