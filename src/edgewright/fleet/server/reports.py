"""Writes reports to the database in groups; each acknowledgement is stored in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.core.errors import EdgewrightError, RequestError
from edgewright.core.measures import columns
from edgewright.core.records.fleet import REPORT_FORMAT, Acknowledged, DiagnosisRequest, Outcome, Report, Vitals
from edgewright.device.store.records import Item
from edgewright.fleet.protocol.api_records import FORMAT, Diagnosis, DiagnosisSeen
from edgewright.fleet.server.database.engine import update_rows, write_rows
from edgewright.fleet.server.database.tables import Words, devices, diagnoses, items, outcomes, reports, vitals, written
from edgewright.fleet.server.device_access import FORKED, enrolled, quarantine, shut_out
from edgewright.fleet.server.endpoint import RefusedError

_LARGEST = 2**53
_ITEM_COLUMNS = ("device", "boot", "sequence", "kind", "priority", "at", "body")
_OUTCOME_COLUMNS = ("device", "number", "plan", "counter", "what", "because", "detail", "clock", "at")
_ITEMS = msgspec.json.Decoder(Item)
_MAX_COUNT = 2**40
"""Largest accepted count: the sum of a day's reports, possibly one per second, must fit into 64 bits."""
_DETAIL = 16_384
"""Largest size in bytes of a report's channel names and classes; larger ones are dropped."""


@dataclass(frozen=True)
class ReceivedReport:
    """A report with a verified signature.

    Attributes:
        device: id of the device.
        digest: SHA-256 of the body, hexadecimal, to recognise a repeated report.
        at: seconds since 1970 by the server's clock.
        nonce: random nonce for the device's next report.
        items, raw: items of the outbox, decoded and as received.
        wait, more: seconds until the next report, and until the next part of a backlog.
    """

    device: str
    report: Report
    digest: str
    at: float
    nonce: str
    wait: float
    items: tuple[Item, ...] = ()
    raw: tuple[bytes, ...] = ()
    more: float = 5.0


