"""`edgewright fleet key stolen`: everything that has to be done about a stolen key, in one act."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._folder import FLEET, KeyOptions
from edgewright.cli.text import when
from edgewright.schema.errors import CHECK_SAID_NO, DONE, EdgewrightError, OutputError
from edgewright.schema.fleet_folder import Settled, StolenKey, StolenResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgewright.fleet.repository.folder import Fleet

T = TypeVar("T")


class StolenReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was done about a stolen key, and what is left.

    Attributes:
        key, role, reported: of the stolen key.
        revoked: what became of its revocation; None where it was revoked before, or could not be.
        response: what the control plane did.
        confirmed: plans whose abort the offline keys have signed.
        failures: acts that could not be done, with the reason.
        remains: what is left to a person, in sentences.
        trusted: whether published metadata still names a stolen key.
    """

    key: str
    role: str
    reported: float
    revoked: Settled | None
    response: StolenResponse
    confirmed: tuple[str, ...]
    failures: tuple[str, ...]
    remains: tuple[str, ...]
    trusted: bool


@declare(example="3f9c2b71 --fleet my-fleet --keys /media/usb")
def command(
    *,
    key: str = argument(metavar="KEYID"),
    folder: Path = FLEET,
    revert: bool = option(help="Also call devices back that took the release of an aborted rollout."),
    prepare: Path | None = option(
        metavar="FILE", help="Write the revocation to FILE for others to sign (fleet key sign FILE); the rest is done."
    ),
    dry_run: bool = option(help="Print what would be done, and change nothing."),
    signing: KeyOptions,
) -> Result:
    """Respond to the theft of the key whose id begins with KEYID.

    Replaces the key; of an online key all three, since they lie on one machine. Then aborts the rollouts that the key
    may have steered, cancels enrolment tokens made until it is replaced, and prints what remains. Works with and
    without a running server. Replacing online keys needs the offline keys of root and targets up to their thresholds.
    What cannot be done is named, the rest is done, and the command exits with 1. Run it again after an interruption,
    or when the keys are at hand: it does what is missing.
    """
    from edgewright.fleet.protocol.layout import ONLINE
    from edgewright.fleet.repository import key_rotation
    from edgewright.fleet.repository.folder import locked, open_fleet
    from edgewright.fleet.repository.public_files import read_published

    fleet = open_fleet(folder)
    if dry_run:
        return _plan(fleet, key_rotation.find_stolen(fleet, key, time.time()))
    signing.phrases()  # a wrong file is a mistake in the command, before anything is done
    with locked(fleet):
        stolen = key_rotation.find_stolen(fleet, key, time.time())
    failures = list[str]()

    def attempt(act: str, work: Callable[[], T], otherwise: T) -> T:
        try:
            return work()
        except EdgewrightError as error:
            failures.append(f"{act}: {error}")
            return otherwise

    revoked = attempt("the stolen key still counts", lambda: _revoke(fleet, stolen, signing, prepare), None)
    response, confirmed, left = StolenResponse(), list[str](), list[str]()
    if stolen.role in ONLINE:
        response = attempt("the control plane", lambda: _respond(fleet, stolen, revert), response)
        failures += response.troubles
        attempt("aborts are not signed offline", lambda: _confirm(fleet, response, signing, confirmed, left), None)
    trusted = bool(key_rotation.still_trusted(read_published(fleet), stolen))
    if revoked is not None and revoked.state == "waiting" and not trusted:
        revoked = msgspec.structs.replace(revoked, state="published")
    remains = [*left, *_remains(fleet, stolen, response, signing, trusted)]
    report = StolenReport(
        key=stolen.key, role=stolen.role, reported=stolen.at, revoked=revoked, response=response,
        confirmed=tuple(confirmed), failures=tuple(failures), remains=tuple(remains), trusted=trusted,
    )  # fmt: skip
    return Result(report, _lines(report), code=CHECK_SAID_NO if trusted or failures or left else DONE)


def _revoke(fleet: Fleet, stolen: StolenKey, signing: KeyOptions, prepare: Path | None) -> Settled | None:
    """Record the theft and replace the keys; return what became of it, None where they were replaced before."""
    from edgewright.fleet.repository import changes, key_rotation
    from edgewright.fleet.repository.acceptance import read_held, settle, take_in
    from edgewright.fleet.repository.folder import locked
    from edgewright.fleet.repository.key_rotation import kept_when_done

    now, phrases = time.time(), signing.phrases()
    with locked(fleet):
        key_rotation.record_stolen(fleet, stolen)
        if not fleet.managed():
            take_in(fleet, now, fleet.ring(signing.keys, phrases))
        before = key_rotation.prepared(fleet, stolen, prepare) if prepare is not None else None
        if before is not None:
            lacking = tuple(changes.lacking(read_held(fleet), before))
            return Settled(about=before.about, state="prepared", file=str(prepare), lacking=lacking)
        change, new_keys = key_rotation.revocation(fleet, stolen, now, next(iter(phrases), None))
        if change is None:
            return None
        with kept_when_done(fleet, new_keys):
            return settle(fleet, change, fleet.ring(signing.keys, phrases), now, prepare)


