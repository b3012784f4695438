"""Block, retire, rename and tag devices, and deploy a release to one."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from edgewright.cli.command import Aside, Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions, part, seconds
from edgewright.cli.commands.fleet._folder import KeyOptions
from edgewright.cli.commands.fleet._repository import publication_lines
from edgewright.cli.commands.fleet.devices import vitals_text
from edgewright.cli.text import Cut, when
from edgewright.core.errors import DeviceUnknownError, ReleaseError
from edgewright.core.formatting import elapsed_text
from edgewright.fleet.protocol.api_records import (
    MAX_LINES,
    AskDiagnosis,
    Diagnoses,
    Diagnosis,
    DiagnosisAsked,
    DiagnosisSeen,
    LogEntry,
    StoreHealth,
)

if TYPE_CHECKING:
    from edgewright.core.records.fleet import Plan, Release
    from edgewright.fleet.protocol.api_records import DeviceSeen
    from edgewright.fleet.repository.folder import Fleet

EXAMPLE = "retire pump-017 --reason 'stolen' --fleet my-fleet"


T = TypeVar("T")


def change(api: ApiOptions, name: str, act: str, kind: type[T], record: object) -> T:
    """Send one change of a device.

    Args:
        api: the control plane.
        name: of the device: its id or its whole name.
        act: last part of the path, such as 'block'.
        kind: type of the answer.
        record: body of the request.

    Raises:
        InputError: no such device, or several.
        CheckFailedError: it does not fit what holds now.
    """
    from edgewright.cli.commands.fleet.devices import device_id

    with api.connect() as client:
        return client.ask(kind, "POST", f"/v1/fleet/devices/{part(device_id(client, name))}/{act}", record)


def command_with_reason(act: str, about: str, done: str) -> click.Command:
    """Return the command of an act that only needs a reason.

    Args:
        act: its name, and the last part of the path.
        about: its help.
        done: printed afterwards, after the device's name.
    """

    @declare(name=act, help=about, epilog=f"Example: edgewright fleet device {act} pump-017 --reason 'sent for repair'")
    def command(
        *,
        device: str = argument(metavar="NAME"),
        reason: str = option(required=True, help="Reason, for the audit log and the device."),
        api: ApiOptions,
    ) -> Result:
        from edgewright.fleet.protocol.api_records import Done

        return Result(change(api, device, act, Done, {"reason": reason}), [f"{device} {done}"])

    return command


_EVERY = 1.0


@dataclass(frozen=True, kw_only=True)
class DiagnosisOptions:
    """How to ask, and how long to wait."""

    lines: int = option(type=click.IntRange(0, MAX_LINES), default=100, help="Number of log lines.")
    reason: str = option(help="Reason, for the audit log.")
    wait: str = option(
        default="60s", metavar="TIME", help="Longest time to wait, if the device reports within it; for example 20m."
    )
    stored: bool = option("--stored", help="Show the newest answer of the device instead of asking it.")


def fetch(api: ApiOptions, name: str, options: DiagnosisOptions, lines: Callable[[Diagnosis], list[str]]) -> Result:
    """Return a device's answer as these lines; where it comes later, what was asked.

    Raises:
        InputError: no such device, or no stored answer.
    """
    from edgewright.cli.commands.fleet.devices import device_id

    limit = seconds(options.wait, "--wait")
    with api.connect() as client:
        path = f"/v1/fleet/devices/{part(device_id(client, name))}/diagnoses"
        if options.stored:
            answer = _newest(client.ask(Diagnoses, "GET", path))
            if answer is None:
                raise DeviceUnknownError(
                    "a device that was diagnosed", "one without an answer", name, "Ask it without --stored"
                )
        else:
            request = AskDiagnosis(lines=options.lines, reason=options.reason)
            requested, answer = client.ask(DiagnosisAsked, "POST", path, request), None
            until = time.monotonic() + limit
            while requested.expected is not None and requested.expected <= limit and time.monotonic() < until:
                time.sleep(_EVERY)
                answer = _newest(client.ask(Diagnoses, "GET", path), requested.id)
                if answer is not None:
                    break
            if answer is None:
                return Result(requested, [Aside(_later(name, requested))], compact=True)
    diagnosis = msgspec.convert(answer.diagnosis, type=Diagnosis, strict=False)
    return Result(answer, map(Cut, lines(diagnosis)), compact=True)


def _newest(answered: Diagnoses, name: str = "") -> DiagnosisSeen | None:
    return next((one for one in answered.diagnoses if one.diagnosis is not None and name in ("", one.id)), None)


def _later(name: str, requested: DiagnosisAsked) -> str:
    if requested.expected is None:
        expected = "it has never reported"
    elif requested.expected < 1.0:
        expected = "its report is overdue"
    else:
        expected = f"it is likely to report in {elapsed_text(requested.expected)}"
    return f"{name} answers with its next report: {expected}. Show the answer then with --stored"


def log_lines(of: Diagnosis) -> list[str]:
    """Return the log, oldest first."""
    head = f"log since {when(of.log_since)} UTC by the device's clock"
    if of.left_out:
        head += f"; {of.left_out} older entries did not fit"
    return [head, *(_log_line(one) for one in of.log)]


def _log_line(entry: LogEntry) -> str:
    release = f" release {entry.release}" if entry.release else ""
    times = f"  {entry.count} lines" if entry.count > 1 else ""
    return f"{when(entry.at)}  {entry.source:<5}  {entry.code or 'other'}{release}{times}"


block = command_with_reason(
    "block",
    "Block a device: the control plane refuses its reports and requests until `unblock`, and it has no vote. It keeps "
    "the release that it has. NAME is its id or its whole name.",
    "is blocked; end this with: edgewright fleet device unblock",
)

unblock = command_with_reason(
    "unblock",
    "Unblock a device that an operator blocked: its next report counts again. A quarantine ends with `fleet lift`.",
    "is active again; its next report counts",
)


@declare(example="pump-017 --reason 'stolen from site 4'")
def retire(
    *,
    device: str = argument(metavar="NAME"),
    reason: str = option(required=True, help="Reason, for the audit log and the device."),
    api: ApiOptions,
) -> Result:
    """Retire a device that was stolen or scrapped; this cannot be undone.

    The control plane refuses it from now on, and its key never enrols again, with any token. The device says so in its
    log. If the device is to return, empty its store and enrol it with a new token: it is a new device then.
    """
    from edgewright.fleet.protocol.api_records import Retired

    retired = change(api, device, "retire", Retired, {"reason": reason})
    note = Aside(
        "note: its enrolment token can still be used, also by whoever has the device; revoke it: "
        f"edgewright fleet token revoke {retired.token}"
    )
    return Result(retired, [f"{device} is retired", *([note] if retired.token else [])])


@declare(example="pump-017 pump-north-3 --fleet my-fleet")
def rename(*, device: str = argument(metavar="NAME"), new: str = argument(), api: ApiOptions) -> Result:
    """Give a device the name NEW; its id stays, and rollouts do not depend on names."""
    from edgewright.fleet.protocol.api_records import Done

    answer = change(api, device, "rename", Done, {"name": new})
    return Result(answer, [f"{device} is now {new}"])


@declare(example="pump-017 --add north --remove lab --fleet my-fleet")
def tag(
    *,
    device: str = argument(metavar="NAME"),
    add: tuple[str, ...] = option(metavar="TAG", help="Tag to add; may be repeated."),
    remove: tuple[str, ...] = option(metavar="TAG", help="Tag to remove; may be repeated."),
    api: ApiOptions,
) -> Result:
    """Add and remove tags of a device; tags group devices for cohorts and lists.

    The device learns its tags with its next report. For cohorts, they count in rollouts that start after that: a
    rollout that is under way goes on with the tags that the device had when it started.
    """
    from edgewright.fleet.protocol.api_records import Done

    if not add and not remove:
        raise click.UsageError("name a tag with --add or --remove")
    answer = change(api, device, "tags", Done, {"add": add, "remove": remove})
    return Result(answer, [f"the tags of {device} are changed; the device learns them with its next report"])


@declare(example="pump-017 --fleet my-fleet")
def retry(
    *,
    device: str = argument(metavar="NAME"),
    release: int | None = option(
        type=click.IntRange(1), help="Number of the release; by default the last one that failed there."
    ),
    api: ApiOptions,
) -> Result:
    """Let a device try a release again that failed there, such as after its disk was replaced.

    It learns this with its next report and tries the release if a rollout still offers it; otherwise use `deploy`. A
    device tries one release again three times at most. For the gates of the rollout its failure remains a failure.
    """
    from edgewright.fleet.protocol.api_records import Retried

    retried = change(api, device, "retry", Retried, {"release": release or 0})
    text = f"{device} may try release {retried.release} again, from its next report on"
    return Result(retried, [text])


@declare(example="pump-017 pump:7 --fleet my-fleet --keys /media/usb")
def deploy(
    *,
    device: str = argument(metavar="NAME"),
    subject: str = argument(metavar="PACKAGE|RELEASE"),
    settings: Path | None = option(metavar="FILE", help="Settings that PACKAGE brings: a part of a device.toml."),
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
    from edgewright.cli.commands.fleet.rollout import PATH, rollout_lines
    from edgewright.fleet.protocol.api_records import DeviceHistory
    from edgewright.fleet.protocol.rollout_records import RolloutSeen, StartRollout
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.publication import publish_plan

    fleet = open_fleet(api.fleet)
    with api.connect() as client:
        target = client.ask(DeviceHistory, "GET", f"/v1/fleet/devices/{part(device_id(client, device))}?limit=1").device
        if target.quarantined:
            raise DeviceUnknownError("a device that the control plane answers", f"one that is {target.phase}", device)
        release, back, requirements = _release(fleet, subject, settings, target, signing)
        plan = _plan(target, release, back, days)
        publish_plan(fleet.folder, plan, keys=signing.keys, passphrases=signing.phrases())
        seen = client.ask(RolloutSeen, "POST", PATH, StartRollout(plan=plan.id))
    head = f"release {release.counter} goes to {target.name} alone, until {days:g} d from now"
    return Result(seen, [*requirements, head, *rollout_lines(seen)], compact=True)


def _release(
    fleet: Fleet, subject: str, settings: Path | None, device: DeviceSeen, signing: KeyOptions
) -> tuple[Release, Release | None, list[str]]:
    """Return the release that is meant, its way back, and what to say; a package is published first.

    Raises:
        InputError: no such release, one of another product, or one that the device would not take.
    """
    from edgewright.fleet.repository import metadata
    from edgewright.fleet.repository.acceptance import read_held

    requirements: list[str] = []
    if Path(subject).exists():
        requirements = _publish(fleet, subject, settings, device.product, signing)
        subject = "latest"
    elif settings is not None:
        raise ReleaseError(
            "a package, which --settings is for", f"the release {subject!r}, which has its own", "deploy"
        )
    product, _, counter = subject.rpartition(":")
    if counter != "latest" and not counter.isdigit():
        raise ReleaseError("a package, or a release such as pump:7 or latest", repr(subject), "deploy")
    if product not in ("", device.product):
        raise DeviceUnknownError(f"a release of {device.product}, which {device.name} follows", repr(subject), "deploy")
    metadata_files = read_held(fleet)
    number = None if counter == "latest" else int(counter)
    release = metadata.find(metadata_files, fleet.product(device.product), number).release
    if release.counter <= max(device.counter, device.floor):
        raise DeviceUnknownError(
            f"a release above {max(device.counter, device.floor)}, which {device.name} runs or had confirmed",
            str(release.counter), "deploy", "Give the package instead: it is published under the next number",
        )  # fmt: skip
    return release, metadata.revert_of(metadata_files, release), requirements


def _publish(fleet: Fleet, package: str, settings: Path | None, product: str, signing: KeyOptions) -> list[str]:
    from edgewright.core.predictor import package_path
    from edgewright.fleet.repository.acceptance import settle, writing
    from edgewright.fleet.repository.publication import check_package, prepare_release, with_settings

    now, ring, path = time.time(), signing.ring(fleet), package_path(package)
    with writing(fleet, now, ring), TemporaryDirectory() as temporary:
        if settings is not None:
            path = with_settings(path, settings, Path(temporary))
        contents, line = check_package(path), fleet.product(product)
        requirements = publication_lines(fleet, contents, line)
        change, _ = prepare_release(fleet, contents, now, product=line)
        settle(fleet, change, ring, now)
    return requirements


def _plan(device: DeviceSeen, release: Release, back: Release | None, days: float) -> Plan:
    """Return the plan: one stage, for this device alone."""
    from edgewright.core.records.fleet import Gate, Stage
    from edgewright.fleet.protocol.plans import options as parser
    from edgewright.fleet.protocol.plans.detection import dwell_for
    from edgewright.fleet.protocol.plans.options import DEFAULT_SILENCE, PlanOptions, check, make_plan

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


_MIB = 1 << 20


@declare(example="pump-017 --fleet my-fleet")
def diagnose(*, device: str = argument(metavar="NAME"), options: DiagnosisOptions, api: ApiOptions) -> Result:
    """Show the health of a device: release, machine, store and log.

    The device learns of the request with its next report and answers at once, with listed fields only and without data
    rows. The server keeps the newest five answers of a device. NAME is its id or its whole name.
    """
    return fetch(api, device, options, lambda diagnosis: [*health_lines(diagnosis), "", *log_lines(diagnosis)])


def health_lines(of: Diagnosis) -> list[str]:
    """Return everything but the log."""
    machine = of.machine
    lines = [
        f"at {when(of.at)} UTC by the device's clock, Edgewright {of.version}",
        f"release {of.counter} in slot {of.active or '-'}, floor {of.floor}, {of.phase}: {of.why or '-'}",
        f"machine: {machine.system}, Python {machine.python}, up {elapsed_text(machine.uptime)}, "
        f"load {' '.join(f'{one:.2f}' for one in machine.load)} on {machine.processors} cores",
        f"memory: {machine.memory_available // _MIB:,} of {machine.memory // _MIB:,} MiB available; "
        f"agent {machine.agent_memory // _MIB} MiB",
        f"disk: {machine.disk_free // _MIB:,} of {machine.disk // _MIB:,} MiB free",
    ]
    if of.vitals is not None:
        lines.append(f"model: {vitals_text(of.vitals)}")
    if of.burned:
        lines.append(f"releases that failed here: {', '.join(map(str, of.burned))}")
    if of.quarantined:
        lines.append(f"quarantined: {of.quarantined}")
    if of.outcomes:
        lines.append(f"outcomes not reported yet: {of.outcomes}")
    return [*lines, *(_store_lines(of.store) if of.store else [f"store: cannot be read: {of.store_error}"])]


def _store_lines(of: StoreHealth) -> list[str]:
    tables = ", ".join(f"{one.entries:,} {name} ({one.bytes // 1024:,} kB)" for name, one in of.tables.items())
    waiting = sum(of.waiting.values())
    lines = [
        f"store: {of.disk_bytes // _MIB} of {of.quota // _MIB} MiB, ballast {of.ballast_bytes >> 10:,} kB, "
        f"boot {of.boot}, {of.running_days:.1f} days of running; {tables}",
        f"outbox: {waiting:,} wait, {of.waiting.get(0, 0):,} of them alarms; {sum(of.aside.values()):,} set aside",
    ]
    lines += [f"  lost: {one.items:,} items of priority {one.priority} ({one.reason})" for one in of.dropped]
    return lines


@declare(example="pump-017 --lines 50 --fleet my-fleet")
def logs(*, device: str = argument(metavar="NAME"), options: DiagnosisOptions, api: ApiOptions) -> Result:
    """Show the last log lines of a device's agent and of its model's process.

    The device learns of the request with its next report and answers at once. Lines of the model's process come without
    figures and quotations, so that no data row leaves the device. NAME is its id or its whole name.
    """
    return fetch(api, device, options, log_lines)
