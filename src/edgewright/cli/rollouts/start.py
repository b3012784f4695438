"""`edgewright fleet rollout start`: sign a plan offline and begin."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.fleet._api_options import ApiOptions, part, print_json
from edgewright.cli.fleet._folder import keys_options, passphrases
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.fleet.protocol.plans.parser import PlanOptions
    from edgewright.fleet.server.api.client import ApiClient
    from edgewright.schema.fleet_plan import Plan, Release


def planned(folder: Path, which: str, name: str | None, file: Path | None, options: dict[str, Any]) -> Plan:
    """Return the plan for a release.

    Args:
        folder: of the fleet.
        which: release, such as 'pump:7', 'pump:latest' or 'latest'.
        name: of the plan; made from the release where None.
        file: with stages and the like as TOML.
        options: of the command, which come on top.

    Raises:
        InputError: no fleet there, no such release, or a wrong wish.
    """
    from edgewright.fleet.protocol.plans.validation import check

    release, back = _release(folder, which)
    plan = _plan(release, back, name, file, options)
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


def _plan(release: Release, back: Release | None, name: str | None, file: Path | None, options: dict[str, Any]) -> Plan:
    """Return the plan that the file and the options describe."""
    from edgewright.fleet.protocol.layout import DAY
    from edgewright.fleet.protocol.plans import parser
    from edgewright.schema.fleet_plan import Plan

    salt, now = secrets.token_hex(32), time.time()
    said = _options(_file(file), options, salt)
    stages = said.stages or parser.stages("canary:1%,10%,50%,100%", parser.seconds(options["dwell"], "--dwell"))
    fields = {field: getattr(said, field) for field in said.__struct_fields__ if field not in ("days", "stages")}
    made = Plan(
        id=name or f"{release.product[:40]}-{release.counter}-{secrets.token_hex(3)}", release=release, revert=back,
        salt=salt, stages=stages, starts=now, expires=now + said.days * DAY, enrolled=now, **fields,
    )  # fmt: skip
    try:
        return msgspec.json.decode(msgspec.json.encode(made), type=Plan)  # names and numbers are checked once more
    except msgspec.ValidationError as error:
        raise InputError("a plan", str(error), "the options") from None


def _file(path: Path | None) -> PlanOptions:
    """Return the plan file; InputError where it cannot be read, or says what a plan cannot."""
    from edgewright.fleet.protocol.plans.parser import PlanOptions

    if path is None:
        return PlanOptions()
    try:
        return msgspec.toml.decode(path.read_bytes(), type=PlanOptions)
    except OSError as error:
        raise InputError("a plan file", error.strerror or str(error), str(path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("a plan as TOML", str(error), str(path)) from None


def _options(said: PlanOptions, options: dict[str, Any], salt: str) -> PlanOptions:
    """Return the file with the options on top."""
    from edgewright.fleet.protocol.plans import parser

    changed: dict[str, Any] = {}
    cohort = parser.cohort(options["cohorts"], salt)
    dwell = parser.seconds(options["dwell"], "--dwell")
    if options["stages"]:
        named = (parser.CHOSEN,) if cohort else ()
        changed["stages"] = parser.stages(options["stages"], dwell, named, options["open_ones"])
    elif cohort:
        stages = said.stages or parser.stages("canary:1%,10%,50%,100%", dwell)
        changed["stages"] = tuple(msgspec.structs.replace(stage, cohorts=(parser.CHOSEN,)) for stage in stages)
    if cohort:
        changed["cohorts"] = {**said.cohorts, parser.CHOSEN: cohort}
    if options["gates"]:
        changed["gates"] = tuple(parser.gate(text, options["quorum"]) for text in options["gates"])
    elif said.gates is parser.USUAL_GATES:
        changed["gates"] = tuple(msgspec.structs.replace(gate, quorum=options["quorum"]) for gate in said.gates)
    if options["windows"]:
        changed["windows"] = parser.windows(options["windows"])
    if options["pace"]:
        changed["pace"] = parser.pace(options["pace"])
    if options["holdout"]:
        changed["holdout"] = parser.share(options["holdout"], "--holdout")
    if options["expires"]:
        changed["days"] = options["expires"]
    return msgspec.structs.replace(said, **changed)


_FILE = click.Path(path_type=Path)


@click.command("start", epilog="Example: edgewright fleet rollout start --fleet my-fleet --release pump:latest "
               "--stages canary:1%,10%,50%,100% --dwell 1h --gate 'failed<=30%' --gate 'latency<=x2'")  # fmt: skip
@click.option("--release", "which", default="latest", show_default=True, metavar="PRODUCT:COUNTER",
              help="Release, such as pump:7, pump:latest or latest.")  # fmt: skip
@click.option("--plan", "file", type=_FILE, metavar="FILE",
              help="Stages, gates, cohorts, windows and trial as TOML; options come on top.")  # fmt: skip
@click.option("--id", "name", metavar="ID", help="Name of the plan; made from the release when left out.")
@click.option("--stages", metavar="TEXT", help="Such as canary:1%,10%,50%@6h,100%: name, percent, time.")
@click.option("--dwell", default="1h", show_default=True, help="Time that a stage lasts at least.")
@click.option("--open", "open_ones", multiple=True, metavar="STAGE",
              help="Stage in which devices activate without asking; may be given again.")  # fmt: skip
@click.option("--gate", "gates", multiple=True, metavar="TEXT",
              help="Such as alarms<=5, failed<=30% or latency<=x2 (against devices with the old release).")  # fmt: skip
@click.option("--quorum", type=click.IntRange(1), default=5, show_default=True, help="Devices a gate needs.")
@click.option("--cohort", "cohorts", multiple=True, metavar="TEXT",
              help="Only devices with tag=A,B, profile=P, counter=3-5 or device=ID; all that are given.")  # fmt: skip
@click.option("--window", "windows", multiple=True, metavar="TEXT",
              help="When devices may activate, in UTC, such as 'sat,sun 02:00-05:00'.")  # fmt: skip
@click.option("--pace", metavar="N/h", help="Devices an hour that may begin.")
@click.option("--holdout", metavar="PERCENT", help="Devices that keep the old release until the last stage.")
@click.option("--expires", metavar="DAYS", type=click.FloatRange(0.01, 90.0), help="Days for which the plan holds.")
@click.option("--sign-only", is_flag=True,
              help="Sign and publish the plan, and begin it later with --signed.")  # fmt: skip
@click.option("--signed", metavar="ID",
              help="Begin this plan, which is signed already: needs no keys and, with --url, no folder.")  # fmt: skip
@click.option("--fleet", "folder", type=_FILE, default=Path(), metavar="DIR",
              help="Folder of the fleet, in which the plan is signed; the current one when left out.")  # fmt: skip
@click.option("--url", default="", help="Address of a control plane that serves this folder elsewhere.")
@click.option("--token-file", type=_FILE, help="File with an operator's token, for --url.")
@click.option("--ca-file", type=_FILE, help="Certificates to trust, for --url.")
@keys_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    which: str, file: Path | None, name: str | None, sign_only: bool, signed: str | None, folder: Path, url: str,
    token_file: Path | None, ca_file: Path | None, keys: tuple[Path, ...], passphrase_files: tuple[Path, ...],
    as_json: bool, **options: Any,  # noqa: ANN401 - what `planned` reads
) -> None:  # fmt: skip
    """Sign a plan for a release with the offline keys, and begin its first stage.

    The plan is the most that the rollout may ever do: the control plane picks a stage of it, pauses and aborts. Stages
    go on by themselves when their time is over and every gate passes; a gate that surely fails halts the rollout and
    calls devices back. A plan never changes: to change one, abort it and start another.

    Signing needs the fleet's folder and its offline keys. Whoever has neither begins, with --url and --signed, a plan
    that was signed where they are.
    """
    if signed is not None:
        if sign_only or file is not None or name is not None or which != "latest":
            raise click.UsageError("--signed begins a plan as it was signed: leave out what makes another one")
        with ApiOptions(folder, url, token_file, ca_file).connect() as client:
            _begin(client, signed, None, as_json)
        return
    plan = _sign(folder, url, which, name, file, options, keys, passphrase_files)
    if sign_only:
        click.echo(f"signed {plan.id}; begin it: edgewright fleet rollout start --signed {plan.id} --fleet {folder}")
        return
    with ApiOptions(folder, url, token_file, ca_file).connect() as client:
        _begin(client, plan.id, plan, as_json)
    if not as_json:
        click.echo(f"watch it: edgewright fleet rollout status {part(plan.id)} --fleet {folder}")


def _sign(
    folder: Path, url: str, which: str, name: str | None, file: Path | None, options: dict[str, Any],
    keys: tuple[Path, ...], passphrase_files: tuple[Path, ...],
) -> Plan:  # fmt: skip
    """Return the plan, signed and handed over."""
    pass
    from edgewright.fleet.repository.folder import SETTINGS
    from edgewright.fleet.repository.publication import publish_plan

    if url and not (folder / SETTINGS).is_file():
        raise InputError(
            "the folder of the fleet, since a plan is signed with its offline keys", f"--url {url} alone", str(folder),
            "Name it with --fleet; or let the plan be signed where it lies (--sign-only), and begin it: --signed ID",
        )  # fmt: skip
    plan = planned(folder, which, name, file, options)
    publish_plan(folder, plan, keys=keys, passphrases=passphrases(passphrase_files))
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
            "holds until there are more; for a small fleet begin with a larger share, or give --quorum",
            err=True,
        )
