"""`edgewright fleet rollout abort`: end it for ever."""

from __future__ import annotations

from edgewright.cli.fleet._api_options import ApiOptions
from edgewright.cli.options import argument, declare, option


@declare("abort", epilog="Example: edgewright fleet rollout abort --fleet my-fleet --revert --why alarms")
def command(
    *,
    plan: str | None = argument(required=False),
    revert: bool = option(help="Call devices that have the release back to the bytes before it."),
    why: str = option(help="For the audit log."),
    as_json: bool = option("--json", help="Print JSON."),
    api: ApiOptions,
) -> None:
    """End a rollout for ever. It cannot be resumed; the next try is a new release.

    PLAN may be left out where one rollout is under way. With --revert devices go back even where they have been offline
    for so long that all else has expired, and outside of maintenance windows too.
    """
    from edgewright.cli.rollouts._output import steer
    from edgewright.schema.fleet_watch import AbortRollout

    steer(api, plan, "abort", AbortRollout(why=why[:400], revert=revert), as_json)
