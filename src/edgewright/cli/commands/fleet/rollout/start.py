"""`edgewright fleet rollout start`: sign a plan offline and begin."""

from __future__ import annotations

import itertools
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click
import msgspec

from edgewright.cli.command import Aside, Result, Stream, declare, option, wants_json
from edgewright.cli.commands.fleet._api_options import ApiOptions, part
from edgewright.cli.commands.fleet._folder import KeyOptions
from edgewright.core.errors import DONE, InputError, PlanError, ReleaseError

if TYPE_CHECKING:
    from collections.abc import Generator

    from edgewright.core.records.fleet import Cohort, Plan, Release
    from edgewright.fleet.protocol.plans.options import PlanOptions
    from edgewright.fleet.protocol.rollout_records import StageDetection


_MOST_COUNTERS = 20


class Members:
    """Counts the devices of a product.

    Args:
        api: control plane that knows them.
        product: line of packages that they follow.
    """

    def __init__(self, api: ApiOptions, product: str) -> None:
        self._api, self._product = api, product

    def count(self, cohort: Cohort | None) -> int:
        """Return how many devices a cohort has at least, all of the product without one.

        Devices may have several tags: of these, the one with the most devices counts.
        """
        if cohort is None:
            return self._total({})
        if cohort.devices:
            return len(cohort.devices)
        low, high = cohort.counters or (0, -1)
        some = range(low, min(high, low + _MOST_COUNTERS) + 1)
        counters: list[dict[str, object]] = [{"counter": number} for number in some] or [{}]
        profiles: list[dict[str, object]] = [{"profile": name} for name in cohort.profiles] or [{}]
        tags: list[dict[str, object]] = [{"tag": name} for name in cohort.tags] or [{}]
        return max(
            sum(
                self._total({**tag, **profile, **counter}) for profile, counter in itertools.product(profiles, counters)
            )
            for tag in tags
        )

    def detection(self, plan: Plan) -> tuple[StageDetection, ...]:
        """Return what each stage of a plan finds; nothing where no device is known."""
        from edgewright.fleet.protocol.plans.options import preview_of

        sizes = {name: self.count(cohort) for name, cohort in plan.cohorts.items()}
        everybody = self.count(None)
        counts = [max((sizes[name] for name in stage.cohorts), default=everybody) for stage in plan.stages]
        return preview_of(plan, counts) if any(counts) else ()

    def _total(self, query: dict[str, object]) -> int:
        from edgewright.fleet.protocol.api_records import DevicePage

        wanted = urlencode({"product": self._product, "quarantined": "no", "limit": 1, **query})
        return self._api.ask(DevicePage, "GET", f"/v1/fleet/devices?{wanted}").total


def read_plan(path: Path | None) -> PlanOptions:
    """Return what a plan file says; the defaults without one.

    Raises:
        InputError: it cannot be read, or says what a plan cannot.
    """
    from edgewright.core.files import os_errors
    from edgewright.fleet.protocol.plans.detection import as_stated
    from edgewright.fleet.protocol.plans.options import PlanOptions

    if path is None:
        return PlanOptions()
    try:
        with os_errors(InputError, "a plan file", path):
            content = msgspec.toml.decode(path.read_bytes())
        options = msgspec.convert(content, PlanOptions)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PlanError("a plan as TOML", str(error), str(path)) from None
    if "unconfirmed" in content:
        return msgspec.structs.replace(options, unconfirmed=as_stated(options.unconfirmed))
    return options


_UNKNOWN = (
    "no device is known here yet, so what the stages find is unknown. Try the plan: edgewright fleet simulate N "
    "--plan FILE"
)


