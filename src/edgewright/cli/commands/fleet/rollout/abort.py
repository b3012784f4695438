"""`edgewright fleet rollout abort`: end it for ever."""

from __future__ import annotations

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions


@declare(example="--fleet my-fleet --revert --why alarms")
def command(
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
    from edgewright.cli.commands.fleet.rollout._output import steer
    from edgewright.schema.fleet_watch import AbortRollout

    note = "Make it permanent against stolen online keys: edgewright fleet rollout confirm PLAN --keys PATH"
    return steer(api, plan, "abort", AbortRollout(why=why[:400], revert=revert), note)
