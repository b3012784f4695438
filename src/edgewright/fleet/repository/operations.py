"""Whole operations in a fleet's folder, signed with the keys that lie in it: create, publish, plan."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from edgewright.fleet.protocol.plans.options import PlanOptions, make_plan
from edgewright.fleet.protocol.plans.validation import check_new
from edgewright.fleet.repository.acceptance import read_held, settle, writing
from edgewright.fleet.repository.creation import USUAL, create_fleet
from edgewright.fleet.repository.folder import Fleet, open_fleet
from edgewright.fleet.repository.publication import Contents, prepare_release, publish_plan
from edgewright.fleet.repository.releases import find, listed, revert_of
from edgewright.schema.fleet_folder import FleetSettings, Published
from edgewright.schema.fleet_plan import Plan, Release


def create(folder: Path, name: str, product: str = "main") -> Fleet:
    """Create a fleet of one product with the usual keys, all of which stay in its folder.

    Raises:
        InputError, OutputError: see `creation.create_fleet`.
    """
    return create_fleet(folder, FleetSettings(name=name, products=(product,)), USUAL, None, time.time())[0]


def publish(folder: Path, package: Path | Contents, notes: str = "", product: str | None = None) -> Release:
    """Sign a package as the next release of a product, with its way back; None for the fleet's only product.

    Raises:
        InputError, CheckFailedError, OutputError: see `publication.prepare_release`; also where keys are missing.
    """
    fleet, now = open_fleet(folder), time.time()
    ring = fleet.ring()
    with writing(fleet, now, ring):
        change, signed = prepare_release(fleet, package, now, product=fleet.product(product), notes=notes)
        settle(fleet, change, ring, now)
    return signed[0].release


def releases_of(folder: Path, product: str | None = None) -> list[Published]:
    """Return the releases of a product (None: the only one) that can be rolled out, the newest first."""
    fleet = open_fleet(folder)
    published = [entry for entry in listed(read_held(fleet)) if entry.release.product == fleet.product(product)]
    return [entry for entry in reversed(published) if not entry.revert]


def plan_of(folder: Path, options: PlanOptions, counter: int, devices: int, product: str | None = None) -> Plan:
    """Return a plan for a release, unsigned; default stages follow from the number of devices of its product.

    Raises:
        InputError: there is no such release, or the options do not fit together.
    """
    fleet = open_fleet(folder)
    published = read_held(fleet)
    release = find(published, fleet.product(product), counter).release
    plan = make_plan(
        options, release, revert_of(published, release), salt=secrets.token_hex(32), now=time.time(),
        name=f"{release.product[:40]}-{counter}-{secrets.token_hex(3)}", devices=devices or None,
    )  # fmt: skip
    check_new(plan)
    return plan


def sign_plan(folder: Path, plan: Plan) -> None:
    """Sign a plan with the keys of the folder, for a rollout that then starts.

    Raises:
        InputError, OutputError: see `publication.publish_plan`.
    """
    publish_plan(folder, plan)
