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
    kept.answer(connection, "d" * 32, msgspec.convert(older, Diagnosis), 3.0)
    (seen,) = kept.latest(connection, "d" * 32)
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