@dataclass(frozen=True, kw_only=True)
class StartOptions(KeyOptions, ApiOptions):
    """Options of the command; a plan is signed in the folder of the fleet."""

    which: str = option(
        "--release", default="latest", metavar="PRODUCT:COUNTER",
        help="Release, such as pump:7, pump:latest or latest.",
    )  # fmt: skip
    file: Path | None = option(
        "--plan", metavar="FILE", help="Stages, gates, cohorts, windows and trial as TOML; options override it."
    )
    name: str | None = option("--id", metavar="ID", help="Name of the plan; derived from the release by default.")
    stages: str | None = option(metavar="TEXT", help="Stages as name, percent, time: canary:1%,10%,50%@6h,100%.")
    find_within: str | None = option(
        metavar="TIME", help="Find faults that show within this time after the activation, before the next stage; 24h "
        "by default. Stages and the watch last as long as that takes.",
    )  # fmt: skip
    dwell: str | None = option(
        metavar="TIME", help="Shortest duration of a stage; follows from --find-within by default."
    )
    open_ones: tuple[str, ...] = option(
        "--open", metavar="STAGE", help="Stage in which devices activate without asking; may be repeated."
    )
    gates: tuple[str, ...] = option(
        "--gate", metavar="TEXT",
        help="Condition such as alarms<=5, failed<=30% or latency<=x2 (relative to devices with the old release).",
    )  # fmt: skip
    quorum: int | None = option(
        type=click.IntRange(1), help="Devices that a gate needs before it decides; 5 by default."
    )
    cohorts: tuple[str, ...] = option(
        "--cohort", metavar="TEXT",
        help="Only devices with tag=A,B, profile=P, counter=3-5 or device=ID; all conditions must hold.",
    )  # fmt: skip
    windows: tuple[str, ...] = option(
        "--window", metavar="TEXT", help="When devices may activate, in UTC, such as 'sat,sun 02:00-05:00'."
    )
    pace: str | None = option(metavar="N/h", help="Largest number of devices that start per hour.")
    silence: str | None = option(
        metavar="TIME", help="Time without a report after which a device counts as failed; 30m by default."
    )
    unconfirmed: str | None = option(
        metavar="PERCENT",
        help="Devices offered the release that may be without confirmed health when a stage ends, and at least one "
        "device; by default it follows from the size of the stage: 2 %, and none of fewer than 50 devices.",
    )
    watch: str | None = option(
        metavar="TIME",
        help="Time for which a finished rollout stays under its gates; 7d by default, or longer where "
        "--find-within needs it.",
    )
    holdout: str | None = option(
        metavar="PERCENT", help="Percentage of devices that keep the old release until the last stage."
    )
    expires: float | None = option(
        metavar="DAYS", type=click.FloatRange(0.01, 90.0), help="Days until the plan expires."
    )
    dry_run: bool = option(help="Print what the stages of the plan find, and sign nothing.")
    sign_only: bool = option(help="Sign and publish the plan; start it later with --signed.")
    signed: str | None = option(
        metavar="ID", help="Start this plan, which is already signed: needs no keys and, with --url, no folder."
    )


def _planned(options: StartOptions) -> Generator[Result, None, Plan]:
    """Yield what each stage of the plan for a release finds, and return the plan.

    Raises:
        InputError: no fleet there, no such release, or a wrong wish.
    """
    from edgewright.fleet.protocol.plans.detection import preview
    from edgewright.fleet.protocol.plans.options import check_new, make_plan

    release, back = _release(options.fleet, options.which)
    salt = secrets.token_hex(32)
    members = Members(options, release.product)
    plan_options = _on_top(read_plan(options.file), options, salt, members)
    name = options.name or f"{release.product[:40]}-{release.counter}-{secrets.token_hex(3)}"
    plan = make_plan(
        plan_options, release, back, name=name, salt=salt, now=time.time(), devices=members.count(None)
    )  # fmt: skip
    check_new(plan)
    if options.dry_run or not wants_json():
        detection = members.detection(plan)
        lines = preview(detection, plan.watch) if detection else [_UNKNOWN]
        yield Result(detection if options.dry_run else None, list(map(Aside, lines)), compact=True)
    return plan


def _release(folder: Path, which: str) -> tuple[Release, Release | None]:
    """Return the release that is meant, and its way back."""
    from edgewright.fleet.repository import metadata
    from edgewright.fleet.repository.acceptance import read_held
    from edgewright.fleet.repository.folder import open_fleet

    fleet = open_fleet(folder)
    product, colon, counter = which.rpartition(":")
    if counter != "latest" and not counter.isdigit():
        raise ReleaseError("a release such as pump:7, pump:latest or latest", repr(which), "--release")
    published = read_held(fleet)
    number = None if counter == "latest" else int(counter)
    release = metadata.find(published, fleet.product(product if colon else None), number).release
    return release, metadata.revert_of(published, release)


