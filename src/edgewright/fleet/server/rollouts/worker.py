"""A server's rollouts: the signer's process is kept alive, and every few seconds the scheduler has its round."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edgewright.fleet.protocol.layout import ROOT
from edgewright.fleet.repository.acceptance import waiting
from edgewright.fleet.repository.folder import open_fleet
from edgewright.fleet.server import log
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.publishing import heads, restore
from edgewright.fleet.server.publishing.integrity_scan import Watch
from edgewright.fleet.server.publishing.publisher import take_in
from edgewright.fleet.server.rollouts.activation_permission import decide_intent
from edgewright.fleet.server.rollouts.composition import Conductor, conductor
from edgewright.fleet.server.signer.health import why
from edgewright.fleet.server.signer.supervisor import SignerProcess
from edgewright.schema.errors import InputError

EVERY = 2.0
"""Seconds between rounds: a halt is signed that much after the report that shows it."""


def attach(plane: Plane) -> None:
    """Lets rollouts decide over intents."""
    plane.decide = decide_intent


def start(plane: Plane) -> Callable[[], None]:
    """Starts the signer and the rounds; what is returned stops both.

    Raises:
        InputError: devices have seen more than the database knows: it was restored from a backup.
        OutputError: the signer cannot be started.
    """
    process = SignerProcess(open_fleet(plane.folder).folder)
    ended = threading.Event()
    try:
        process.wait()
        made = conductor(plane, process.signer)
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
    """Looks after the signer, beside the rounds: one of them may wait for it."""
    while True:
        try:
            plane.ready["signer"] = why(process.watch())
        except Exception as error:  # noqa: BLE001 - no process can be started, such as: told, and tried again
            log.broken(error, "signer")
        if ended.wait(EVERY):
            return


def _run(plane: Plane, made: Conductor, ended: threading.Event) -> None:
    failed: set[str] = set()
    watch = Watch(plane, made)
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
