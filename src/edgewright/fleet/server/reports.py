"""Writes reports to the database in groups; each acknowledgement is stored in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.core.measures import columns
from edgewright.fleet.server import diagnoses
from edgewright.fleet.server.api.endpoint import RefusedError
from edgewright.fleet.server.database.engine import update_rows, write_rows
from edgewright.fleet.server.database.tables import Words, devices, items, outcomes, reports, vitals, written
from edgewright.fleet.server.device_access import FORKED, quarantine, shut_out
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.schema.fleet_report import Acknowledged, DiagnosisRequest, Outcome, Report, Vitals
from edgewright.schema.store import Item

_LARGEST = 2**53
_ITEM_COLUMNS = ("device", "boot", "sequence", "kind", "priority", "at", "body")
_OUTCOME_COLUMNS = ("device", "number", "plan", "counter", "what", "because", "detail", "clock", "at")
_ITEMS = msgspec.json.Decoder(Item)
_MOST = 2**40
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
    said = report.vitals or Vitals()
    numbers = [report.sequence, report.counter, report.floor, report.stage << 23, report.clock]
    numbers += [report.signed, *columns(said).values()]  # PostgreSQL cannot sum numbers close to the largest float
    numbers += [n for outcome in report.outcomes for n in (outcome.number, outcome.counter)]
    counts = (said.windows, said.unsure, said.alarms, said.anomalies, said.crashes, said.memory, said.channels << 10)
    try:
        raw = tuple(map(bytes, report.items))
        taken = tuple(map(_ITEMS.decode, raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError("items as the store writes them", str(error), "items") from None
    numbers += [n for item in taken for n in (item.boot, item.sequence)]
    if any(abs(number) > _LARGEST for number in numbers):
        raise InputError(f"numbers up to {_LARGEST}", "a larger one", "the report")
    if any(abs(count) > _MOST for count in counts):
        raise InputError(f"counts up to {_MOST}", "a larger one", "the report")
    return ReceivedReport(device, report, digest, at, nonce, wait, taken, raw, more)


def take(connection: sa.Connection, group: Sequence[ReceivedReport]) -> list[bytes | EdgewrightError]:
    """Write reports and return for each one its acknowledgement or the reason for its refusal.

    A repeated report gets the same acknowledgement. A correctly signed report with a nonce that another report has
    used shows that two devices have the same key; the device is then quarantined.
    """
    known = _rows(connection, group)
    requests = diagnoses.pending(connection, known)
    answers: list[bytes | EdgewrightError] = []
    accepted: list[ReceivedReport] = []
    for one in group:
        row = known.get(one.device)
        answer = _standing(connection, one, row, accepted)
        if answer is None:
            assert row is not None  # noqa: S101 - `_standing` refuses what is unknown
            answer = _accept(one, row, requests.get(one.device))
            accepted.append(one)
        answers.append(answer)
    _write(connection, accepted, known)
    return answers


def _rows(connection: sa.Connection, group: Sequence[ReceivedReport]) -> dict[str, dict[str, Any]]:
    c = devices.c
    wanted = sa.select(
        c.id, c.given, c.profile, c.version, c.sequence, c.outcome, c.nonce, c.nonce_before, c.digest, c.acknowledged,
        c.quarantined, c.quarantine_reason, c.status, c.tagged_at, c.retry_release, c.retries,
    ).where(c.id.in_({one.device for one in group}))  # fmt: skip
    # Another server may process reports of the same devices: lock rows in a fixed order to prevent a deadlock.
    wanted = wanted.order_by(c.id).with_for_update()
    return {row.id: dict(row._mapping) for row in connection.execute(wanted)}


def _standing(
    connection: sa.Connection, one: ReceivedReport, row: dict[str, Any] | None, accepted: Sequence[ReceivedReport]
) -> bytes | EdgewrightError | None:
    """Return the answer to a report that must not be written; None for a valid new report."""
    if row is None:
        return RefusedError(404, "an enrolled device", "another id", one.device)
    if row["quarantined"]:
        return shut_out(row["status"], row["quarantine_reason"])
    if row["digest"] == one.digest and row["sequence"] == one.report.sequence:
        return bytes(row["acknowledged"])
    if row["nonce"] == "" or _lost(one, row):
        return None
    if one.report.nonce == row["nonce"]:
        if one.report.sequence > row["sequence"]:
            return None
        return RefusedError(409, f"a sequence above {row['sequence']}", str(one.report.sequence), "sequence")
    if _seen_before(connection, one, accepted):
        return RefusedError(409, "a new report", "one that others followed already", "sequence")
    quarantine(connection, one.device, FORKED, one.at)
    row.update(quarantined=True, quarantine_reason=FORKED)
    return shut_out(row["status"], FORKED)


def _lost(one: ReceivedReport, row: dict[str, Any]) -> bool:
    """Return whether the device may have missed the last acknowledgement and restarted since.

    It then sends a new report with the previous nonce. A copy of the device could do the same once; the next report of
    the holder of the skipped nonce then reveals the copy.
    """
    return bool(row["nonce_before"] == one.report.nonce and one.report.sequence > row["sequence"])


def _seen_before(connection: sa.Connection, one: ReceivedReport, accepted: Sequence[ReceivedReport]) -> bool:
    """Return whether the same bytes were accepted earlier: a harmless replay, possible without the key."""
    if any(other.device == one.device and other.digest == one.digest for other in accepted):
        return True
    found = connection.execute(
        sa.select(reports.c.id).where(
            reports.c.device == one.device, reports.c.sequence == one.report.sequence, reports.c.digest == one.digest
        )
    )
    return found.first() is not None


def _accept(one: ReceivedReport, row: dict[str, Any], request: DiagnosisRequest | None) -> bytes:
    """Update the device's row with the report and return the acknowledgement."""
    report = one.report
    outcome = max([row["outcome"], *(told.number for told in report.outcomes)])
    durable = tuple((item.boot, item.sequence) for item in one.items)
    said = Acknowledged(
        nonce=one.nonce, outcomes=outcome, wait=one.wait, durable=durable, more=round(one.more, 2),
        tags=msgspec.UNSET if row["tagged_at"] is None else row["given"],
        retry=(row["retries"], row["retry_release"]) if row["retries"] else msgspec.UNSET,
        diagnose=request or msgspec.UNSET,
    )  # fmt: skip
    answer = msgspec.json.encode(said)
    row.update(
        tags=tuple(dict.fromkeys((*row["given"], *report.tags))), profile=_plain(report.profile)[:64] or row["profile"],
        version=_plain(report.version) or row["version"], counter=report.counter, floor=report.floor,
        phase=report.phase, plan=_plain(report.plan)[:63], stage=report.stage, why=_plain(report.why),
        boards=written(report.boards),
        held=msgspec.json.encode(report.metadata).decode(), skew=report.clock - one.at, last_report_at=one.at,
        sequence=report.sequence, outcome=outcome, nonce_before=report.nonce, nonce=one.nonce, digest=one.digest,
        acknowledged=answer, signed=report.signed, transport_faults=min(report.transport_faults, 2**31 - 1),
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
    changed = {one.device: known[one.device] for one in accepted}
    values = [(_WORDS.process_bind_param(r["tags"], dialect), *_VALUES(r), name) for name, r in changed.items()]
    update_rows(connection, devices, _CHANGED, values)
    reported = [(one, _counted(one.report.vitals)) for one in accepted]
    write_rows(connection, reports, _HISTORY, [_history(one, counted) for one, counted in reported])
    latest = {
        one.device: (one.device, one.at, one.report.counter, *counted)
        for one, counted in reported
        if one.report.vitals is not None
    }
    write_rows(connection, vitals, _VITALS, list(latest.values()), "replace")
    ended = [_outcome(one, outcome) for one in accepted for outcome in one.report.outcomes]
    write_rows(connection, outcomes, _OUTCOME_COLUMNS, ended, "keep")
    rows = [_item(one, *item) for one in accepted for item in zip(one.items, one.raw, strict=True)]
    write_rows(connection, items, _ITEM_COLUMNS, rows, "keep")


def _history(one: ReceivedReport, counted: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row in the order of `_HISTORY`."""
    report = one.report
    return (
        one.device, one.at, report.clock, report.sequence, one.digest, report.counter, report.floor, report.phase,
        _plain(report.plan)[:63], report.stage, report.vitals is not None, *counted,
    )  # fmt: skip


def _counted(vitals: Vitals | None) -> tuple[Any, ...]:
    """Return values in the order of `_COUNTED`."""
    vitals = vitals or Vitals()
    detail = msgspec.json.encode({"drifting": vitals.drifting, "classes": vitals.classes})
    shown = detail.decode() if len(detail) <= _DETAIL else "{}"
    return *columns(vitals).values(), shown


def _outcome(one: ReceivedReport, outcome: Outcome) -> tuple[Any, ...]:
    """Return a row in the order of `_OUTCOME_COLUMNS`."""
    return (
        one.device, outcome.number, _plain(outcome.plan)[:63], outcome.counter, outcome.what, outcome.because,
        _plain(outcome.detail), outcome.at, one.at,
    )  # fmt: skip


def _item(one: ReceivedReport, item: Item, raw: bytes) -> tuple[Any, ...]:
    """Return a row in the order of `_ITEM_COLUMNS`."""
    priority = item.body.get("priority")
    ordered = priority if isinstance(priority, int) and abs(priority) < 1000 else 0
    return one.device, item.boot, item.sequence, _plain(item.kind)[:64], int(ordered), one.at, raw


def _plain(text: str) -> str:
    # PostgreSQL cannot store zero bytes in text.
    return text.replace("\0", "")
