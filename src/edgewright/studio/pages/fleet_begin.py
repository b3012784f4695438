"""A fleet from the browser alone: create it, run simulated devices, publish a run, and roll it out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec

from edgewright.core.predictor import package_path
from edgewright.fleet.protocol.plans.detection import sentences
from edgewright.fleet.protocol.plans.options import PlanOptions, preview_of
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.schema.fleet_api import NewToken, Overview, TokenMade
from edgewright.schema.fleet_watch import RolloutSeen, StageDetection, StartRollout
from edgewright.studio.frame import Page, error_text, render, studio_of, text_of
from edgewright.studio.pages.fleet import (
    OPERATIONS,
    field_line,
    fleet_folder,
    fleet_form,
    fleet_page,
    fleets,
    new_folder,
    no_fleet,
    part_of_fleet,
    practice_part,
    practices_of,
    products_of,
)
from edgewright.studio.paths import run_folder
from edgewright.studio.web import FormData, HTTPException, RedirectResponse, Request, Response

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import ApiClient

_PACES = {"day": ("Find faults within a day (over four days)", 86_400.0), "hour": ("Within an hour (urgent)", 3600.0)}
_SECONDS = "seconds"


def _create(request: Request, form: FormData) -> Response:
    """Create a fleet: of simulated devices, which start at once, or for real ones."""
    studio, name = studio_of(request), field_line(form, "name", 60)
    try:
        folder = new_folder(studio, name)
        if text_of(form, "kind") == "practice":
            count = field_line(form, "devices", 4)
            practice_part().create_practice(folder, name, "main", int(count) if count.isdecimal() else 0)
            practices_of(studio).start(folder)
        else:
            part_of_fleet(OPERATIONS).create(folder, name)
    except EdgewrightError as error:
        return no_fleet(request, error_text(error), name, status=400)
    studio.fleet = folder
    return RedirectResponse("/fleet", 303)


def _open(request: Request, form: FormData) -> Response:
    studio = studio_of(request)
    wanted = next((path for path in fleets(studio) if path.name == text_of(form, "fleet")), None)
    if wanted is None:
        raise HTTPException(404, "The studio created no fleet with that name.")
    studio.fleet = wanted
    return RedirectResponse("/fleet", 303)


def _practise(request: Request, form: FormData) -> Response:
    """Start or stop the simulated devices."""
    folder = fleet_folder(request, form)
    if practice_part().practice_settings(folder) is None:
        raise HTTPException(404, "This fleet has no simulated devices.")
    practices = practices_of(studio_of(request))
    (practices.stop if text_of(form, "act") == "stop" else practices.start)(folder)
    return RedirectResponse("/fleet", 303)


def _token(request: Request, api: ApiClient, form: FormData) -> Response:
    product = part_of_fleet("repository.folder").open_fleet(fleet_folder(request)).product(_product(form))
    token = api.ask(TokenMade, "POST", "/v1/fleet/tokens", NewToken(product=product))
    return render(request, "fleet_token.html", title="Enrolment token", token=token.token)


def _product(form: FormData) -> str | None:
    """Return the product that a form names; None for the fleet's only one."""
    return text_of(form, "product") or None


def _shown_product(request: Request, products: tuple[str, ...]) -> str:
    wanted = request.query_params.get("product", "")
    return wanted if wanted in products else products[0]


def _packages(request: Request) -> list[str]:
    """Return the runs with one package, the newest first."""
    studio = studio_of(request)
    runs = sorted(studio.runs.finished(), key=lambda run: run.started, reverse=True)
    return [run.location for run in runs if len(list((studio.folder / run.location).glob("*.edge"))) == 1]


def _publish(request: Request, api: ApiClient, problem: str = "", *, status: int = 200) -> Response:
    """Return the form of a release, and after it the second look: what is signed, and with which keys."""
    folder, practice = fleet_folder(request), practice_part()
    packages, query = _packages(request), request.query_params
    faults = _faults(practice) if practice.practice_settings(folder) else {}
    run, fault = query.get("run", ""), query.get("fault", "")
    run = run if run in packages else ""
    products = products_of(folder)
    product = _shown_product(request, products)
    published = part_of_fleet(OPERATIONS).releases_of(folder, product)
    return render(
        request, "fleet_publish.html", status=status, title="Publish", packages=packages, problem=problem,
        run=run, faults=faults, fault=fault if fault in faults else "", fleet=folder, keys=folder / "keys",
        newest=published[0].release if published else None, products=products, product=product,
        sha256=part_of_fleet("repository.metadata").sha256(_package(request, run).read_bytes()) if run else "",
    )  # fmt: skip


