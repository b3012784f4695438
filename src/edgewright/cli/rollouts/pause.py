"""`edgewright fleet rollout pause`: nobody begins until it is resumed."""

from __future__ import annotations

from typing import Any

import click

from edgewright.cli.fleet._api_options import desk_options


@click.command("pause", epilog="Example: edgewright fleet rollout pause --fleet my-fleet --why 'looked at it'")
@click.argument("plan", required=False)
@click.option("--why", default="", help="For the audit log.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@desk_options
def command(plan: str | None, why: str, as_json: bool, asked: Any) -> None:  # noqa: ANN401
    """Let nobody begin until a person resumes it; devices that have the release keep it.

    PLAN may be left out where one rollout is under way.
    """
    from edgewright.cli.rollouts._output import steer
    from edgewright.schema.fleet_rollouts import SteerRollout

    steer(asked, plan, "pause", SteerRollout(why=why[:400]), as_json)


COMMAND = command
