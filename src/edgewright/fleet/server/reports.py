"""Reports: many at once into the database, each acknowledged by bytes that are durable with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.fleet.server.api.endpoint import RefusedError
from edgewright.fleet.server.database.engine import update_rows, write_rows
from edgewright.fleet.server.database.tables import Words, devices, items, outcomes, reports, vitals, written
from edgewright.fleet.server.enrollments import FORKED, quarantine, shut_out
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.schema.fleet_report import Acknowledged, Outcome, Report, Vitals
from edgewright.schema.store import Item

_LARGEST = 2**53
_ITEM_COLUMNS = ("device", "boot", "sequence", "kind", "priority", "at", "body")
_OUTCOME_COLUMNS = ("device", "number", "plan", "counter", "what", "because", "detail", "clock", "at")
_ITEMS = msgspec.json.Decoder(Item)
_MOST = 2**40
"""Of a count: the database adds up a day of reports in 64 bits, and a device that lies may send one every second."""
_DETAIL = 16_384
"""Bytes of names and classes of one report that are kept."""


@dataclass(frozen=True)
class ReceivedReport:
    """A report whose signature was checked.

    Attributes:
        device: id.
        digest: SHA-256 of the body, hexadecimal: the very same report is known by it.
        at: seconds since 1970, the server's.
        nonce: random; the next report has to return it.
        items, raw: of the outbox, read and as they came.
        wait, more: seconds after which the next is welcome, and one with more of a backlog.
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
    """Return a report with its items read.

    Raises:
        InputError: numbers beyond 2^53, counts beyond 2^40, or an item that is none.
    """
    said = report.vitals or Vitals()
    numbers = [report.sequence, report.counter, report.floor, report.stage << 23, report.clock]
    numbers += [said.seconds, *said.latency]  # PostgreSQL has no sum of numbers near the largest of a computer
    numbers += [n for outcome in report.outcomes for n in (outcome.number, outcome.counter)]
    counts = (said.windows, said.unsure, said.alarms, said.anomalies, said.crashes, said.memory, said.channels << 10)
    try:
        # A device's come as they are; a simulated one's are no text yet.
        raw = tuple(
            bytes(item) if isinstance(item, msgspec.Raw) else msgspec.json.encode(item) for item in report.items
        )
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
    """Write reports; of each the acknowledgement, or why it was refused. A quarantine is written too.

    The same report sent again gets the same acknowledgement. One that is signed rightly but returns a nonce that was
    used up by another report shows that two devices have one key.
    """
    known = _rows(connection, group)
    answers: list[bytes | EdgewrightError] = []
    accepted: list[ReceivedReport] = []
    for one in group:
        row = known.get(one.device)
        answer = _standing(connection, one, row, accepted)
        if answer is None:
            assert row is not None  # noqa: S101 - `_standing` refuses what is unknown
            answer = _accept(one, row)
            accepted.append(one)
        answers.append(answer)
    _write(connection, accepted, known)
    return answers


def _rows(connection: sa.Connection, group: Sequence[ReceivedReport]) -> dict[str, dict[str, Any]]:
    c = devices.c
    wanted = sa.select(
        c.id, c.given, c.profile, c.version, c.sequence, c.outcome, c.nonce, c.nonce_before, c.digest, c.acknowledged,
        c.quarantined, c.quarantine_reason,
    ).where(c.id.in_({one.device for one in group}))  # fmt: skip
    # Another server may hear the same devices at this moment: locked in one order, so that neither waits for ever.
    wanted = wanted.order_by(c.id).with_for_update()
    return {row.id: dict(row._mapping) for row in connection.execute(wanted)}


def _standing(
    connection: sa.Connection, one: ReceivedReport, row: dict[str, Any] | None, accepted: Sequence[ReceivedReport]
) -> bytes | EdgewrightError | None:
    """Return an answer for a report that is not to be written; None for one that is."""
    if row is None:
        return RefusedError(404, "an enrolled device", "another id", one.device)
    if row["quarantined"]:
        return shut_out(row["quarantine_reason"])
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
    return shut_out(FORKED)


def _lost(one: ReceivedReport, row: dict[str, Any]) -> bool:
    """Return whether this may be a device that never heard the last acknowledgement and has been started anew since.

    It makes a later report with the nonce of the one before. A copy of the device could do the same, once: the holder
    of the nonce that is passed over here is then the one who is found out, at its next report.
    """
    return bool(row["nonce_before"] == one.report.nonce and one.report.sequence > row["sequence"])


def _seen_before(connection: sa.Connection, one: ReceivedReport, accepted: Sequence[ReceivedReport]) -> bool:
    """Return whether these very bytes were taken earlier: a replay by somebody without the key, which harms nobody."""
    if any(other.device == one.device and other.digest == one.digest for other in accepted):
        return True
    found = connection.execute(
        sa.select(reports.c.id).where(
            reports.c.device == one.device, reports.c.sequence == one.report.sequence, reports.c.digest == one.digest
        )
    )
    return found.first() is not None


def _accept(one: ReceivedReport, row: dict[str, Any]) -> bytes:
    """Return the acknowledgement; the row is as it will be."""
    report = one.report
    outcome = max([row["outcome"], *(told.number for told in report.outcomes)])
    durable = tuple((item.boot, item.sequence) for item in one.items)
    said = Acknowledged(nonce=one.nonce, outcomes=outcome, wait=one.wait, durable=durable, more=round(one.more, 2))
    answer = msgspec.json.encode(said)
    row.update(
        tags=tuple(dict.fromkeys((*row["given"], *report.tags))), profile=_plain(report.profile)[:64] or row["profile"],
        version=_plain(report.version) or row["version"], counter=report.counter, floor=report.floor,
        phase=report.phase, plan=_plain(report.plan)[:63], stage=report.stage, why=_plain(report.why),
        boards=written(report.boards),
        held=msgspec.json.encode(report.metadata).decode(), skew=report.clock - one.at, last_report_at=one.at,
        sequence=report.sequence, outcome=outcome, nonce_before=report.nonce, nonce=one.nonce, digest=one.digest,
        acknowledged=answer,
    )  # fmt: skip
    return answer


_CHANGED = (
    "tags", "profile", "version", "counter", "floor", "phase", "plan", "stage", "why", "boards", "held", "skew",
    "last_report_at", "sequence", "outcome", "nonce", "nonce_before", "digest", "acknowledged",
)  # fmt: skip
_VALUES = itemgetter(*_CHANGED[1:])
_WORDS = Words()
_COUNTED = (
    "seconds", "windows", "unsure", "alarms", "anomalies", "crashes", "latency_p50", "latency_p99", "memory",
    "drifting", "channels", "detail",
)  # fmt: skip
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
    return (
        vitals.seconds,
        vitals.windows,
        vitals.unsure,
        vitals.alarms,
        vitals.anomalies,
        vitals.crashes,
        vitals.latency[0],
        vitals.latency[1],
        vitals.memory,
        len(vitals.drifting),
        vitals.channels,
        detail.decode() if len(detail) <= _DETAIL else "{}",
    )


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
    # PostgreSQL has no text with a zero in it.
    return text.replace("\0", "")