def arrived(
    device: str, report: Report, digest: str, *, at: float, nonce: str, wait: float, more: float = 5.0
) -> ReceivedReport:
    """Decode the items of a report and check its numbers.

    Raises:
        InputError: a number is above 2^53, a count above 2^40, or an item is invalid.
    """
    vitals = report.vitals or Vitals()
    numbers = [report.sequence, report.counter, report.floor, report.stage << 23, report.clock]
    numbers += [report.signed, *columns(vitals).values()]  # PostgreSQL cannot sum numbers close to the largest float
    numbers += [n for outcome in report.outcomes for n in (outcome.number, outcome.counter)]
    counts = (
        vitals.windows,
        vitals.unsure,
        vitals.alarms,
        vitals.anomalies,
        vitals.crashes,
        vitals.memory,
        vitals.channels << 10,
    )
    try:
        raw = tuple(map(bytes, report.items))
        items = tuple(map(_ITEMS.decode, raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError("items as the store writes them", str(error), "items") from None
    numbers += [n for item in items for n in (item.boot, item.sequence)]
    if any(abs(number) > _LARGEST for number in numbers):
        raise RequestError(f"numbers up to {_LARGEST}", "a larger one", "the report")
    if any(abs(count) > _MAX_COUNT for count in counts):
        raise RequestError(f"counts up to {_MAX_COUNT}", "a larger one", "the report")
    return ReceivedReport(device, _without_quotes(report), digest, at, nonce, wait, items, raw, more)


def _without_quotes(report: Report) -> Report:
    """Return a report without the texts of agents before format 2, which may quote rows or files of the device."""
    if report.format >= REPORT_FORMAT:
        return report
    replace = msgspec.structs.replace
    return replace(
        report, why="", transport_fault="", boards=tuple(replace(board, why="") for board in report.boards),
        outcomes=tuple(replace(outcome, detail="") for outcome in report.outcomes),
    )  # fmt: skip


def take(connection: sa.Connection, group: Sequence[ReceivedReport]) -> list[bytes | EdgewrightError]:
    """Write reports and return for each one its acknowledgement or the reason for its refusal.

    A repeated report gets the same acknowledgement. A correctly signed report with a nonce that another report has
    used shows that two devices have the same key; the device is then quarantined.
    """
    known = _rows(connection, group)
    requests = pending(connection, known)
    answers: list[bytes | EdgewrightError] = []
    accepted: list[ReceivedReport] = []
    for received in group:
        row = known.get(received.device)
        answer = _standing(connection, received, row, accepted)
        if answer is None:
            assert row is not None  # noqa: S101 - `_standing` refuses what is unknown
            answer = _accept(received, row, requests.get(received.device))
            accepted.append(received)
        answers.append(answer)
    _write(connection, accepted, known)
    return answers


def _rows(connection: sa.Connection, group: Sequence[ReceivedReport]) -> dict[str, dict[str, Any]]:
    c = devices.c
    wanted = sa.select(
        c.id, c.given, c.profile, c.version, c.sequence, c.outcome, c.nonce, c.nonce_before, c.digest, c.acknowledged,
        c.quarantined, c.quarantine_reason, c.status, c.tagged_at, c.retry_release, c.retries,
    ).where(c.id.in_({received.device for received in group}))  # fmt: skip
    # Another server may process reports of the same devices: lock rows in a fixed order to prevent a deadlock.
    wanted = wanted.order_by(c.id).with_for_update()
    return {row.id: dict(row._mapping) for row in connection.execute(wanted)}


def _standing(
    connection: sa.Connection, received: ReceivedReport, row: dict[str, Any] | None, accepted: Sequence[ReceivedReport]
) -> bytes | EdgewrightError | None:
    """Return the answer to a report that must not be written; None for a valid new report."""
    if row is None:
        return RefusedError(404, "an enrolled device", "another id", received.device)
    if row["quarantined"]:
        return shut_out(row["status"], row["quarantine_reason"])
    if row["digest"] == received.digest and row["sequence"] == received.report.sequence:
        return bytes(row["acknowledged"])
    if row["nonce"] == "" or _lost(received, row):
        return None
    if received.report.nonce == row["nonce"]:
        if received.report.sequence > row["sequence"]:
            return None
        return RefusedError(409, f"a sequence above {row['sequence']}", str(received.report.sequence), "sequence")
    if _seen_before(connection, received, accepted):
        return RefusedError(409, "a new report", "one that others followed already", "sequence")
    quarantine(connection, received.device, FORKED, received.at)
    row.update(quarantined=True, quarantine_reason=FORKED)
    return shut_out(row["status"], FORKED)


def _lost(received: ReceivedReport, row: dict[str, Any]) -> bool:
    """Return whether the device may have missed the last acknowledgement and restarted since.

    It then sends a new report with the previous nonce. A copy of the device could do the same once; the next report of
    the holder of the skipped nonce then reveals the copy.
    """
    return bool(row["nonce_before"] == received.report.nonce and received.report.sequence > row["sequence"])


def _seen_before(connection: sa.Connection, received: ReceivedReport, accepted: Sequence[ReceivedReport]) -> bool:
    """Return whether the same bytes were accepted earlier: a harmless replay, possible without the key."""
    if any(other.device == received.device and other.digest == received.digest for other in accepted):
        return True
    same = connection.execute(
        sa.select(reports.c.id).where(
            reports.c.device == received.device,
            reports.c.sequence == received.report.sequence,
            reports.c.digest == received.digest,
        )
    )
    return same.first() is not None


def _accept(received: ReceivedReport, row: dict[str, Any], request: DiagnosisRequest | None) -> bytes:
    """Update the device's row with the report and return the acknowledgement."""
    report = received.report
    outcome = max([row["outcome"], *(outcome_new.number for outcome_new in report.outcomes)])
    durable = tuple((item.boot, item.sequence) for item in received.items)
    acknowledgement = Acknowledged(
        nonce=received.nonce, outcomes=outcome, wait=received.wait, durable=durable, more=round(received.more, 2),
        tags=msgspec.UNSET if row["tagged_at"] is None else row["given"],
        retry=(row["retries"], row["retry_release"]) if row["retries"] else msgspec.UNSET,
        diagnose=request or msgspec.UNSET,
    )  # fmt: skip
    answer = msgspec.json.encode(acknowledgement)
    row.update(
        tags=tuple(dict.fromkeys((*row["given"], *report.tags))), profile=_plain(report.profile)[:64] or row["profile"],
        version=_plain(report.version) or row["version"], counter=report.counter, floor=report.floor,
        phase=report.phase, plan=_plain(report.plan)[:63], stage=report.stage, why=_plain(report.why),
        boards=written(report.boards),
        held=msgspec.json.encode(report.metadata).decode(), skew=report.clock - received.at, last_report_at=received.at,
        sequence=report.sequence, outcome=outcome, nonce_before=report.nonce, nonce=received.nonce,
        digest=received.digest, acknowledged=answer, signed=report.signed,
        transport_faults=min(report.transport_faults, 2**31 - 1),
        transport_fault=_plain(report.transport_fault),
    )  # fmt: skip
    return answer


_CHANGED = (
    "tags", "profile", "version", "counter", "floor", "phase", "plan", "stage", "why", "boards", "held", "skew",
    "last_report_at", "sequence", "outcome", "nonce", "nonce_before", "digest", "acknowledged",
    "signed", "transport_faults", "transport_fault",
)  # fmt: skip
_VALUES = itemgetter(*_CHANGED[1:])
_WORDS = Words()
_COUNTED = (*columns(Vitals()), "detail")
_VITALS = ("device", "at", "counter", *_COUNTED)
_HISTORY = (
    "device", "at", "clock", "sequence", "digest", "counter", "floor", "phase", "plan", "stage", "model", *_COUNTED,
)  # fmt: skip


def _write(
    connection: sa.Connection, accepted: Sequence[ReceivedReport], known: Mapping[str, Mapping[str, Any]]
) -> None:
    if not accepted:
        return
    dialect = connection.dialect
    changed = {received.device: known[received.device] for received in accepted}
    values = [(_WORDS.process_bind_param(r["tags"], dialect), *_VALUES(r), name) for name, r in changed.items()]
    update_rows(connection, devices, _CHANGED, values)
    reported = [(received, _counted(received.report.vitals)) for received in accepted]
    write_rows(connection, reports, _HISTORY, [_history(received, counted) for received, counted in reported])
    latest = {
        received.device: (received.device, received.at, received.report.counter, *counted)
        for received, counted in reported
        if received.report.vitals is not None
    }
    write_rows(connection, vitals, _VITALS, list(latest.values()), "replace")
    ended = [_outcome(received, outcome) for received in accepted for outcome in received.report.outcomes]
    write_rows(connection, outcomes, _OUTCOME_COLUMNS, ended, "keep")
    rows = [_item(received, *item) for received in accepted for item in zip(received.items, received.raw, strict=True)]
    write_rows(connection, items, _ITEM_COLUMNS, rows, "keep")


def _history(received: ReceivedReport, counted: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row in the order of `_HISTORY`."""
    report = received.report
    return (
        received.device, received.at, report.clock, report.sequence, received.digest, report.counter, report.floor,
        report.phase, _plain(report.plan)[:63], report.stage, report.vitals is not None, *counted,
    )  # fmt: skip


def _counted(vitals: Vitals | None) -> tuple[Any, ...]:
    """Return values in the order of `_COUNTED`."""
    vitals = vitals or Vitals()
    detail = msgspec.json.encode({"drifting": vitals.drifting, "classes": vitals.classes})
    shown = detail.decode() if len(detail) <= _DETAIL else "{}"
    return *columns(vitals).values(), shown


def _outcome(received: ReceivedReport, outcome: Outcome) -> tuple[Any, ...]:
    """Return a row in the order of `_OUTCOME_COLUMNS`."""
    return (
        received.device, outcome.number, _plain(outcome.plan)[:63], outcome.counter, outcome.result, outcome.because,
        _plain(outcome.detail), outcome.at, received.at,
    )  # fmt: skip


def _item(received: ReceivedReport, item: Item, raw: bytes) -> tuple[Any, ...]:
    """Return a row in the order of `_ITEM_COLUMNS`."""
    priority = item.body.get("priority")
    ordered = priority if isinstance(priority, int) and abs(priority) < 1000 else 0
    return received.device, item.boot, item.sequence, _plain(item.kind)[:64], int(ordered), received.at, raw


def _plain(text: str) -> str:
    # PostgreSQL cannot store zero bytes in text.
    return text.replace("\0", "")


KEPT = 5
"""Requests of one device that stay, with their answers."""


def ask(connection: sa.Connection, device: str, diagnosis: DiagnosisSeen) -> float | None:
    """Store a request; one that was not answered yet is replaced. Return when the device reported last.

    Raises:
        RefusedError: no such device.
    """
    last: float | None = enrolled(connection, device, sa.select(devices.c.last_report_at)).last_report_at
    of = diagnoses.c.device == device
    connection.execute(sa.delete(diagnoses).where(of, diagnoses.c.answered_at.is_(None)))
    old = sa.select(diagnoses.c.id).where(of).order_by(diagnoses.c.at.desc()).offset(KEPT - 1)
    old_ids = list(connection.execute(old).scalars())
    connection.execute(sa.delete(diagnoses).where(diagnoses.c.id.in_(old_ids)))
    values = {"id": diagnosis.id, "device": device, "at": diagnosis.at, "by": diagnosis.by, "lines": diagnosis.lines}
    connection.execute(sa.insert(diagnoses).values(values))
    return last


def pending(connection: sa.Connection, names: Iterable[str]) -> dict[str, DiagnosisRequest]:
    """Return what was asked of these devices and not answered."""
    c = diagnoses.c
    wanted = sa.select(c.device, c.id, c.lines).where(c.device.in_(list(names)), c.answered_at.is_(None))
    return {row.device: DiagnosisRequest(id=row.id, lines=row.lines) for row in connection.execute(wanted)}


def answer(connection: sa.Connection, device: str, diagnosis: Diagnosis, now: float) -> None:
    """Store an answer once; what nobody asked this device for is dropped without a word.

    It is encoded again, so that nothing but the fields of `Diagnosis` is stored. Texts of errors that earlier agents
    sent may quote rows or files, so they are dropped.
    """
    if diagnosis.format < FORMAT:
        diagnosis = msgspec.structs.replace(diagnosis, why="", store_error="")
    mine = sa.and_(diagnoses.c.id == diagnosis.id, diagnoses.c.device == device, diagnoses.c.answered_at.is_(None))
    values = {"answered_at": now, "body": msgspec.json.encode(diagnosis)}
    connection.execute(sa.update(diagnoses).where(mine).values(values))


def latest(connection: sa.Connection, device: str) -> tuple[DiagnosisSeen, ...]:
    """Return those of a device, newest first."""
    rows = connection.execute(
        sa.select(diagnoses).where(diagnoses.c.device == device).order_by(diagnoses.c.at.desc()).limit(KEPT)
    )
    return tuple(
        DiagnosisSeen(
            id=row.id, at=row.at, by=row.by, lines=row.lines, answered=row.answered_at,
            diagnosis=None if row.body is None else msgspec.json.decode(row.body),
        )
        for row in rows
    )  # fmt: skip
