"""A fleet to practise with: a real folder and control plane, and simulated devices that follow it in real time.

The agents, the signed metadata, the signer and the gates are the real ones. What a release does on a device is
simulated: it behaves well, or as one of `FAULTS` where its publisher chose so.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from edgewright.core.errors import SimulationSettingsError
from edgewright.core.files import write_atomic
from edgewright.core.records.fleet import Acknowledged, Allowed, Enrolment, Intent, Release, Report
from edgewright.fleet.device.ports import DeviceConfig
from edgewright.fleet.protocol.layout import ROOT
from edgewright.fleet.repository.acceptance import read_held
from edgewright.fleet.repository.folder import Fleet, open_fleet, read_published
from edgewright.fleet.repository.key_rotation import create, publish
from edgewright.fleet.repository.metadata import listed
from edgewright.fleet.repository.publication import Contents
from edgewright.fleet.server import device_access, reports
from edgewright.fleet.server.control_plane import Limits, Plane, open_plane
from edgewright.fleet.server.database.postgres import alone
from edgewright.fleet.server.database.tables import devices, rollouts, tokens
from edgewright.fleet.server.endpoint import RefusedError
from edgewright.fleet.server.http_server import start_parts
from edgewright.fleet.server.rollouts import offered
from edgewright.fleet.simulator.behaviour import GOOD, Behaviour
from edgewright.fleet.simulator.device import Device, Verifier
from edgewright.fleet.simulator.fault import known_faults
from edgewright.fleet.simulator.network import EventQueue, SeededRandom
from edgewright.fleet.simulator.served_fleet import as_on_a_device

SETTINGS = "practice.json"
"""File of a fleet's folder that makes it one to practise with."""
MOST_DEVICES = 500
FAULTS = ("slow-model", "bad-model", "hangs")
"""Faults that show within seconds."""
_BATCHES, _TAGS = 10, ("north", "south", "harbour")
_REPORT_S, _POLL_S, _ROUND_S = 3.0, 1.0, 0.25


class PracticeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`practice.json`.

    Attributes:
        devices: number of simulated devices.
        faults: fault of a release, by its number; the others behave well.
    """

    devices: int
    faults: dict[str, str] = {}


def practice_settings(folder: Path) -> PracticeSettings | None:
    """Return what is practised in a fleet's folder; None for a fleet of real devices.

    Raises:
        InputError: the file is damaged.
    """
    try:
        return msgspec.json.decode((folder / SETTINGS).read_bytes(), type=PracticeSettings)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise SimulationSettingsError(
            "settings of a fleet to practise with", str(error), str(folder / SETTINGS)
        ) from None


def write_settings(folder: Path, settings: PracticeSettings) -> None:
    """Write the settings.

    Raises:
        InputError: too many devices, or an unknown fault.
    """
    if not 1 <= settings.devices <= MOST_DEVICES:
        raise SimulationSettingsError(f"1 to {MOST_DEVICES} simulated devices", f"{settings.devices}", "devices")
    for name in settings.faults.values():
        if name not in FAULTS:
            raise SimulationSettingsError(f"a fault to practise with: {', '.join(FAULTS)}", repr(name), "fault")
    write_atomic(folder / SETTINGS, msgspec.json.format(msgspec.json.encode(settings)))


def create_practice(folder: Path, name: str, product: str, count: int) -> Fleet:
    """Create a fleet to practise with, whose devices come with a first release of made-up bytes.

    Raises:
        InputError: the folder is not empty, or the number of devices is out of range.
    """
    if not 1 <= count <= MOST_DEVICES:
        raise SimulationSettingsError(f"1 to {MOST_DEVICES} simulated devices", f"{count}", "devices")
    fleet = create(folder, name, product)
    publish(fleet.folder, Contents("first release of the simulated devices", b"simulated package. " * 64))
    write_settings(fleet.folder, PracticeSettings(devices=count))
    return fleet


def practise(folder: Path, ready: Callable[[int], None], ended: Event) -> None:
    """Serve a fleet to its simulated devices until `ended` is set; `ready` is called with their number.

    Raises:
        InputError: no fleet to practise with, or another process serves it.
    """
    settings = practice_settings(folder)
    if settings is None:
        do = "Create one: edgewright fleet practice DIR --new 60"
        raise SimulationSettingsError(
            "the folder of a fleet to practise with", "a fleet of real devices, or none", str(folder), do
        )
    fleet = open_fleet(folder)
    with alone(fleet.folder):
        plane = open_plane(fleet.folder, limits=Limits(wait=_REPORT_S))
        try:
            stop = start_parts(plane)
            try:
                practice = _Practice(fleet, plane, settings.devices)
                ready(settings.devices)
                while not ended.wait(_ROUND_S):
                    practice.step()
            finally:
                plane.stopping = True
                stop()
        finally:
            plane.close()


class _Server:
    """The fleet's files and control plane as the devices reach them, without a network."""

    def __init__(self, plane: Plane, old: Release) -> None:
        self._plane, self.old = plane, old
        self._contents: dict[str, bytes] = {}

    def content(self, path: str) -> bytes:
        """Return the bytes of a served file; targets never change."""
        if path not in self._contents:
            self._contents[path] = (self._plane.public / path.lstrip("/")).read_bytes()
        return self._contents[path]

    def intent(self, device: str, intent: Intent) -> Allowed:
        """Return whether a device may activate."""
        now = self._plane.clock.wall()
        try:
            return self._plane.committer.submit(lambda c: offered.ask(c, device, intent, now)).result()
        except RefusedError as error:
            raise as_on_a_device(error) from None

    def report(self, device: str, report: Report) -> Acknowledged:
        """Accept a report."""
        plane = self._plane
        received = reports.arrived(
            device, report, hashlib.sha256(msgspec.json.encode(report)).hexdigest(), at=plane.clock.wall(),
            nonce=plane.random(16).hex(), wait=plane.limits.wait,
        )  # fmt: skip
        try:
            answer = bytes(plane.committer.submit_to(reports.take, received).result())
        except RefusedError as error:
            raise as_on_a_device(error) from None
        return msgspec.json.decode(answer, type=Acknowledged)


