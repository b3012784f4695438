"""What `device status` says of the clock: against what the device's fleet signed last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_SLACK = 300.0
"""Seconds by which a clock may be behind the fleet's and nobody is told."""


def clock_lines(store: Path, now: float) -> list[str]:
    """A line where the clock keeps the device from following its fleet, or may; none where it does not.

    Args:
        store: its folder.
        now: seconds since 1970 by the device's clock.
    """
    found = _word(store)
    if found is None or not found.signed:
        return []
    from edgewright.fleet.protocol.plans.formatting import day, lasting

    said = f"  its fleet signed last on {day(found.signed)}, and the clock here says {day(now)}: "
    if now < found.signed - _SLACK:
        late = lasting(found.signed - now)
        said += (
            f"the clock is {late} behind or more. Set it; over TLS no server is reached before its certificate begins"
        )
        return [f"{said} to hold, and maintenance windows go by the signed time"]
    if now >= found.expires:
        said += "that word has expired, so nothing new begins. Set the clock if it is wrong; "
        return [f"{said}if it is right, the fleet is not reached, or has signed nothing since"]
    return []


def _word(store: Path) -> Any:  # noqa: ANN401 - trust.memory.Word
    """What was verified last, read beside the agent; None where there is none, or it cannot be read now."""
    import sqlite3

    import msgspec

    from edgewright.fleet.device.enrollment import TRUST_FOLDER
    from edgewright.fleet.device.trust.metadata_state import FILE, Word

    path = store / TRUST_FOLDER / FILE
    if not path.exists():
        return None
    try:
        with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2.0) as database:
            row = database.execute("SELECT value FROM words").fetchone()
        database.close()
        return msgspec.json.decode(row[0], type=Word) if row else None
    except (sqlite3.Error, msgspec.DecodeError):
        return None
