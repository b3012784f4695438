"""`edgewright device status`: what a store holds, what waits to leave, what was written and what was damaged."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgewright.cli.command import Result, declare, option
from edgewright.cli.commands.device._fleet import fleet_lines, followed
from edgewright.cli.commands.device._store import STORE, when
from edgewright.core.errors import CheckFailedError, OutputError
from edgewright.core.formatting import bytes_text

if TYPE_CHECKING:
    from edgewright.device.store.records import StoreState

_SLACK = 300.0
"""Seconds by which a clock may be behind the fleet's and nobody is told."""


def clock_lines(store: Path, now: float) -> list[str]:
    """Return a line where the clock keeps the device from following its fleet, or may; none where it does not.

    Args:
        store: its folder.
        now: seconds since 1970 by the device's clock.
    """
    record = _word(store)
    if record is None or not record.signed:
        return []
    from edgewright.fleet.protocol.plans.decision import day, lasting

    text = f"  last signature of the fleet: {day(record.signed)}; device clock: {day(now)}; "
    if now < record.signed - _SLACK:
        late = lasting(record.signed - now)
        text += f"the clock is at least {late} behind. Set it: TLS fails before the certificate of the server starts"
        return [f"{text}, and maintenance windows use the signed time"]
    if now >= record.expires:
        text += "this signature has expired, so nothing new starts. Set the clock if it is wrong; "
        return [f"{text}if it is right, the fleet is unreachable or has signed nothing since"]
    return []


def _word(store: Path) -> Any:  # noqa: ANN401 - trust.memory.Word
    """Return what was verified last, read beside the agent; None where there is none, or it cannot be read now."""
    import sqlite3
    from contextlib import closing

    from edgewright.core.read_only_database import connect_read_only, read_unchanged
    from edgewright.fleet.device.enrollment import TRUST_FOLDER
    from edgewright.fleet.device.trust.pinned_root import FILE, VerifiedMetadata

    path = store / TRUST_FOLDER / FILE
    if not path.exists():
        return None

    def word() -> VerifiedMetadata | None:
        with closing(connect_read_only(path, timeout=2.0)) as database:
            row = database.execute("SELECT value FROM words").fetchone()
        return msgspec.json.decode(row[0], type=VerifiedMetadata) if row else None

    try:
        return read_unchanged(path, word)
    except (sqlite3.Error, msgspec.DecodeError, OutputError):
        return None


@declare(example="--store /var/lib/edgewright")
def command(
    store: Path = STORE, check: bool = option(help="Also read every page; exits with 1 if one is damaged.")
) -> Result:
    """Show what a store holds; the agent may be running."""
    from edgewright.device.store import reader, recovery, status

    if check:
        problem = reader.read(store, lambda database: recovery.sound(database, deep=True))
        if problem:
            raise CheckFailedError(
                f"{store} is damaged: {problem}",
                "The next `edgewright device run` moves it aside and recovers readable entries",
            )
    state, fleet = status.read_state(store), followed(store)
    lines = [*_lines(state), *fleet_lines(fleet), *(clock_lines(store, time.time()) if fleet else [])]
    lines += ["every page was read, no damage"] if check else []
    return Result({**msgspec.to_builtins(state), "fleet": fleet} if fleet else state, lines)


def _lines(state: StoreState) -> list[str]:
    from edgewright.core.records.device import PRIORITY
    from edgewright.device.store.records import RAW_PRIORITY
    from edgewright.device.store.status import INSTEAD

    names = {**{priority: name for name, priority in PRIORITY.items()}, RAW_PRIORITY: "rows"}
    lines = [
        f"device {state.device}, boot {state.boot}, {state.running_days:.1f} days of running time",
        f"on the disk {bytes_text(state.disk_bytes + state.ballast_bytes)} of {bytes_text(state.quota)}, "
        f"{bytes_text(state.ballast_bytes)} of it ballast",
    ]
    for name, table in state.tables.items():
        span = f", {when(table.oldest)} to {when(table.newest)}" if table.newest is not None else ""
        lines.append(f"  {name:<7} {table.entries:>9,} entries {bytes_text(table.bytes):>9}{span}")
    waiting = ", ".join(f"{count:,} {names.get(p, f'priority {p}')}" for p, count in sorted(state.waiting.items()))
    lines.append(f"waiting to leave: {waiting or 'nothing'}")
    if state.aside:
        aside = ", ".join(f"{count:,} {names.get(p, f'priority {p}')}" for p, count in sorted(state.aside.items()))
        lines.append(f"  refused by the fleet, kept here: {aside}; last reason: {state.aside_why or 'no reason given'}")
    lines += [
        f"  dropped ({lost.reason}): {lost.items:,} {names.get(lost.priority, f'priority {lost.priority}')}, "
        f"{bytes_text(lost.bytes)}"
        for lost in state.dropped
    ]
    if state.withheld:
        lines.append(f"  not sent: {state.withheld:,} values whose names are not in send_detail")
    lines.append(
        f"written: {bytes_text(state.written_today)} in the last day of running, {bytes_text(state.written_ever)} ever"
    )
    if (source := state.source) is not None:
        lost = source.loses or "nothing is lost while the agent is away"
        reached = f" read to {source.reached}," if source.reached else ""
        lines.append(f"source {source.source}:{reached} stored {when(source.wall)}; {lost}")
    lines += [
        f"package {name!r} answers with what it learned here since {when(at)}" for name, at in state.learned.items()
    ]
    lines += [
        f"package {name!r} was refused at the last start, {INSTEAD}: {why}" for name, why in state.refused.items()
    ]
    lines += [
        f"damage{f' in boot {d.boot}' if d.boot else ''} ({when(d.wall)}): {d.subject}; set aside as {d.file}, saved "
        + (", ".join(f"{count:,} {name}" for name, count in d.rescued.items() if count) or "nothing")
        for d in state.damage
    ]
    if state.set_aside_bytes:
        lines.append(f"set aside: {bytes_text(state.set_aside_bytes)} (edgewright device purge --set-aside deletes it)")
    return lines
