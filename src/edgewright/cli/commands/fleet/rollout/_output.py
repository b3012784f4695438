"""How a rollout is told in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions, part
from edgewright.cli.text import when
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.schema.fleet_watch import RolloutSeen

PATH = "/v1/fleet/rollouts"


def find(client: Any, plan: str | None) -> RolloutSeen:  # noqa: ANN401 - `api.client` is loaded late
    """Return a rollout by its plan; the newest that is not over where none is named.

    Raises:
        InputError: there is none, or several are under way.
    """
    from edgewright.schema.fleet_watch import RolloutSeen, RolloutsSeen

    if plan is not None:
        rollout: RolloutSeen = client.ask(RolloutSeen, "GET", f"{PATH}/{part(plan)}")
        return rollout
    known = client.ask(RolloutsSeen, "GET", PATH).rollouts
    going = [one for one in known if one.under_way]
    if len(going) > 1:
        raise InputError("the name of a rollout", "none, and several are running", ", ".join(o.plan for o in going))
    if not going and not known:
        raise InputError("a rollout", "none was started yet", do="Start one: edgewright fleet rollout start")
    newest: RolloutSeen = (going or known)[0]
    return newest


def steer(api: ApiOptions, plan: str | None, act: str, record: object, *notes: str) -> Result:
    """Do something to a rollout and return where it stands then, with notes for people."""
    from edgewright.schema.fleet_watch import RolloutSeen

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
        from edgewright.schema.fleet_watch import SteerRollout

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
