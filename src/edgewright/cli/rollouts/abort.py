"""`edgewright fleet rollout abort`: end it for ever."""

from __future__ import annotations

import click

from edgewright.cli.fleet._api_options import ApiOptions, api_options


@click.command("abort", epilog="Example: edgewright fleet rollout abort --fleet my-fleet --revert --why alarms")
@click.argument("plan", required=False)
@click.option("--revert", is_flag=True, help="Call devices that have the release back to the bytes before it.")
@click.option("--why", default="", help="For the audit log.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@api_options
def command(plan: str | None, revert: bool, why: str, as_json: bool, api: ApiOptions) -> None:
    """End a rollout for ever. It cannot be resumed; the next try is a new release.

    PLAN may be left out where one rollout is under way. With --revert devices go back even where they have been offline
    for so long that all else has expired, and outside of maintenance windows too.
    """
    from edgewright.cli.rollouts._output import steer
    from edgewright.schema.fleet_watch import AbortRollout

    steer(api, plan, "abort", AbortRollout(why=why[:400], revert=revert), as_json)