def _respond(fleet: Fleet, stolen: StolenKey, revert: bool) -> StolenResponse:
    from sqlalchemy.exc import SQLAlchemyError

    from edgewright.core.request_origin import account
    from edgewright.fleet.repository.folder import ADDRESS, DATABASE
    from edgewright.fleet.server.stolen_key_response import respond

    if not any((fleet.folder / name).exists() for name in (DATABASE, ADDRESS)):
        return StolenResponse()
    who = f"local:{account(str(os.getuid()))}"[:64]
    try:
        return respond(fleet, stolen, who, revert=revert)
    except SQLAlchemyError as error:
        raise OutputError("a database that can be written", str(error), str(fleet.folder)) from None


def _confirm(
    fleet: Fleet, response: StolenResponse, signing: KeyOptions, confirmed: list[str], left: list[str]
) -> None:  # fmt: skip
    """Sign the aborts with the offline keys; add the plans, and what is left to sign."""
    from edgewright.fleet.repository import releases
    from edgewright.fleet.repository.acceptance import read_held, settle, writing
    from edgewright.fleet.repository.publication import prepare_abort

    now = time.time()
    ring = signing.ring(fleet)
    with writing(fleet, now, ring):
        for one in response.rollouts:
            if one.plan not in releases.aborted(read_held(fleet))[1]:
                try:
                    settle(fleet, prepare_abort(fleet, one.plan, now), ring, now)
                except EdgewrightError as error:
                    left.append(f"sign the abort offline: edgewright fleet rollout confirm {one.plan} ({error})")
                    continue
            confirmed.append(one.plan)


def _plan(fleet: Fleet, stolen: StolenKey) -> Result:
    """Return what would be done."""
    from edgewright.core.read_only_database import read_unchanged
    from edgewright.fleet.protocol.layout import ONLINE
    from edgewright.fleet.repository.folder import DATABASE
    from edgewright.fleet.repository.key_rotation import still_trusted
    from edgewright.fleet.repository.public_files import read_published
    from edgewright.fleet.server.database.engine import open_to_read
    from edgewright.fleet.server.stolen_key_response import exposures, tokens_before

    def exposed() -> StolenResponse:
        database = open_to_read(fleet.folder) if stolen.role in ONLINE else None
        if database is None:
            return StolenResponse()
        with closing(database), database.reading() as connection:
            return StolenResponse(
                rollouts=exposures(fleet, connection, stolen), tokens=tokens_before(fleet, connection, stolen)
            )

    response = read_unchanged(fleet.folder / DATABASE, exposed)
    trusted = still_trusted(read_published(fleet), stolen)
    lines = [f"would replace the key {', '.join(key[:16] for key in keys)} of {role}" for role, keys in trusted.items()]
    lines += [
        f"would abort {rollout.plan}, now {rollout.state}, which {rollout.count} devices were allowed to follow"
        for rollout in response.rollouts
    ]
    lines.append(f"would cancel {response.tokens} enrolment tokens; nothing was changed")
    return Result({"key": stolen.key, "role": stolen.role, "would_revoke": trusted, "response": response}, lines)


def _remains(
    fleet: Fleet, stolen: StolenKey, response: StolenResponse, signing: KeyOptions, trusted: bool
) -> list[str]:
    """Return what is left to a person."""
    from edgewright.fleet.protocol.layout import ONLINE, RELEASES
    from edgewright.fleet.repository import offline
    from edgewright.fleet.repository.acceptance import read_held

    ring = signing.ring(fleet)
    lines = [f"delete the old key: {file}" for key in stolen.keys if (file := ring.file(key)) is not None]
    if stolen.role not in ONLINE:
        threshold = offline.role_of(read_held(fleet), stolen.role).threshold
        if threshold > 1:
            lines.append(f"{stolen.role} needs {threshold} signatures: with one key a thief could sign nothing")
        elif stolen.role == RELEASES:
            lines.append(
                "one key of releases is enough to publish: look through edgewright fleet releases and the plans"
            )
        else:
            lines.append(f"one key of {stolen.role} is enough: check every key of edgewright fleet key list")
        return lines
    for one in response.rollouts:
        if one.count:
            back = "" if one.reverted or not one.revertible else "; to call them back, run this command with --revert"
            names = ", ".join(one.devices) + (", ..." if one.count > len(one.devices) else "")
            lines.append(
                f"check devices that were allowed release {one.counter} of {one.product} under {one.plan} from "
                f"{when(one.first)} to {when(one.last)} UTC: {one.count} ({names}){back}"
            )
    lines += [
        "run this command again until the stolen key counts no longer: it also ends what begins until then"
        if trusted
        else "start aborted rollouts again as new releases, and make new enrolment tokens",
        "the thief was on the machine of the control plane: revoke operators' tokens that lay there "
        "(edgewright fleet operator list), and look for what else was changed",
        "a device that has not polled since still follows the old keys, within the plans that were signed offline",
    ]
    return lines


def _lines(report: StolenReport) -> Iterator[str]:
    if report.revoked is not None:
        yield f"{report.revoked.about}: {report.revoked.state}"
        for line in report.revoked.lacking:
            yield f"  {line}; others sign it: edgewright fleet key sign {report.revoked.file}"
    elif not report.trusted:
        yield "the key was revoked before"
    for rollout in report.response.rollouts:
        confirmed = ", signed offline" if rollout.plan in report.confirmed else ""
        reverted = ", devices are called back" if rollout.reverted else ""
        yield f"rollout {rollout.plan}: {rollout.state}{reverted}{confirmed}"
    yield f"enrolment tokens cancelled: {report.response.tokens}"
    yield from (f"FAILED: {line}; run this command again" for line in report.failures)
    yield from ("what remains:", *(f"  - {line}" for line in report.remains))
