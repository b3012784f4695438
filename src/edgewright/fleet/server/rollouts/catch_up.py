"""Steps that were signed and never committed: a server was killed in between, or another was faster.

The signer takes no word back, so the database has to follow: what it cannot say any more it does not try to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from edgewright.fleet.server.rollouts.rows import plan_of, standing_of
from edgewright.schema.fleet_plan import Standing

_STRICTER = ("running", "paused", "finished", "aborted")
_ACTS = {"paused": "rollout.paused", "finished": "rollout.finished", "aborted": "rollout.aborted"}
WHY = "signed before, by a server that ended or was overtaken before it had written it down"


class Missed(NamedTuple):
    """What a rollout's row lacks: the act for the audit log, and columns."""

    what: str
    values: dict[str, Any]


def missed(row: Mapping[str, Any] | None, signed: Standing, body: Callable[[Standing], bytes]) -> Missed | None:
    """What was signed last about a rollout and its row does not say; None where the row says as much, or more.

    Of two words the stricter one counts: a pause that a person was told of is not ended by a stage that was signed at
    the same moment.

    Args:
        row: of the rollout; None where there is none.
        signed: as the signer remembers it.
        body: gives the plan's bytes.

    Raises:
        InputError: the plan's bytes are needed and not there.
    """
    if row is None:
        plan = plan_of(data := body(signed))
        values = {
            "product": signed.product, "counter": plan.release.counter, "sha256": signed.sha256, "body": data,
            "state": signed.state, "stage": signed.stage, "entered": signed.entered, "revert": signed.revert,
            "started_at": signed.entered, "started_by": "signer", "judged_at": None, "judged": "[]", "holds": "",
        }  # fmt: skip
        return Missed("rollout.started", values)
    known = standing_of(row)
    lacks: dict[str, Any] = {}
    if signed.stage > known.stage:
        lacks = {"stage": signed.stage, "entered": signed.entered}
    if _STRICTER.index(signed.state) > _STRICTER.index(known.state):
        lacks |= {"state": signed.state}
    if signed.revert and not known.revert:
        lacks |= {"revert": True}
    if not lacks:
        return None
    act = _ACTS.get(lacks.get("state", ""), "rollout.aborted" if "revert" in lacks else "rollout.stage")
    return Missed(act, lacks)
