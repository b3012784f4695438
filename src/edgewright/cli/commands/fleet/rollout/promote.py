"""`edgewright fleet rollout promote`: end a stage that holds."""

from __future__ import annotations

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions


@declare(example="spring canary --fleet my-fleet --reason 'the silent device was unplugged'")  # fmt: skip
def command(
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
    from edgewright.cli.commands.fleet.rollout._output import steer
    from edgewright.schema.fleet_watch import PromoteRollout

    return steer(api, plan, "promote", PromoteRollout(stage=stage, why=reason[:400]))
