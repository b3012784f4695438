"""`edgewright fleet device deploy`: one release to one device, by a signed plan that lists it."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions, part
from edgewright.cli.commands.fleet._folder import KeyOptions
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.fleet.repository.folder import Fleet
    from edgewright.schema.fleet_api import DeviceSeen
    from edgewright.schema.fleet_plan import Plan, Release


@declare(example="pump-017 pump:7 --fleet my-fleet --keys /media/usb")
def command(
    *,
    device: str = argument(metavar="NAME"),
    subject: str = argument(metavar="PACKAGE|RELEASE"),
    days: float = option(type=click.FloatRange(0.01, 90.0), default=7.0, help="Days until the plan expires."),
    api: ApiOptions,
    signing: KeyOptions,
) -> Result:
    """Roll out one release to one device.

    PACKAGE is a .edge file or a run folder: it is published first, under the next number. RELEASE is a published one,
    such as pump:7 or latest. The plan lists the device, so no server can send the release to another one. It goes on
    beside the rollout of a product, and the device keeps its trial and its rollback. Signing needs the fleet's folder
    and its offline keys; with --url the plan starts on the server that serves this folder.
    """
    from edgewright.cli.commands.fleet.devices import device_id
    from edgewright.cli.commands.fleet.rollout._output import PATH, rollout_lines
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.publication import publish_plan
    from edgewright.schema.fleet_api import DeviceHistory
    from edgewright.schema.fleet_watch import RolloutSeen, StartRollout

    fleet = open_fleet(api.fleet)
    with api.connect() as client:
        target = client.ask(DeviceHistory, "GET", f"/v1/fleet/devices/{part(device_id(client, device))}?limit=1").device
        if target.quarantined:
            raise InputError("a device that the control plane answers", f"one that is {target.phase}", device)
        release, back = _release(fleet, subject, target, signing)
        plan = _plan(target, release, back, days)
        publish_plan(fleet.folder, plan, keys=signing.keys, passphrases=signing.phrases())
        seen = client.ask(RolloutSeen, "POST", PATH, StartRollout(plan=plan.id))
    head = f"release {release.counter} goes to {target.name} alone, until {days:g} d from now"
    return Result(seen, [head, *rollout_lines(seen)], compact=True)


def _release(fleet: Fleet, subject: str, device: DeviceSeen, signing: KeyOptions) -> tuple[Release, Release | None]:
    """Return the release that is meant and its way back; a package is published first.

    Raises:
        InputError: no such release, one of another product, or one that the device would not take.
    """
    from edgewright.fleet.repository import releases
    from edgewright.fleet.repository.acceptance import read_held

    if Path(subject).exists():
        _publish(fleet, subject, device.product, signing)
        subject = "latest"
    product, _, counter = subject.rpartition(":")
    if counter != "latest" and not counter.isdigit():
        raise InputError("a package, or a release such as pump:7 or latest", repr(subject), "deploy")
    if product not in ("", device.product):
        raise InputError(f"a release of {device.product}, which {device.name} follows", repr(subject), "deploy")
    metadata_files = read_held(fleet)
    number = None if counter == "latest" else int(counter)
    release = releases.find(metadata_files, fleet.product(device.product), number).release
    if release.counter <= max(device.counter, device.floor):
        raise InputError(
            f"a release above {max(device.counter, device.floor)}, which {device.name} runs or had confirmed",
            str(release.counter), "deploy", "Give the package instead: it is published under the next number",
        )  # fmt: skip
    return release, releases.revert_of(metadata_files, release)


def _publish(fleet: Fleet, package: str, product: str, signing: KeyOptions) -> None:
    from edgewright.core.predictor import package_path
    from edgewright.fleet.repository.acceptance import settle, writing
    from edgewright.fleet.repository.publication import prepare_release

    now, ring = time.time(), signing.ring(fleet)
    with writing(fleet, now, ring):
        change, _ = prepare_release(fleet, package_path(package), now, product=product)
        settle(fleet, change, ring, now)


def _plan(device: DeviceSeen, release: Release, back: Release | None, days: float) -> Plan:
    """Return the plan: one stage, for this device alone."""
    from edgewright.fleet.protocol.plans import parser
    from edgewright.fleet.protocol.plans.detection import dwell_for
    from edgewright.fleet.protocol.plans.options import DEFAULT_SILENCE, PlanOptions, make_plan
    from edgewright.fleet.protocol.plans.validation import check
    from edgewright.schema.fleet_plan import Gate, Stage

    salt = secrets.token_hex(32)
    cohort = parser.cohort([f"device={device.id}"], salt)
    assert cohort is not None  # noqa: S101 - a condition was given
    options = PlanOptions(
        stages=(Stage(name="device", percent=100.0, cohorts=(parser.CHOSEN,), dwell=dwell_for(0.0, DEFAULT_SILENCE)),),
        gates=(Gate(measure="failed", limit=0.3, quorum=1),), cohorts={parser.CHOSEN: cohort}, days=days,
        note=f"to {device.name} alone",
    )  # fmt: skip
    name = f"deploy-{release.product[:30]}-{release.counter}-{secrets.token_hex(3)}"
    plan = make_plan(options, release, back, name=name, salt=salt, now=time.time())
    check(plan)
    return plan