def _package(request: Request, run: str) -> Path:
    return package_path(run_folder(studio_of(request).folder, run))


def _faults(simulator: Any) -> dict[str, str]:  # noqa: ANN401 - a module
    known = simulator.known_faults()
    return {name: known[name].words for name in simulator.FAULTS}


def _published(request: Request, api: ApiClient, form: FormData) -> Response:
    folder, fault, practice = fleet_folder(request), text_of(form, "fault"), practice_part()
    try:
        package = part_of_fleet("repository.publication").check_package(_package(request, text_of(form, "run")))
        if part_of_fleet("repository.metadata").sha256(package.data) != text_of(form, "sha256"):
            raise InputError("the package of the page before", "another one", package.name, "Look at it again")
        release = part_of_fleet(OPERATIONS).publish(folder, package, field_line(form, "notes", 1000), _product(form))
        settings = practice.practice_settings(folder)
        if settings is not None and fault:
            faults = {**settings.faults, str(release.counter): fault}
            practice.write_settings(folder, msgspec.structs.replace(settings, faults=faults))
    except EdgewrightError as error:
        return _publish(request, api, error_text(error), status=409)
    query = {"release": release.counter, **({"product": release.product} if _product(form) else {})}
    return RedirectResponse(f"/fleet/roll-out?{urlencode(query)}", 303)


def _roll(request: Request, api: ApiClient, problem: str = "", *, status: int = 200) -> Response:
    """Return the second look before a rollout starts: its stages, what they find, and the keys that sign the plan."""
    folder, query = fleet_folder(request), request.query_params
    products = products_of(folder)
    product = _shown_product(request, products)
    published = part_of_fleet(OPERATIONS).releases_of(folder, product)
    names = [str(entry.release.counter) for entry in published]
    chosen = published[names.index(query["release"])].release if query.get("release") in names else None
    paces = {name: words for name, (words, _) in _PACES.items()}
    if practice_part().practice_settings(folder):
        paces = {_SECONDS: "Stages of 15 seconds", **paces}
    pace = query["pace"] if query.get("pace") in paces else next(iter(paces))
    devices, lines = _devices(api, product), list[str]()
    rows: tuple[StageDetection, ...] = ()
    if chosen is not None and devices:
        plan = part_of_fleet(OPERATIONS).plan_of(folder, _options(pace), chosen.counter, devices, product)
        rows = preview_of(plan, [devices] * len(plan.stages))
        lines = list(sentences(rows, plan.watch))
    return render(
        request, "fleet_roll.html", status=status, title="Roll out", published=published, chosen=chosen, pace=pace,
        paces=paces, devices=devices, rows=rows, lines=lines, problem=problem, fleet=folder, keys=folder / "keys",
        products=products, product=product,
    )  # fmt: skip


def _devices(api: ApiClient, product: str) -> int:
    return sum(api.ask(Overview, "GET", "/v1/fleet/overview").counters.get(product, {}).values())


def _options(pace: str) -> PlanOptions:
    if pace == _SECONDS:
        options: PlanOptions = practice_part().plan_options()
        return options
    return PlanOptions(find_within=_PACES.get(pace, _PACES["day"])[1])


def _rolled(request: Request, api: ApiClient, form: FormData) -> Response:
    folder, number = fleet_folder(request), field_line(form, "release", 15)
    operations = part_of_fleet(OPERATIONS)
    try:
        options = _options(text_of(form, "pace"))
        counter, product = int(number) if number.isdecimal() else 0, _product(form)
        devices = _devices(api, product or products_of(folder)[0])
        plan = operations.plan_of(folder, options, counter, devices, product)
        operations.sign_plan(folder, plan)
        api.ask(RolloutSeen, "POST", "/v1/fleet/rollouts", StartRollout(plan=plan.id))
    except EdgewrightError as error:
        return _roll(request, api, error_text(error), status=409)
    return RedirectResponse("/fleet", 303)


PAGE = Page(
    {
        "/fleet/new": (no_fleet, _create),
        "/fleet/open": (None, _open),
        "/fleet/practice": (None, _practise),
        "/fleet/token": (None, fleet_form(_token)),
        "/fleet/publish": (fleet_page(_publish), fleet_form(_published)),
        "/fleet/roll-out": (fleet_page(_roll), fleet_form(_rolled)),
    },
    rank=70,
)
