"""What may be in a device's answer to an operator: no data row, no field beyond the list, no more than 64 KiB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.fleet.device.diagnosis import Diagnoser, LogBuffer
from edgewright.fleet.device.state_database import State
from edgewright.fleet.server import diagnoses as kept
from edgewright.fleet.server.database.tables import devices, diagnoses, metadata
from edgewright.fleet.server.endpoint import RefusedError
from edgewright.schema.fleet_diagnosis import MAX_BYTES, MAX_LINES, Diagnosis, DiagnosisSeen
from edgewright.schema.fleet_report import Acknowledged, DiagnosisRequest, Report
from store_example import HandClock


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


def test_lines_of_the_model_lose_figures_and_quotations(log: LogBuffer) -> None:
    log.hear(b"source: expected 7 cells, got 2: 'ward 3,17.25,x'\nstore: wrote 12.5e-3")
    log.hear(b" MB \x1b[31m\n")
    assert [line.text for line in log.last(9)] == [
        "source: expected # cells, got # #", "store: wrote # MB  [#m",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("text", ["\u00e4" * 400, "\u2603" * 400, "x" * 400])
def test_an_answer_is_bounded_and_names_what_did_not_fit(tmp_path: Path, log: LogBuffer, text: str) -> None:
    for number in range(2 * MAX_LINES):
        log.say(f"{number} {text}")
    control = BundleControl()
    with closing(State.open(tmp_path)) as state:
        Diagnoser(state, tmp_path / "none", log, control, Clock()).answer(REQUEST, FACTS)
    (bundle,) = control.bundles
    assert len(msgspec.json.encode(bundle)) <= MAX_BYTES
    assert bundle.left_out == MAX_LINES - len(bundle.log) > 0
    assert bundle.log[-1].text.startswith(f"{2 * MAX_LINES - 1} ")
    assert (bundle.store, bool(bundle.store_error)) == (None, True)


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
    kept.answer(connection, "e" * 32, bundle, 3.0)
    assert kept.latest(connection, "d" * 32)[0].answered is None
    assert kept.pending(connection, ["d" * 32, "e" * 32]) == {"d" * 32: DiagnosisRequest(id=diagnosis.id, lines=5)}
    kept.answer(connection, "d" * 32, bundle, 3.0)
    kept.answer(connection, "d" * 32, msgspec.structs.replace(bundle, why="forged later"), 4.0)
    (seen,) = kept.latest(connection, "d" * 32)
    assert (seen.answered, seen.diagnosis["why"]) == (3.0, "")
    assert kept.pending(connection, ["d" * 32]) == {}


def test_the_latest_five_of_a_device_are_kept_and_one_question_waits(connection: sa.Connection) -> None:
    row = {"key": "k", "name": "n", "product": "p", "profile": "pi", "tags": (), "given": (), "batch": "b", "token": ""}
    connection.execute(sa.insert(devices).values(id="d" * 32, enrolled_at=1.0, nonce="", last_report_at=7.0, **row))
    for number in range(8):
        diagnosis = DiagnosisSeen(id=f"{number:032x}", at=float(number), by="ann", lines=5)
        assert kept.ask(connection, "d" * 32, diagnosis) == 7.0
        kept.answer(connection, "d" * 32, Diagnosis(id=diagnosis.id, at=2.0), 9.0)
    for number in (8, 9):
        kept.ask(connection, "d" * 32, DiagnosisSeen(id=f"{number:032x}", at=float(number), by="ann", lines=5))
    assert [one.at for one in kept.latest(connection, "d" * 32)] == [9.0, 7.0, 6.0, 5.0, 4.0]
    with pytest.raises(RefusedError, match="an enrolled device"):
        kept.ask(connection, "e" * 32, diagnosis)
