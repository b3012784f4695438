"""A plan from what a person asks for: a release of the folder, a plan file, and options on top of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgewright.fleet.protocol.plans.parser import Wishes
    from edgewright.schema.fleet_plan import Plan, Release


def planned(folder: Path, which: str, name: str | None, file: Path | None, options: dict[str, Any]) -> Plan:
    """The plan for a release.

    Args:
        folder: of the fleet.
        which: release, such as 'pump:7', 'pump:latest' or 'latest'.
        name: of the plan; made from the release where None.
        file: with stages and the like as TOML.
        options: of the command, which come on top.

    Raises:
        InputError: no fleet there, no such release, or a wrong wish.
    """
    from edgewright.fleet.protocol.plans.validation import check

    release, back = _release(folder, which)
    plan = _plan(release, back, name, file, options)
    check(plan)
    return plan


def _release(folder: Path, which: str) -> tuple[Release, Release | None]:
    """The release that is meant, and its way back.

    Raises:
        InputError: no such product or release.
    """
    from edgewright.fleet.repository import releases
    from edgewright.fleet.repository.acceptance import read_held
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.schema.errors import InputError

    fleet = open_fleet(folder)
    product, colon, counter = which.rpartition(":")
    if counter != "latest" and not counter.isdigit():
        raise InputError("a release such as pump:7, pump:latest or latest", repr(which), "--release")
    held = read_held(fleet)
    number = None if counter == "latest" else int(counter)
    release = releases.find(held, fleet.product(product if colon else None), number).release
    return release, releases.revert_of(held, release)


def _plan(release: Release, back: Release | None, name: str | None, file: Path | None, options: dict[str, Any]) -> Plan:
    """The plan that the file and the options say.

    Raises:
        InputError: one of them is wrong.
    """
    import secrets
    import time

    import msgspec

    from edgewright.fleet.protocol.layout import DAY
    from edgewright.fleet.protocol.plans import parser
    from edgewright.schema.errors import InputError
    from edgewright.schema.fleet_plan import Plan

    salt, now = secrets.token_hex(32), time.time()
    said = _options(_file(file), options, salt)
    stages = said.stages or parser.stages("canary:1%,10%,50%,100%", parser.seconds(options["dwell"], "--dwell"))
    fields = {field: getattr(said, field) for field in said.__struct_fields__ if field not in ("days", "stages")}
    made = Plan(
        id=name or f"{release.product[:40]}-{release.counter}-{secrets.token_hex(3)}", release=release, revert=back,
        salt=salt, stages=stages, starts=now, expires=now + said.days * DAY, enrolled=now, **fields,
    )  # fmt: skip
    try:
        return msgspec.json.decode(msgspec.json.encode(made), type=Plan)  # names and numbers are checked once more
    except msgspec.ValidationError as error:
        raise InputError("a plan", str(error), "the options") from None


def _file(path: Path | None) -> Wishes:
    """The plan file.

    Raises:
        InputError: it cannot be read, or says what a plan cannot.
    """
    import msgspec

    from edgewright.fleet.protocol.plans.parser import Wishes
    from edgewright.schema.errors import InputError

    if path is None:
        return Wishes()
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Wishes)
    except OSError as error:
        raise InputError("a plan file", error.strerror or str(error), str(path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("a plan as TOML", str(error), str(path)) from None


def _options(said: Wishes, options: dict[str, Any], salt: str) -> Wishes:
    """The file with the options on top."""
    import msgspec

    from edgewright.fleet.protocol.plans import parser

    changed: dict[str, Any] = {}
    cohort = parser.cohort(options["cohorts"], salt)
    dwell = parser.seconds(options["dwell"], "--dwell")
    if options["stages"]:
        named = (parser.CHOSEN,) if cohort else ()
        changed["stages"] = parser.stages(options["stages"], dwell, named, options["open_ones"])
    elif cohort:
        stages = said.stages or parser.stages("canary:1%,10%,50%,100%", dwell)
        changed["stages"] = tuple(msgspec.structs.replace(stage, cohorts=(parser.CHOSEN,)) for stage in stages)
    if cohort:
        changed["cohorts"] = {**said.cohorts, parser.CHOSEN: cohort}
    if options["gates"]:
        changed["gates"] = tuple(parser.gate(text, options["quorum"]) for text in options["gates"])
    elif said.gates is parser.USUAL_GATES:
        changed["gates"] = tuple(msgspec.structs.replace(gate, quorum=options["quorum"]) for gate in said.gates)
    if options["windows"]:
        changed["windows"] = parser.windows(options["windows"])
    if options["pace"]:
        changed["pace"] = parser.pace(options["pace"])
    if options["holdout"]:
        changed["holdout"] = parser.share(options["holdout"], "--holdout")
    if options["expires"]:
        changed["days"] = options["expires"]
    return msgspec.structs.replace(said, **changed)
