"""Which releases run where: devices counted by a trait and the release that they run."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa

from edgewright.fleet.server.database.tables import devices
from edgewright.schema.fleet_watch import Spread, SpreadPart, Trait

_COLUMNS = {
    "product": devices.c.product, "profile": devices.c.profile, "batch": devices.c.batch,
    "version": devices.c.version, "phase": devices.c.phase, "tag": devices.c.given,
}  # fmt: skip


def spread(connection: sa.Connection, by: Trait, product: str, limit: int) -> Spread:
    """Counts in the database; what comes back is as long as there are different values.

    Tags are those of enrolment, which cohorts go by. Devices that share all their tags come back as one row.
    """
    column, number = _COLUMNS[by], sa.func.count()
    query = sa.select(column, devices.c.counter, number).group_by(column, devices.c.counter)
    if product:
        query = query.where(devices.c.product == product)
    found: dict[str, Counter[int]] = {}
    for value, counter, count in connection.execute(query):
        for one in (value or ("",)) if by == "tag" else (value,):
            found.setdefault(one, Counter())[counter] += count
    ordered = sorted(found.items(), key=lambda part: (-part[1].total(), part[0]))
    return Spread(
        by=by,
        parts=tuple(
            SpreadPart(value=value, total=counts.total(), counters=dict(sorted(counts.items())))
            for value, counts in ordered[:limit]
        ),
        more=max(0, len(ordered) - limit),
    )
