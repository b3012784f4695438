"""`edgewright fleet rollout resume`: go on after a pause."""

from __future__ import annotations

from typing import Any

import click

from edgewright.cli.fleet._api_options import desk_options


@click.command("resume", epilog="Example: edgewright fleet rollout resume --fleet my-fleet --why 'looked at it'")
@click.argument("plan", required=False)
@click.option("--why", default="", help="For the audit log.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@desk_options
def command(plan: str | None, why: str, as_json: bool, asked: Any) -> None:  # noqa: ANN401
    """Go on after a pause. Only a person does this; an aborted rollout never goes on.

    PLAN may be left out where one rollout is under way.
    """
    from edgewright.cli.rollouts._output import steer
    from edgewright.schema.fleet_rollouts import SteerRollout

    steer(asked, plan, "resume", SteerRollout(why=why[:400]), as_json)


COMMAND = command
