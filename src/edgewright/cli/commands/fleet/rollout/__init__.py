"""Start, pause, resume, abort or show the staged rollout of a signed release."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions, part
from edgewright.cli.commands.fleet._folder import FLEET, PREPARE, KeyOptions, settled_lines
from edgewright.cli.text import when
from edgewright.core.errors import RolloutUnknownError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.fleet.protocol.rollout_records import RolloutSeen

EXAMPLE = "start --fleet my-fleet --find-within 24h"


PATH = "/v1/fleet/rollouts"


def find(client: Any, plan: str | None) -> RolloutSeen:  # noqa: ANN401 - `api.client` is loaded late
    """Return a rollout by its plan; the newest that is not over where none is named.

    Raises:
        InputError: there is none, or several are under way.
    """
    from edgewright.fleet.protocol.rollout_records import RolloutSeen, RolloutsSeen

    if plan is not None:
        rollout: RolloutSeen = client.ask(RolloutSeen, "GET", f"{PATH}/{part(plan)}")
        return rollout
    known = client.ask(RolloutsSeen, "GET", PATH).rollouts
    going = [one for one in known if one.under_way]
    if len(going) > 1:
        raise RolloutUnknownError(
            "the name of a rollout", "none, and several are running", ", ".join(o.plan for o in going)
        )
    if not going and not known:
        raise RolloutUnknownError("a rollout", "none was started yet", do="Start one: edgewright fleet rollout start")
    newest: RolloutSeen = (going or known)[0]
    return newest


def steer(api: ApiOptions, plan: str | None, act: str, record: object, *notes: str) -> Result:
    """Do something to a rollout and return where it stands then, with notes for people."""
    from edgewright.fleet.protocol.rollout_records import RolloutSeen

    with api.connect() as client:
        name = find(client, plan).plan
        seen = client.ask(RolloutSeen, "POST", f"{PATH}/{part(name)}/{act}", record)
    return Result(seen, [*rollout_lines(seen), *notes], compact=True)


def steering_command(name: str, effect: str) -> click.Command:
    """Return the command of one act on a rollout.

    Args:
        name: of the command and of the act.
        effect: sentence for the help text.
    """

    @declare(name=name, help=f"{effect}\n\nPLAN is optional if one rollout is in progress.",
        epilog=f"Example: edgewright fleet rollout {name} --fleet my-fleet --why 'looked at it'",
    )  # fmt: skip
    def command(
        *,
        plan: str | None = argument(required=False),
        why: str = option(help="Reason, for the audit log."),
        api: ApiOptions,
    ) -> Result:
        from edgewright.fleet.protocol.rollout_records import SteerRollout

        return steer(api, plan, name, SteerRollout(why=why[:400]))

    return command


def rollout_lines(seen: RolloutSeen, planned: bool = False) -> Iterator[str]:
    """Yield a rollout: its state, why it holds, what its gates say, when it may end.

    Args:
        seen: the rollout.
        planned: also what its stages find.
    """
    stage = seen.stages[seen.stage]
    going = "" if not seen.under_way else f" at stage {seen.stage + 1} of {len(seen.stages)}"
    back = ", devices are called back" if seen.revert else ""
    yield f"{seen.plan}: {seen.product} {seen.counter} ({seen.package or 'no name'})"
    yield f"  {seen.state}{going} {stage.name!r}, {stage.percent:g} %, since {when(seen.entered)} UTC{back}"
    notes = {"last step": seen.why, "holds": seen.holds, "signer is unavailable": seen.signer}
    yield from (f"  {label}: {text}" for label, text in notes.items() if text)
    yield from (f"  gate {gate.verdict:<4}  {gate.why}" for gate in seen.gates)
    ended = ", ".join(f"{count} {outcome}" for outcome, count in sorted(seen.outcomes.items())) or "nothing yet"
    yield f"  devices: {seen.allowed} allowed, {seen.running} running it; reported: {ended}"
    if planned and seen.detection:
        from edgewright.fleet.protocol.plans.detection import preview

        yield from (f"  {line}" for line in preview(seen.detection, seen.watch))
    if seen.state == "running":
        yield f"  ends at {when(seen.ends)} UTC at the earliest; the plan expires {when(seen.expires)} UTC"


@declare(example="--fleet my-fleet")
def status(
    *,
    plan: str | None = argument(required=False),
    everything: bool = option("--all", help="Include finished rollouts."),
    api: ApiOptions,
) -> Result:
    """Show the state of a rollout: why it waits, its gates with numbers, and the earliest time it can end."""
    from edgewright.fleet.protocol.rollout_records import RolloutsSeen

    with api.connect() as client:
        seen = client.ask(RolloutsSeen, "GET", PATH).rollouts if everything else (find(client, plan),)
    lines = [line for rollout in seen for line in rollout_lines(rollout, planned=not everything)]
    return Result(RolloutsSeen(rollouts=seen), lines or ["no rollout was started yet"], compact=True)


pause = steering_command(
    "pause", "Pause a rollout until an operator resumes it; devices that have the release keep it."
)

resume = steering_command("resume", "Resume a paused rollout; an aborted one cannot be resumed.")


@declare(example="spring canary --fleet my-fleet --reason 'the silent device was unplugged'")  # fmt: skip
def promote(
    *,
    plan: str = argument(),
    stage: str = argument(),
    reason: str = option(required=True, help="Reason, for the audit log."),
    api: ApiOptions,
) -> Result:
    """End STAGE, the present one, although it holds; the next stage begins.

    Use this when devices that cannot answer keep a stage from ending. It works after the stage's dwell, which the
    signed plan fixes, and not for a rollout whose gates failed. After the last stage the rollout is finished.
    """
    from edgewright.fleet.protocol.rollout_records import PromoteRollout

    return steer(api, plan, "promote", PromoteRollout(stage=stage, why=reason[:400]))


@declare(example="--fleet my-fleet --revert --why alarms")
def abort(
    *,
    plan: str | None = argument(required=False),
    revert: bool = option(help="Also send devices that have the release back to the previous bytes."),
    why: str = option(help="Reason, for the audit log."),
    api: ApiOptions,
) -> Result:
    """Abort a rollout for good; the next attempt is a new release.

    PLAN is optional if one rollout is in progress. With --revert, devices go back even if they were offline for so long
    that everything else has expired, and outside of maintenance windows. The online keys sign it, so it takes effect at
    once; `fleet rollout confirm` then signs it with the offline keys.
    """
    from edgewright.fleet.protocol.rollout_records import AbortRollout

    note = "Make it permanent against stolen online keys: edgewright fleet rollout confirm PLAN --keys PATH"
    return steer(api, plan, "abort", AbortRollout(why=why[:400], revert=revert), note)


@declare(example="pump-7-3f9c --fleet my-fleet --keys /media/usb")
def confirm(
    *,
    plan: str = argument(),
    folder: Path = FLEET,
    signing: KeyOptions,
    prepare: Path | None = PREPARE,
) -> Result:
    """Sign the abort of PLAN with the offline keys, so that no stolen online key can revive it.

    `fleet rollout abort` takes effect at once, under the online keys. Confirm it as soon as the offline keys are at
    hand, revoke enrolment tokens that you made before and make new ones: a new device accepts nothing older than the
    version that its token names. A rollout that is still under way is aborted, too.
    """
    from edgewright.fleet.repository.acceptance import settle, writing
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.publication import prepare_abort

    fleet, now = open_fleet(folder), time.time()
    ring = signing.ring(fleet)
    with writing(fleet, now, ring):
        settled = settle(fleet, prepare_abort(fleet, plan, now), ring, now, prepare)
    return Result(settled, settled_lines(settled, folder))
