"""One device of a fleet: diagnoses and deployments."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from cli_runner import Cli
from edgewright.core.errors import InputError
from edgewright.core.records.fleet import Acknowledged, Cohort, DiagnosisRequest, Plan, Report, Stage
from edgewright.fleet.device.reports import Diagnoser, LogBuffer
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.api_records import MAX_BYTES, MAX_LINES, Diagnosis, DiagnosisSeen
from edgewright.fleet.protocol.plans.decision import listed, lists_devices
from edgewright.fleet.repository.publication import prepare_release
from edgewright.fleet.server import reports
from edgewright.fleet.server.control_plane import open_plane
from edgewright.fleet.server.database.tables import MOST_DEPLOYS, devices, diagnoses, in_index, metadata, rollouts
from edgewright.fleet.server.endpoint import RefusedError
from fleet_folder import apply, package
from fleet_plane import Client, enrolled_devices
from rollout_example import Example, plan
from store_example import HandClock
from threat_fleet import HOUR, Town, town
from threat_unit import Unit


class Clock(HandClock):
    def monotonic(self) -> float:
        return self.seconds


class BundleControl:
    def __init__(self) -> None:
        self.bundles: list[Diagnosis] = []

    def diagnosis(self, diagnosis: Diagnosis) -> None:
        self.bundles.append(diagnosis)


FACTS = Report(nonce="", sequence=0, counter=1, floor=1, phase="idle")
REQUEST = DiagnosisRequest(id="a" * 32, lines=MAX_LINES)


@pytest.fixture
def log() -> LogBuffer:
    return LogBuffer(Clock(), lambda line: None, lambda output: None)


def test_lines_become_codes_and_counts(log: LogBuffer) -> None:
    log.hear(b"edgewright: source: expected 7 cells, got 2: 'ward 3,17.25,x'\nstore: wrote 12.5e-3")
    log.hear(b" MB \x1b[31m\nward 3,17.25,x\nnorth: ward 3\n")
    log.say("release 12, trial: on trial: 3 of 60 s with rows")
    log.say("release 12, ward: x")
    entries = [(entry.source, entry.code, entry.release, entry.count) for entry in log.last(9)]
    assert entries == [
        ("model", "source", 0, 1), ("model", "store", 0, 1), ("model", "other", 0, 2), ("agent", "phase.trial", 12, 1),
        ("agent", "other", 0, 1),
    ]  # fmt: skip


@pytest.mark.slow
def test_an_answer_is_bounded_and_contains_no_text_of_lines(tmp_path: Path, log: LogBuffer) -> None:
    for number in range(2 * MAX_LINES):
        log.say(f"release {10**14 + number}, quarantined: " + "\u2603" * 400)
    control = BundleControl()
    with closing(State.open(tmp_path)) as state:
        Diagnoser(state, tmp_path / "none", log, control, Clock()).answer(REQUEST, FACTS)
    (bundle,) = control.bundles
    encoded = msgspec.json.encode(bundle)
    assert len(encoded) <= MAX_BYTES
    assert bundle.left_out == MAX_LINES - len(bundle.log)
    assert bundle.log[-1].release == 10**14 + 2 * MAX_LINES - 1
    assert "\u2603" not in encoded.decode()
    assert (bundle.store, bundle.store_error) == (None, "exit code 2")


def test_texts_of_earlier_agents_are_not_stored(connection: sa.Connection) -> None:
    connection.execute(sa.insert(diagnoses).values(id="a" * 32, device="d" * 32, at=1.0, by="ann", lines=5))
    lines = [{"at": 1.0, "source": "model", "text": "source: got 'ward 3'"}]
    older = {"format": 1, "id": "a" * 32, "at": 2.0, "why": "got 'ward 3'", "store_error": "ward 3", "log": lines}
    reports.answer(connection, "d" * 32, msgspec.convert(older, Diagnosis), 3.0)
    (seen,) = reports.latest(connection, "d" * 32)
    assert "ward" not in str(seen.diagnosis)
    assert (seen.diagnosis["log"][0]["source"], seen.diagnosis["log"][0]["count"]) == ("model", 1)


def test_an_older_acknowledgement_asks_for_nothing() -> None:
    assert msgspec.json.decode(b'{"nonce":"n"}', type=Acknowledged).diagnose is msgspec.UNSET
    assert b"diagnose" not in msgspec.json.encode(Acknowledged(nonce="n"))


@pytest.fixture
def connection() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_an_answer_is_taken_once_of_the_device_that_was_asked(connection: sa.Connection) -> None:
    diagnosis = DiagnosisSeen(id="a" * 32, at=1.0, by="ann", lines=5)
    connection.execute(
        sa.insert(diagnoses).values(id=diagnosis.id, device="d" * 32, at=1.0, by="ann", lines=5)
    )  # fmt: skip
    bundle = Diagnosis(id=diagnosis.id, at=2.0)
    reports.answer(connection, "e" * 32, bundle, 3.0)
    assert reports.latest(connection, "d" * 32)[0].answered is None
    assert reports.pending(connection, ["d" * 32, "e" * 32]) == {"d" * 32: DiagnosisRequest(id=diagnosis.id, lines=5)}
    reports.answer(connection, "d" * 32, bundle, 3.0)
    reports.answer(connection, "d" * 32, msgspec.structs.replace(bundle, why="forged later"), 4.0)
    (seen,) = reports.latest(connection, "d" * 32)
    assert (seen.answered, seen.diagnosis["why"]) == (3.0, "")
    assert reports.pending(connection, ["d" * 32]) == {}


def test_the_latest_five_of_a_device_are_kept_and_one_question_waits(connection: sa.Connection) -> None:
    row = {"key": "k", "name": "n", "product": "p", "profile": "pi", "tags": (), "given": (), "batch": "b", "token": ""}
    connection.execute(sa.insert(devices).values(id="d" * 32, enrolled_at=1.0, nonce="", last_report_at=7.0, **row))
    for number in range(8):
        diagnosis = DiagnosisSeen(id=f"{number:032x}", at=float(number), by="ann", lines=5)
        assert reports.ask(connection, "d" * 32, diagnosis) == 7.0
        reports.answer(connection, "d" * 32, Diagnosis(id=diagnosis.id, at=2.0), 9.0)
    for number in (8, 9):
        reports.ask(connection, "d" * 32, DiagnosisSeen(id=f"{number:032x}", at=float(number), by="ann", lines=5))
    assert [one.at for one in reports.latest(connection, "d" * 32)] == [9.0, 7.0, 6.0, 5.0, 4.0]
    with pytest.raises(RefusedError, match="an enrolled device"):
        reports.ask(connection, "e" * 32, diagnosis)


ONE = (Stage(name="device", percent=100.0, cohorts=("chosen",), dwell=HOUR),)


def to_device(plant: Town, name: str, unit: Unit, **changes: Any) -> Plan:  # noqa: ANN401 - fields of Plan
    """Return a plan for one device."""
    salt = "ab" * 32
    cohort = Cohort(devices=(listed(salt, unit.id),))
    fields = {"stages": ONE, "cohorts": {"chosen": cohort}, "gates": (), "salt": salt, **changes}
    planned = plant.plan(name, few=0, **{k: v for k, v in fields.items() if k != "salt"})
    salted: Plan = type(planned)(
        **{f: getattr(planned, f) for f in planned.__struct_fields__ if f != "salt"}, salt=salt
    )
    return salted


@pytest.mark.slow
def test_a_release_reaches_one_device_while_the_rollout_of_its_product_goes_on(tmp_path: Path) -> None:
    with town(tmp_path, 3) as plant:
        one, *others = plant.units
        plant.base()
        waits = (Stage(name="later", percent=0.001, dwell=30 * HOUR), Stage(name="all", percent=100.0))
        plant.roll_out(plant.plan("main", few=0, stages=waits, gates=()))
        change, (newer, back) = prepare_release(plant.fleet, package(tmp_path, "2"), plant.clock.now, product="main")
        apply(plant.fleet, change, plant.clock.now)  # the server takes it in
        single = to_device(plant, "single", one, release=newer.release, revert=back.release)
        plant.roll_out(single)
        plant.run(2 * HOUR)
        assert one.counter == newer.release.counter
        assert one.state.device_state.trial is None
        assert [unit.counter for unit in others] == [plant.old.counter] * 2
        # The others keep nothing of a plan that is none of theirs, and say what their own rollout wants.
        assert all(unit.state.device_state.followed("single") is None for unit in others)
        assert all("no cohort" not in unit.agent.why for unit in others)
        assert plant.server is not None
        plant.server.rollouts.steer("main", "ann", "aborted")
        everybody = (Stage(name="all", percent=100.0, gated=False),)
        plant.roll_out(
            plant.plan("whole", few=0, release=newer.release, revert=back.release, stages=everybody, gates=())
        )
        plant.run(2 * HOUR)
        assert plant.counters() == [newer.release.counter] * 3


@pytest.mark.slow
def test_a_device_that_was_away_gets_its_release_when_it_is_back(tmp_path: Path) -> None:
    with town(tmp_path, 2) as plant:
        one = plant.units[0]
        plant.base()
        one.dead = True
        plant.roll_out(to_device(plant, "single", one))
        plant.run(5 * HOUR)
        one.dead = False
        plant.run(2 * HOUR)
        assert plant.counters() == [plant.new.counter, plant.old.counter]


def test_plans_for_single_devices_are_told_from_others() -> None:
    one = {"chosen": Cohort(devices=("0" * 64,))}
    assert lists_devices(plan(stages=ONE, cohorts=one))
    assert not lists_devices(plan(stages=ONE, cohorts={"chosen": Cohort(tags=("lab",))}))
    assert not lists_devices(plan(stages=(*ONE, Stage(name="all", percent=100.0)), cohorts=one))


@pytest.mark.slow
def test_few_of_them_go_on_at_once_and_none_takes_the_place_of_the_products_own_rollout(tmp_path: Path) -> None:
    example = Example(tmp_path)
    one = {"stages": ONE, "cohorts": {"chosen": Cohort(devices=("0" * 64,))}}
    try:
        example.started(id="whole")
        for number in range(MOST_DEPLOYS):
            example.started(id=f"single-{number}", **one)
        with pytest.raises(InputError, match=f"fewer than {MOST_DEPLOYS}"):
            example.started(id="one-more", **one)
        with pytest.raises(InputError, match="one rollout of a product"):
            example.started(id="another")
        with example.database.reading() as connection:
            entries = connection.execute(sa.select(rollouts).order_by(rollouts.c.started_at, rollouts.c.plan.desc()))
            rows = [{**row._mapping, "state": "finished"} for row in entries]
        late = [{**row, "plan": f"late-{row['plan']}", "started_at": row["started_at"] + 99.0} for row in rows[1:]]
        assert {row["plan"] for row in in_index([*rows, *late])} == {"whole", *(row["plan"] for row in late)}
    finally:
        example.close()


@pytest.mark.slow
def test_a_package_and_a_release_are_deployed_by_name(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "fleet"
    cli("fleet", "init", folder)
    here = ("--fleet", folder)
    cli("fleet", "publish", package(tmp_path, "0"), *here)
    one, other = enrolled_devices(folder, 2)
    cli("fleet", "device", "rename", one.id, "pump-1", *here)
    seen = cli.json("fleet", "device", "deploy", "pump-1", "main:1", *here)
    assert (seen["state"], seen["counter"], [stage["name"] for stage in seen["stages"]]) == ("running", 1, ["device"])
    file = next((folder / "public" / "targets" / "plans").glob("*.deploy-main-1-*.json"))
    signed = json.loads(file.read_bytes())
    assert signed["cohorts"]["chosen"]["devices"] == [listed(signed["salt"], one.id)]
    assert one.id not in file.read_text()
    with_settings = ("--settings", tmp_path / "settings.toml")
    with_settings[1].write_text("[agent]\nslow = 2.0\n")
    printed = cli("fleet", "device", "deploy", "pump-1", package(tmp_path, "1"), *with_settings, *here)
    assert "release 2 goes to pump-1 alone" in printed
    assert [one["carries"] for one in cli.json("fleet", "releases", *here)] == [[], ["settings"], []]
    printed = cli("fleet", "device", "deploy", "pump-1", package(tmp_path, "2"), *here)
    assert "release 2 has settings and this one has none" in printed
    assert "which has its own" in cli("fleet", "device", "deploy", "pump-1", "main:2", *with_settings, *here, code=2)
    assert "as pump:7" in cli("fleet", "device", "deploy", "pump-1", "nowhere.edge", *here, code=2)
    assert "other" in cli("fleet", "device", "deploy", "pump-1", "other:1", *here, code=2)

    async def reported() -> None:
        plane = open_plane(folder)
        try:
            other.client = Client(plane)
            assert (await other.report(counter=2, floor=2)).status_code == 200
        finally:
            plane.close()

    asyncio.run(reported())
    assert "a release above 2" in cli("fleet", "device", "deploy", other.id, "main:2", *here, code=2)
    cli("fleet", "device", "block", "pump-1", "--reason", "x", *here)
    assert "blocked" in cli("fleet", "device", "deploy", "pump-1", "main:2", *here, code=2)