def _on_top(plan_options: PlanOptions, options: StartOptions, salt: str, members: Members) -> PlanOptions:
    """Return the file with the options on top."""
    from edgewright.fleet.protocol.plans import options as parser
    from edgewright.fleet.protocol.plans.detection import as_stated
    from edgewright.fleet.protocol.plans.options import default_dwell, default_stages

    changed: dict[str, Any] = {}
    for option_name in ("find_within", "silence", "watch"):
        text = getattr(options, option_name)
        if text:
            changed[option_name] = parser.seconds(text, f"--{option_name.replace('_', '-')}")
    cohort = parser.cohort(options.cohorts, salt)
    if options.stages or not plan_options.stages:
        named = (parser.CHOSEN,) if cohort else ()
        usual = default_dwell(msgspec.structs.replace(plan_options, **changed))
        dwell = parser.seconds(options.dwell, "--dwell") if options.dwell else usual
        changed["stages"] = (
            parser.stages(options.stages, dwell, named, options.open_ones) if options.stages
            else default_stages(members.count(cohort), dwell, cohorts=named, open_ones=options.open_ones)
        )  # fmt: skip
    elif cohort:
        changed["stages"] = tuple(
            msgspec.structs.replace(stage, cohorts=(parser.CHOSEN,)) for stage in plan_options.stages
        )
    if cohort:
        changed["cohorts"] = {**plan_options.cohorts, parser.CHOSEN: cohort}
    if options.gates:
        changed["gates"] = tuple(parser.gate(text, options.quorum or plan_options.quorum) for text in options.gates)
    if options.quorum:
        changed["quorum"] = options.quorum
    if options.windows:
        changed["windows"] = parser.windows(options.windows)
    if options.pace:
        changed["pace"] = parser.pace(options.pace)
    if options.holdout:
        changed["holdout"] = parser.share(options.holdout, "--holdout")
    if options.unconfirmed:
        changed["unconfirmed"] = as_stated(parser.share(options.unconfirmed, "--unconfirmed"))
    if options.expires:
        changed["days"] = options.expires
    return msgspec.structs.replace(plan_options, **changed)


@declare(example="--fleet my-fleet --release pump:latest --find-within 24h --gate 'failed<=30%' --gate 'latency<=x2'")
def command(options: StartOptions) -> Stream:
    """Sign the plan of a release with the offline keys, and start its first stage.

    Before it signs, it prints what each stage finds: the smallest share of killed devices that keeps the stage from
    ending, and until when a fault must show. Without --stages, the first stage is as large as that needs.

    The plan limits what the rollout can do: the control plane only advances, pauses and aborts it. A stage ends when
    its time is over, every gate passes and nearly all devices that were offered the release are healthy. A gate that
    fails halts the rollout and sends devices back. A plan cannot change: abort it and start another.

    Signing needs the fleet's folder and its offline keys. Without them, use --url and --signed to start a plan that was
    signed elsewhere.
    """
    from edgewright.cli.commands.fleet.rollout import PATH, rollout_lines
    from edgewright.fleet.protocol.rollout_records import RolloutSeen, StartRollout

    folder, name, plan = options.fleet, options.signed, None
    if name is None:
        plan = yield from _sign(options)
        if plan is None:
            return DONE
        name = plan.id
    elif (
        options.sign_only or options.dry_run or options.file is not None or options.name is not None
        or options.which != "latest"
    ):  # fmt: skip
        raise click.UsageError("--signed starts a plan exactly as signed; omit options that change it")
    if options.sign_only:
        start = f"signed {name}; start it: edgewright fleet rollout start --signed {name} --fleet {folder}"
        yield Result({"signed": name}, [start], compact=True)
        return DONE
    with options.connect() as client:
        seen = client.ask(RolloutSeen, "POST", PATH, StartRollout(plan=name))
    watch = f"watch it: edgewright fleet rollout status {part(name)} --fleet {folder}"
    lines = rollout_lines(seen, planned=plan is None)
    yield Result(seen, [*lines, *([] if plan is None else [watch])], compact=True)
    return DONE


def _sign(options: StartOptions) -> Generator[Result, None, Plan | None]:
    """Return the plan, signed and handed over; None with --dry-run."""
    from edgewright.fleet.repository.folder import SETTINGS
    from edgewright.fleet.repository.publication import publish_plan

    folder, url = options.fleet, options.url
    if url and not (folder / SETTINGS).is_file():
        raise PlanError(
            "the folder of the fleet, which has the offline keys to sign a plan", f"--url {url} alone", str(folder),
            "Set it with --fleet; or sign the plan on that machine (--sign-only) and start it with --signed ID",
        )  # fmt: skip
    plan = yield from _planned(options)
    if options.dry_run:
        return None
    publish_plan(folder, plan, keys=options.keys, passphrases=options.phrases())
    return plan
