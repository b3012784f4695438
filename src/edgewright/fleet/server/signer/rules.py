"""The signer's rules for successive standings: stages in order and not too early, and permanent aborts."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from edgewright.fleet.protocol.layout import LONGEST, ROOT
from edgewright.fleet.protocol.plans.decision import TRANSITIONS, earliest
from edgewright.fleet.protocol.plans.formatting import lasting
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Plan, Standing

REMEMBERED = LONGEST[ROOT]
"""Seconds after its plan's expiry for which a finished and superseded rollout can still be aborted."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The last signed standing of a rollout, and its plan."""

    standing: Standing
    plan: Plan


def allowed(
    standings: tuple[Standing, ...], plans: Mapping[str, Plan], before: Mapping[str, Known], now: float
) -> dict[str, Known]:
    """Check that all standings are valid successors of the recorded ones, and return the new record.

    Args:
        standings: standings to sign.
        plans: their verified plans, by id.
        before: last signed standings and plans, by plan id.
        now: seconds since 1970 by the signer's own clock.

    Raises:
        InputError: a standing is not a valid successor.
    """
    if len(plans) != len(standings):
        raise InputError("one standing for each rollout", "two for one", "signer")
    for name, known in before.items():
        if name not in plans and known.standing.state != "finished":
            raise InputError(f"a standing of rollout {name}, which is {known.standing.state}", "none", "signer")
    record = {s.plan: Known(standing=s, plan=plans[s.plan]) for s in standings}
    for standing in standings:
        last = before.get(standing.plan)
        if last is None or last.standing != standing:
            _may(standing, plans[standing.plan], last.standing if last else None, now)
    # Forget a finished and superseded rollout when its plan has been expired for long enough.
    over = {n for n, k in before.items() if k.standing.state == "finished" and now > k.plan.expires + REMEMBERED}
    return {name: known for name, known in {**before, **record}.items() if name in record or name not in over}


def _may(standing: Standing, plan: Plan, last: Standing | None, now: float) -> None:
    """Check that a standing is a valid successor of the last one."""
    where = f"rollout {standing.plan}"
    stages = len(plan.stages)
    if standing.stage >= stages:
        raise InputError(f"a stage of the plan, up to {stages}", str(standing.stage + 1), where)
    if last is None and standing.state != "running":
        raise InputError("a rollout that begins by running", standing.state, where)
    state = last.state if last else "running"
    following = (state, *TRANSITIONS[state])
    if standing.state not in following:
        raise InputError(f"one of {', '.join(following)} after {state}", standing.state, where)
    if standing.revert and (standing.state != "aborted" or plan.revert is None):
        raise InputError("a rollback only for an aborted rollout with a rollback release", standing.state, where)
    if last is not None and last.revert and not standing.revert:
        raise InputError("a permanent rollback", "a withdrawn one", where)
    stage = last.stage if last else 0
    if standing.state in ("running", "finished"):
        _may_go_on(standing, plan, last, now)
    elif standing.stage != stage:
        raise InputError(f"stage {stage + 1}, where it stands", str(standing.stage + 1), where)


def _may_go_on(standing: Standing, plan: Plan, last: Standing | None, now: float) -> None:
    """Check the order and the time of a stage."""
    where = f"rollout {standing.plan}"
    stage, begun = (last.stage, last.entered) if last else (0, now)
    if standing.state == "running" and now >= plan.expires:
        raise InputError("a valid plan", f"one that expired {lasting(now - plan.expires)} ago", where)
    if not stage <= standing.stage <= stage + (0 if last is None else 1):
        raise InputError(f"stage {stage + 1}, or the one after it", str(standing.stage + 1), where)
    if standing.stage > stage:
        due = max(begun + plan.stages[stage].dwell, plan.starts + earliest(plan, standing.stage))
        if now < due:
            got = f"{lasting(due - now)} too early"
            raise InputError(f"stage {standing.stage + 1} after the dwell of the one before it", got, where)
    moved = last is None or standing.stage > stage
    if moved and abs(standing.entered - now) > 300.0:
        raise InputError("a stage that is entered now", f"one {lasting(abs(standing.entered - now))} away", where)
    if not moved and standing.entered < begun:
        raise InputError("the moment at which the stage began", "an earlier one", where)