class _Seen(NamedTuple):
    device: int
    counter: int


class _Practice:
    """The devices and their time, which is that of the clock on the wall."""

    def __init__(self, fleet: Fleet, plane: Plane, count: int) -> None:
        self._fleet, self._plane = fleet, plane
        self._events = EventQueue(time.time())
        self._faults, self._behaviours = known_faults(), dict[_Seen, Behaviour]()
        product = fleet.settings.products[0]
        root = read_published(fleet)[ROOT]
        # Nobody else serves the folder now: the others are of practices that ended.
        shutil.rmtree(fleet.folder / "practice", ignore_errors=True)
        folder = fleet.folder / "practice" / secrets.token_hex(8)
        folder.mkdir(parents=True)
        self._verifier = Verifier(folder, plane.public, (root, hashlib.sha256(root).hexdigest()))
        server = _Server(plane, self._newest(product))
        config = DeviceConfig(
            product=product, profile="simulated", version="simulated", poll=_POLL_S, slowest=10.0, look=1.0, keep=600.0
        )
        seed = secrets.randbits(62)
        self.devices = [
            Device(
                number, self._events, server, self._verifier, SeededRandom(seed, f"device {number}"), self._behaviour,
                lambda device, outcome: None, lambda device, report: None, config=config,
            )
            for number in range(count)
        ]  # fmt: skip
        self._enrol(product)
        self._published = b""
        self.step()
        for device in self.devices:
            device.boot()
            device.wake(_POLL_S)

    def step(self) -> None:
        """Let the devices do what was due since the last step."""
        now = (self._fleet.metadata / "timestamp.json").read_bytes()
        if now != self._published:
            self._published = now
            self._verifier.published(time.time())
            for device in self.devices:
                if not device.off and device.agent is not None:
                    device.wake(_POLL_S)
        self._events.run(time.time())

    def _newest(self, product: str) -> Release:
        """Return the release of the product's last finished rollout, else its first one."""
        published = {entry.release.counter: entry.release for entry in listed(read_held(self._fleet))
                     if entry.release.product == product}  # fmt: skip
        finished = sa.select(sa.func.max(rollouts.c.counter)).where(
            rollouts.c.product == product, rollouts.c.state == "finished"
        )
        with self._plane.database.reading() as connection:
            counter = connection.execute(finished).scalar_one()
        return published[counter or min(published)]

    def _behaviour(self, device: Device, release: Release) -> Behaviour:
        seen = _Seen(device.number, release.counter)
        if seen not in self._behaviours:
            settings = practice_settings(self._fleet.folder)
            name = settings.faults.get(str(release.counter)) if settings else None
            self._behaviours[seen] = self._faults[name].behaviour(device) if name in FAULTS else GOOD
        return self._behaviours[seen]

    def _enrol(self, product: str) -> None:
        """Enrol the devices; those of an earlier practice, which nobody runs any more, are retired."""
        now, plane = time.time(), self._plane

        def work(connection: sa.Connection) -> None:
            old = sa.select(devices.c.id).where(devices.c.product == product, devices.c.status == "active")
            for name in list(connection.execute(old).scalars()):
                device_access.retire(connection, name, "an earlier practice ended", now)
            marks = [secrets.token_urlsafe(24) for _ in range(_BATCHES)]
            for number, mark in enumerate(marks):
                tags = (_TAGS[number % len(_TAGS)],)
                row = {
                    "hash": device_access.hashed(mark), "product": product, "tags": tags,
                    "batch": f"lot-{number + 1}", "uses": MOST_DEVICES, "made_at": now, "made_by": "practice",
                    "expires": now + 60.0,
                }  # fmt: skip
                connection.execute(sa.insert(tokens).values(row))
            for device in self.devices:
                key = base64.b64encode(secrets.token_bytes(32)).decode()
                enrolment = Enrolment(
                    token=marks[device.number % _BATCHES], key=key, name=device.name, profile="simulated",
                    product=product,
                )  # fmt: skip
                answer = device_access.enrol(
                    connection, enrolment, now=now, device=secrets.token_hex(16), nonce=secrets.token_hex(16)
                )
                device.enrolled(answer)

        plane.committer.submit(work).result()
