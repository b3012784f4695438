"""A rollout: its map, its gates with their numbers, what became of devices; and acting on it, after a second look."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from edgewright.core.errors import EdgewrightError
from edgewright.fleet.protocol.plans.detection import sentences
from edgewright.fleet.protocol.plans.gates import ACTS
from edgewright.fleet.protocol.rollout_records import (
    AbortRollout,
    Events,
    PromoteRollout,
    RolloutMap,
    RolloutSeen,
    SteerRollout,
)
from edgewright.studio.frame import Page, error_text, render
from edgewright.studio.local_server import FormData, HTTPException, RedirectResponse, Request, Response
from edgewright.studio.pages.fleet import ask_named, field_line, fleet_folder, fleet_form, fleet_page, shown

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import ApiClient

_WHY = 400


def _seen(request: Request, api: ApiClient) -> RolloutSeen:
    pattern, address = r"[a-z0-9][a-z0-9-]{0,62}", "/v1/fleet/rollouts/{}"
    return ask_named(request, api, RolloutSeen, "plan", pattern, address, "rollout with that name")


def _answer(request: Request, api: ApiClient) -> Response:
    seen = _seen(request, api)
    return render(
        request, "fleet_rollout.html", title=seen.plan, shown=shown(request, api, seen), seen=seen,
        sentences=sentences, done=request.query_params.get("done", "") in ACTS,
        events=api.ask(Events, "GET", f"/v1/fleet/events?plan={seen.plan}&limit=40").events,
    )  # fmt: skip


def _sure(request: Request, api: ApiClient, problem: str = "", why: str = "", *, status: int = 200) -> Response:
    """Return the second look: what will happen."""
    seen, name = _seen(request, api), _act_of(request)
    act = ACTS[name]
    fits = act.fits(seen, time.time())
    effect = act.effect(seen, api.ask(RolloutMap, "GET", f"/v1/fleet/rollouts/{seen.plan}/map")) if fits else ""
    return render(
        request, "fleet_sure.html", status=status, title=f"{act.title} {seen.plan}", seen=seen, name=name, act=act,
        problem=problem, fits=fits, effect=effect, why=why, fleet=fleet_folder(request),
    )  # fmt: skip


def _act_of(request: Request) -> str:
    act = str(request.path_params["act"])
    if act not in ACTS:
        raise HTTPException(404, "Page not found.")
    return act


def _act(request: Request, api: ApiClient, form: FormData) -> Response:
    seen, act, why = _seen(request, api), _act_of(request), field_line(form, "why", _WHY)
    if ACTS[act].needs_reason and not why:
        return _sure(request, api, "Write the reason: the audit log keeps it.", status=400)
    body: SteerRollout | AbortRollout | PromoteRollout = SteerRollout(why=why)
    if act == "abort":
        body = AbortRollout(why=why, revert=field_line(form, "revert", 3) == "yes")
    elif act == "promote":
        body = PromoteRollout(stage=field_line(form, "stage", 63), why=why)
    try:
        # Between the question and the answer it may have gone on by itself; what then does not fit is said, not done.
        api.ask(RolloutSeen, "POST", f"/v1/fleet/rollouts/{seen.plan}/{act}", body)
    except EdgewrightError as error:
        return _sure(request, api, error_text(error), why, status=409)
    return RedirectResponse(f"/fleet/rollout/{quote(seen.plan)}?done={act}", 303)


PAGE = Page(
    {
        "/fleet/rollout/{plan:str}": (fleet_page(_answer),),
        "/fleet/rollout/{plan:str}/{act:str}": (fleet_page(_sure), fleet_form(_act)),
    },
    rank=73,
)
