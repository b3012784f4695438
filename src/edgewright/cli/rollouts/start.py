"""`edgewright fleet rollout start`: sign a plan offline and begin."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.fleet._api_options import ApiOptions, part, print_json
from edgewright.cli.fleet._folder import KEYS, PASSPHRASES, passphrases
from edgewright.cli.options import declare, option
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.fleet.protocol.plans.parser import PlanOptions
    from edgewright.fleet.server.api.client import ApiClient
    from edgewright.schema.fleet_plan import Plan, Release

_USUAL_STAGES = "canary:1%,10%,50%,100%"


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """Options of the command."""

    which: str = option(
        "--release", default="latest", metavar="PRODUCT:COUNTER",
        help="Release, such as pump:7, pump:latest or latest.",
    )  # fmt: skip
    file: Path | None = option(
        "--plan", metavar="FILE", help="Stages, gates, cohorts, windows and trial as TOML; options override it."
    )
    name: str | None = option("--id", metavar="ID", help="Name of the plan; derived from the release by default.")
    stages: str | None = option(metavar="TEXT", help="Stages as name, percent, time: canary:1%,10%,50%@6h,100%.")
    dwell: str = option(default="1h", help="Shortest duration of a stage.")
    open_ones: tuple[str, ...] = option(
        "--open", metavar="STAGE", help="Stage in which devices activate without asking; may be repeated."
    )
    gates: tuple[str, ...] = option(
        "--gate", metavar="TEXT",
        help="Condition such as alarms<=5, failed<=30% or latency<=x2 (relative to devices with the old release).",
    )  # fmt: skip
    quorum: int = option(type=click.IntRange(1), default=5, help="Devices that a gate needs before it decides.")
    cohorts: tuple[str, ...] = option(
        "--cohort", metavar="TEXT",
        help="Only devices with tag=A,B, profile=P, counter=3-5 or device=ID; all conditions must hold.",
    )  # fmt: skip
    windows: tuple[str, ...] = option(
        "--window", metavar="TEXT", help="When devices may activate, in UTC, such as 'sat,sun 02:00-05:00'."
    )
    pace: str | None = option(metavar="N/h", help="Largest number of devices that start per hour.")
    holdout: str | None = option(
        metavar="PERCENT", help="Percentage of devices that keep the old release until the last stage."
    )
    expires: float | None = option(
        metavar="DAYS", type=click.FloatRange(0.01, 90.0), help="Days until the plan expires."
    )
    sign_only: bool = option(help="Sign and publish the plan; start it later with --signed.")
    signed: str | None = option(
        metavar="ID", help="Start this plan, which is already signed: needs no keys and, with --url, no folder."
    )
    folder: Path = option(
        "--fleet", default=Path(), show_default=False, metavar="DIR",
        help="Folder of the fleet, in which the plan is signed; the current folder by default.",
    )  # fmt: skip
    url: str = option(help="Address of a remote control plane that serves this folder.")
    token_file: Path | None = option(help="File with an operator's token, for --url.")
    ca_file: Path | None = option(help="CA certificates to trust, for --url.")
    keys: tuple[Path, ...] = KEYS
    passphrase_files: tuple[Path, ...] = PASSPHRASES
    as_json: bool = option("--json", help="Print JSON.")


def _planned(options: StartOptions) -> Plan:
    """Return the plan for a release.

    Raises:
        InputError: no fleet there, no such release, or a wrong wish.
    """
    from edgewright.fleet.protocol.layout import DAY
    from edgewright.fleet.protocol.plans import parser
    from edgewright.fleet.protocol.plans.validation import check
    from edgewright.schema.fleet_plan import Plan

    release, back = _release(options.folder, options.which)
    salt, now = secrets.token_hex(32), time.time()
    plan_options = _on_top(_file(options.file), options, salt)
    stages = plan_options.stages or parser.stages(_USUAL_STAGES, parser.seconds(options.dwell, "--dwell"))
    fields = {
        field: getattr(plan_options, field)
        for field in plan_options.__struct_fields__
        if field not in ("days", "stages")
    }
    made = Plan(
        id=options.name or f"{release.product[:40]}-{release.counter}-{secrets.token_hex(3)}",
        release=release,
        revert=back,
        salt=salt,
        stages=stages,
        starts=now,
        expires=now + plan_options.days * DAY,
        enrolled=now,
        **fields,
    )
    try:
        plan = msgspec.json.decode(msgspec.json.encode(made), type=Plan)  # names and numbers are checked once more
    except msgspec.ValidationError as error:
        raise InputError("a plan", str(error), "the options") from None
    check(plan)
    return plan


def _release(folder: Path, which: str) -> tuple[Release, Release | None]:
    """Return the release that is meant, and its way back."""
    from edgewright.fleet.repository import releases
    from edgewright.fleet.repository.acceptance import read_held
    from edgewright.fleet.repository.folder import open_fleet

    fleet = open_fleet(folder)
    product, colon, counter = which.rpartition(":")
    if counter != "latest" and not counter.isdigit():
        raise InputError("a release such as pump:7, pump:latest or latest", repr(which), "--release")
    held = read_held(fleet)
    number = None if counter == "latest" else int(counter)
    release = releases.find(held, fleet.product(product if colon else None), number).release
    return release, releases.revert_of(held, release)


def _file(path: Path | None) -> PlanOptions:
    """Return the plan file; InputError where it cannot be read, or says what a plan cannot."""
    from edgewright.core.files import os_errors
    from edgewright.fleet.protocol.plans.parser import PlanOptions

    if path is None:
        return PlanOptions()
    try:
        with os_errors(InputError, "a plan file", path):
            return msgspec.toml.decode(path.read_bytes(), type=PlanOptions)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("a plan as TOML", str(error), str(path)) from None


def _on_top(plan_options: PlanOptions, options: StartOptions, salt: str) -> PlanOptions:
    """Return the file with the options on top."""
    from edgewright.fleet.protocol.plans import parser

    changed: dict[str, Any] = {}
    cohort = parser.cohort(options.cohorts, salt)
    dwell = parser.seconds(options.dwell, "--dwell")
    if options.stages:
        named = (parser.CHOSEN,) if cohort else ()
        changed["stages"] = parser.stages(options.stages, dwell, named, options.open_ones)
    elif cohort:
        stages = plan_options.stages or parser.stages(_USUAL_STAGES, dwell)
        changed["stages"] = tuple(msgspec.structs.replace(stage, cohorts=(parser.CHOSEN,)) for stage in stages)
    if cohort:
        changed["cohorts"] = {**plan_options.cohorts, parser.CHOSEN: cohort}
    if options.gates:
        changed["gates"] = tuple(parser.gate(text, options.quorum) for text in options.gates)
    elif plan_options.gates is parser.USUAL_GATES:
        changed["gates"] = tuple(msgspec.structs.replace(gate, quorum=options.quorum) for gate in plan_options.gates)
    if options.windows:
        changed["windows"] = parser.windows(options.windows)
    if options.pace:
        changed["pace"] = parser.pace(options.pace)
    if options.holdout:
        changed["holdout"] = parser.share(options.holdout, "--holdout")
    if options.expires:
        changed["days"] = options.expires
    return msgspec.structs.replace(plan_options, **changed)


@declare("start", epilog="Example: edgewright fleet rollout start --fleet my-fleet --release pump:latest "
         "--stages canary:1%,10%,50%,100% --dwell 1h --gate 'failed<=30%' --gate 'latency<=x2'")  # fmt: skip
def command(options: StartOptions) -> None:
    """Sign the plan of a release with the offline keys, and start its first stage.

    The plan limits what the rollout can do: the control plane only advances, pauses and aborts it. A stage ends when
    its time is over and every gate passes; a gate that fails with certainty halts the rollout and sends devices back. A
    plan cannot change: abort it and start another.

    Signing needs the fleet's folder and its offline keys. Without them, use --url and --signed to start a plan that was
    signed elsewhere.
    """
    folder, name, plan = options.folder, options.signed, None
    if name is None:
        plan = _sign(options)
        name = plan.id
    elif options.sign_only or options.file is not None or options.name is not None or options.which != "latest":
        raise click.UsageError("--signed starts a plan exactly as signed; omit options that change it")
    if options.sign_only:
        click.echo(f"signed {name}; start it: edgewright fleet rollout start --signed {name} --fleet {folder}")
        return
    api = ApiOptions(fleet=folder, url=options.url, token_file=options.token_file, ca_file=options.ca_file)
    with api.connect() as client:
        _begin(client, name, plan, options.as_json)
    if plan is not None and not options.as_json:
        click.echo(f"watch it: edgewright fleet rollout status {part(name)} --fleet {folder}")


def _sign(options: StartOptions) -> Plan:
    """Return the plan, signed and handed over."""
    from edgewright.fleet.repository.folder import SETTINGS
    from edgewright.fleet.repository.publication import publish_plan

    folder, url = options.folder, options.url
    if url and not (folder / SETTINGS).is_file():
        raise InputError(
            "the folder of the fleet, which has the offline keys to sign a plan", f"--url {url} alone", str(folder),
            "Set it with --fleet; or sign the plan on that machine (--sign-only) and start it with --signed ID",
        )  # fmt: skip
    plan = _planned(options)
    publish_plan(folder, plan, keys=options.keys, passphrases=passphrases(options.passphrase_files))
    return plan


def _begin(client: ApiClient, name: str, plan: Plan | None, as_json: bool) -> None:
    """Ask for the first stage, and tells where the rollout stands."""
    from edgewright.cli.rollouts._output import PATH, say
    from edgewright.schema.fleet_api import Overview
    from edgewright.schema.fleet_watch import RolloutSeen, StartRollout

    seen = client.ask(RolloutSeen, "POST", PATH, StartRollout(plan=name))
    if plan is not None:
        counters = client.ask(Overview, "GET", "/v1/fleet/overview").counters.get(seen.product, {})
        _warn(plan, sum(counters.values()))
    if as_json:
        print_json(seen)
    else:
        say(seen)


def _warn(plan: Plan, devices: int) -> None:
    """Say on standard error where a gate will wait for more devices than the first stage can have."""
    stage = plan.stages[0]
    within, quorum = devices * stage.percent / 100.0, max((gate.quorum for gate in plan.gates), default=0)
    if within < quorum:
        click.echo(
            f"note: stage {stage.name!r} has about {within:.3g} of {devices} devices and its gates need {quorum}: it "
            "waits for more devices; for a small fleet start with a larger share, or set --quorum",
            err=True,
        )
