"""Tables of the control plane, with the types that SQLite and PostgreSQL have in common.

Times are seconds since 1970 by the server's clock unless a comment says otherwise. A change
of a table needs a revision in `migrations/versions`; an empty database gets these tables directly.
"""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from edgewright.core.errors import FleetDatabaseError, RolloutStateError
from edgewright.core.measures import added
from edgewright.core.records.fleet import BoardSeen, Plan, Standing
from edgewright.fleet.protocol.plans.decision import UNDER_WAY, Traits, earliest, lasting, lists_devices
from edgewright.fleet.server.database import postgres


def boards_of(text: str) -> tuple[BoardSeen, ...]:
    """Decode the boards column; empty text means no boards."""
    return msgspec.json.decode(text, type=tuple[BoardSeen, ...]) if text else ()


def written(boards: tuple[BoardSeen, ...]) -> str:
    """Encode boards for the column; the JSON contains no character that PostgreSQL cannot store."""
    return msgspec.json.encode(boards).decode() if boards else ""


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite generates row numbers only for keys of type INTEGER, which also has 64 bits.
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class Words(sa.types.TypeDecorator[tuple[str, ...]]):
    """Tags in one column as ',one,two,', so that LIKE can find a tag; tags contain no commas."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: sa.Dialect) -> str | None:
        """Encode tags for the database."""
        return None if value is None else ("," + ",".join(value) + "," if value else "")

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> tuple[str, ...] | None:
        """Decode tags from the database."""
        return None if value is None else tuple(value.strip(",").split(",")) if value else ()


devices = sa.Table(
    "devices",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),  # random, assigned at enrolment
    sa.Column("key", sa.String(44), nullable=False, unique=True),  # Ed25519, base64
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("product", sa.String(63), nullable=False),
    sa.Column("profile", sa.String(64), nullable=False),
    sa.Column("tags", Words, nullable=False),  # tags of the token, followed by the device's own tags
    sa.Column("given", Words, nullable=False),  # tags of the token or an operator; only these determine cohorts
    sa.Column("batch", sa.String(64), nullable=False, index=True),  # of the token
    sa.Column("token", sa.String(64), nullable=False),  # hash of the token: the same token and key return the same id
    sa.Column("enrolled_at", sa.Double, nullable=False),
    sa.Column("version", sa.String(500), nullable=False, default=""),  # version of Edgewright on the device
    sa.Column("counter", sa.BigInteger, nullable=False, default=0),  # active release
    sa.Column("floor", sa.BigInteger, nullable=False, default=0),
    sa.Column("phase", sa.String(16), nullable=False, default="idle"),
    sa.Column("plan", sa.String(63), nullable=False, default="", index=True),  # followed plan
    sa.Column("stage", sa.Integer, nullable=False, default=-1),  # highest stage that the device has seen
    sa.Column("why", sa.String(500), nullable=False, default=""),
    sa.Column("held", sa.Text, nullable=False, default="{}"),  # versions of the signed roles on the device, JSON
    sa.Column("skew", sa.Double, nullable=False, default=0.0),  # device clock minus server clock, seconds
    sa.Column("last_report_at", sa.Double, nullable=True),
    sa.Column("sequence", sa.BigInteger, nullable=False, default=-1),  # of the last report
    sa.Column("outcome", sa.BigInteger, nullable=False, default=0),  # highest number of a durable outcome
    sa.Column("nonce", sa.String(64), nullable=False),  # nonce for the next report
    sa.Column("nonce_before", sa.String(64), nullable=False, default=""),  # nonce of the last report
    sa.Column("digest", sa.String(64), nullable=False, default=""),  # SHA-256 of the last report's body
    sa.Column("acknowledged", sa.LargeBinary, nullable=True),  # answer to the last report, for a repeated report
    sa.Column("quarantined", sa.Boolean, nullable=False, default=False, index=True),
    sa.Column("quarantine_reason", sa.String(500), nullable=False, default=""),
    sa.Column("quarantined_at", sa.Double, nullable=True),
    sa.Column("boards", sa.Text, nullable=False, server_default=""),  # boards behind the device, JSON; empty for none
    sa.Column("status", sa.String(8), nullable=False, server_default="active"),  # active, blocked, retired
    sa.Column("tagged_at", sa.Double, nullable=True),  # last change of `given`, which the device receives
    sa.Column("retries", sa.BigInteger, nullable=False, server_default="0"),  # retries that operators requested
    sa.Column("retry_release", sa.BigInteger, nullable=False, server_default="0"),  # release to retry
    sa.Column("retry_after", sa.BigInteger, nullable=False, server_default="0"),  # last outcome before the retry
    sa.Column("signed", sa.Double, nullable=False, server_default="0"),  # time of its newest verified rollout metadata
    sa.Column("transport_faults", sa.Integer, nullable=False, server_default="0"),  # failed downloads in a row
    sa.Column("transport_fault", sa.String(500), nullable=False, server_default=""),
    sa.Index(None, "product", "counter"),
    sa.Index(None, "name", "id"),  # indexes for the orders of the paged device list
    sa.Index(None, "counter", "id"),
    sa.Index(None, "last_report_at", "id"),
    sa.Index(None, "enrolled_at", "id"),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),  # SHA-256 of the secret, which has 192 random bits
    sa.Column("product", sa.String(63), nullable=False),
    sa.Column("tags", Words, nullable=False),
    sa.Column("batch", sa.String(64), nullable=False),
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("made_by", sa.String(64), nullable=False),
    sa.Column("expires", sa.Double, nullable=False),
    sa.Column("uses", sa.Integer, nullable=False, default=1),  # remaining uses
)


def _counted() -> list[sa.Column[object]]:
    """Return the columns of `schema.fleet_report.Vitals`, which two tables share."""
    return [
        sa.Column("seconds", sa.Double, nullable=False, default=0.0),
        sa.Column("windows", sa.BigInteger, nullable=False, default=0),
        sa.Column("unsure", sa.BigInteger, nullable=False, default=0),
        sa.Column("alarms", sa.BigInteger, nullable=False, default=0),
        sa.Column("anomalies", sa.BigInteger, nullable=False, default=0),
        sa.Column("crashes", sa.BigInteger, nullable=False, default=0),
        sa.Column("latency_p50", sa.Double, nullable=False, default=0.0),
        sa.Column("latency_p99", sa.Double, nullable=False, default=0.0),
        sa.Column("memory", sa.BigInteger, nullable=False, default=0),
        sa.Column("drifting", sa.Integer, nullable=False, default=0),  # number of drifting channels
        sa.Column("channels", sa.Integer, nullable=False, default=0),
        sa.Column("detail", sa.Text, nullable=False, default="{}"),  # JSON: drifting channels, classes
        *(sa.Column(name, sa.Double, nullable=False, server_default="0") for name in ("processor", *added())),
    ]


vitals = sa.Table(  # the latest vitals of each device
    "vitals",
    metadata,
    sa.Column("device", sa.String(32), primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("counter", sa.BigInteger, nullable=False),
    *_counted(),
)

reports = sa.Table(  # all reports within the retention time
    "reports",
    metadata,
    sa.Column("id", Number, primary_key=True, autoincrement=True),
    sa.Column("device", sa.String(32), nullable=False),
    sa.Column("at", sa.Double, nullable=False, index=True),
    sa.Column("clock", sa.Double, nullable=False),  # the device's
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),  # SHA-256 of the body, to recognise a repeated report
    sa.Column("counter", sa.BigInteger, nullable=False),
    sa.Column("floor", sa.BigInteger, nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("plan", sa.String(63), nullable=False),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("model", sa.Boolean, nullable=False),  # whether it has vitals; if not, the columns below are 0
    *_counted(),
    sa.Index(None, "device", "sequence"),
    sa.Index(None, "device", "at"),
    sa.Index(None, "counter", "at"),
)

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("device", sa.String(32), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("plan", sa.String(63), nullable=False),
    sa.Column("counter", sa.BigInteger, nullable=False),
    sa.Column("what", sa.String(16), nullable=False),
    sa.Column("because", sa.String(16), nullable=False),
    sa.Column("detail", sa.String(500), nullable=False),
    sa.Column("clock", sa.Double, nullable=False),  # the device's
    sa.Column("at", sa.Double, nullable=False),  # when it came
    sa.Index(None, "plan", "counter", "what", "device"),
    sa.Index(None, "plan", "at"),
    sa.Index(None, "at"),
)

intents = sa.Table(  # the latest answer to each device about each release
    "intents",
    metadata,
    sa.Column("device", sa.String(32), primary_key=True),
    sa.Column("plan", sa.String(63), primary_key=True),
    sa.Column("counter", sa.BigInteger, primary_key=True),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("asked_at", sa.Double, nullable=False),  # the last time
    sa.Column("go", sa.Boolean, nullable=False),
    sa.Column("at", sa.Double, nullable=True),  # first permission; silence is counted from here
    sa.Column("why", sa.String(500), nullable=False, default=""),
    sa.Index(None, "plan", "go", "at"),
)

items = sa.Table(  # items of the devices' outboxes
    "items",
    metadata,
    sa.Column("device", sa.String(32), primary_key=True),
    sa.Column("boot", sa.BigInteger, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("at", sa.Double, nullable=False, index=True),  # when it came
    sa.Column("body", sa.LargeBinary, nullable=False),  # JSON of schema.store.Item
    sa.Index(None, "kind", "at"),
)

diagnoses = sa.Table(  # what operators asked devices for, the latest few of each
    "diagnoses",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),  # random
    sa.Column("device", sa.String(32), nullable=False),
    sa.Column("at", sa.Double, nullable=False, index=True),
    sa.Column("by", sa.String(64), nullable=False),
    sa.Column("lines", sa.Integer, nullable=False),
    sa.Column("answered_at", sa.Double, nullable=True),
    sa.Column("body", sa.LargeBinary, nullable=True),  # JSON of schema.fleet_diagnosis.Diagnosis
    sa.Index(None, "device", "at"),
)

retention_clock = sa.Table(  # one row: until when the retention has followed the server's clock
    "retention_clock",
    metadata,
    sa.Column("name", sa.String(16), primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
)

operators = sa.Table(
    "operators",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("token", sa.String(200), nullable=False),  # its SHA-256, see authentication.hashed
    sa.Column("role", sa.String(16), nullable=False),  # viewer, operator, admin
    sa.Column("made_at", sa.Double, nullable=False),
    sa.Column("expires", sa.Double, nullable=True),  # empty for tokens of older versions, which do not expire
)

audit = sa.Table(  # append-only; each row contains the hash of the previous one
    "audit",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),  # from 1, without gaps
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("who", sa.String(64), nullable=False),
    sa.Column("what", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(200), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),  # JSON
    sa.Column("before", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
)

rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("plan", sa.String(63), primary_key=True),
    sa.Column("product", sa.String(63), nullable=False, index=True),
    sa.Column("counter", sa.BigInteger, nullable=False),  # of the release
    sa.Column("sha256", sa.String(64), nullable=False),  # of the plan's bytes
    sa.Column("body", sa.LargeBinary, nullable=False),  # the plan, as it was signed offline
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("entered", sa.Double, nullable=False),  # when the stage began
    sa.Column("revert", sa.Boolean, nullable=False),  # whether the aborted rollout rolls devices back
    sa.Column("version", sa.BigInteger, nullable=False),  # incremented by every transition, for compare-and-set
    sa.Column("why", sa.String(500), nullable=False),  # reason of the last transition
    sa.Column("started_at", sa.Double, nullable=False, index=True),
    sa.Column("started_by", sa.String(64), nullable=False),
    sa.Column("judged_at", sa.Double, nullable=True),  # last evaluation of the gates
    sa.Column("judged", sa.Text, nullable=False),  # their results, JSON of GateSeen
    sa.Column("holds", sa.String(500), nullable=False),  # why the rollout does not advance now
    sa.Column("history", sa.Text, nullable=False, server_default="[]"),  # earlier results, JSON of GatePoint
)

signed = sa.Table(  # all published versions of all roles; bytes never change
    "signed",
    metadata,
    sa.Column("role", sa.String(64), primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)

signed_files = sa.Table(  # targets of the online role; their paths contain a hash of the content
    "signed_files",
    metadata,
    sa.Column("path", sa.String(200), primary_key=True),  # below the folder of targets
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)

heads = sa.Table(  # one row: the current state of the signed files
    "heads",
    metadata,
    sa.Column("name", sa.String(16), primary_key=True),
    sa.Column("serial", sa.BigInteger, nullable=False),  # compare and set
)


START = "0" * 64
"""The first row's value for the hash of the previous row."""
_LAST = sa.select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)
_ADD = sa.insert(audit)


def digest(row: dict[str, Any]) -> str:
    """Return the SHA-256 of the previous hash and the row's content, as JSON with sorted keys."""
    content = {name: row[name] for name in ("before", "number", "at", "who", "what", "subject", "detail")}
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


def append_audit_row(
    connection: sa.Connection, *, at: float, who: str, action: str, subject: str = "",
    detail: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """Add a row; call it in the transaction of the logged action.

    Args:
        connection: connection in a write transaction.
        at: seconds since 1970.
        who: name of the operator, or a part of the server such as 'scheduler'.
        action: the action, such as 'token.made'.
        subject: object of the action.
        detail: more information, without secrets.
    """
    if connection.dialect.name == "postgresql":
        postgres.lock(connection, postgres.CHAIN)
    last = connection.execute(_LAST).one_or_none()
    number, before = (last.number + 1, last.hash) if last else (1, START)
    text = msgspec.json.encode(detail or {}, order="deterministic").decode()
    row: dict[str, Any] = {
        "number": number, "at": float(at), "who": who[:64], "what": action[:64], "subject": subject[:200],
        "detail": text, "before": before,
    }  # fmt: skip
    connection.execute(_ADD, {**row, "hash": digest(row)})


def verify_audit_log(connection: sa.Connection) -> tuple[int, str, str]:
    """Verify the whole chain.

    Returns:
        The number of valid rows from the first, the hash of the last of them, and the problem of the next row (empty
        for none). Rows missing at the end can be detected only with a hash that was noted earlier.
    """
    before, count = START, 0
    for audit_row in connection.execute(sa.select(audit).order_by(audit.c.number)):
        row = dict(audit_row._mapping)
        if row["number"] != count + 1:
            return count, before, f"row {count + 1} is missing"
        if row["before"] != before:
            return count, before, f"row {row['number']} does not follow the previous row"
        if digest(row) != row["hash"]:
            return count, before, f"row {row['number']} was changed"
        before, count = row["hash"], count + 1
    return count, before, ""


MOST_DEPLOYS = 8
"""Every device reads every plan of its product, and looks at the newest 16 rollouts."""
_ROW = sa.select(rollouts).where(rollouts.c.plan == sa.bindparam("plan"))


def in_index(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rollouts that devices must know, newest first: not over, aborted, or the last of a product that was finished.

    Those that list single devices do not stand for their product: the newest of them stay for devices that were away.
    """
    last: dict[str, str] = {}
    single = [row for row in rows if lists_devices(plan_of(row["body"]))]
    names = {row["plan"] for row in single}
    counted = Counter(row["product"] for row in single if row["state"] in UNDER_WAY)
    wanted = []
    for row in sorted(rows, key=lambda row: (row["started_at"], row["counter"]), reverse=True):
        if row["state"] == "finished" and row["plan"] in names:
            counted[row["product"]] += 1
            if counted[row["product"]] > MOST_DEPLOYS:
                continue
        elif row["state"] == "finished" and last.setdefault(row["product"], row["plan"]) != row["plan"]:
            continue
        wanted.append(row)
    return wanted


def watched(rows: list[dict[str, Any]], now: float) -> list[dict[str, Any]]:
    """Return the rollouts whose gates are asked: those that run, and a product's last one for a time after its end."""
    return [
        row for row in in_index(rows) if row["state"] == "running" or now < row["entered"] + plan_of(row["body"]).watch
    ]


@functools.lru_cache(256)
def plan_of(body: bytes) -> Plan:
    """Decode a plan.

    Raises:
        msgspec.DecodeError: the bytes are not a plan.
    """
    return msgspec.json.decode(body, type=Plan)


def standing_of(row: Mapping[str, Any]) -> Standing:
    """Return the standing of a rollout, which is signed."""
    return Standing(
        plan=row["plan"], sha256=row["sha256"], product=row["product"], state=row["state"], stage=row["stage"],
        entered=row["entered"], revert=bool(row["revert"]),
    )  # fmt: skip


def traits_of(row: Mapping[Any, Any], burned: frozenset[int] = frozenset()) -> Traits:
    """Return the traits of a device; only tags from its token or an operator determine cohorts."""
    return Traits(
        device=row["id"], tags=tuple(row["given"]), profile=row["profile"], product=row["product"],
        counter=row["counter"], floor=row["floor"], version=row["version"], burned=burned,
    )  # fmt: skip


def first_values(standing: Standing, body: bytes, who: str) -> dict[str, Any]:
    """Return the columns of a new rollout."""
    return {
        "product": standing.product, "counter": plan_of(body).release.counter, "sha256": standing.sha256, "body": body,
        "state": standing.state, "stage": standing.stage, "entered": standing.entered, "revert": standing.revert,
        "started_at": standing.entered, "started_by": who[:64], "judged_at": None, "judged": "[]", "holds": "",
    }  # fmt: skip


def next_due(plan: Plan, standing: Standing) -> float:
    """Return the earliest end of the current stage, in seconds since 1970."""
    after = plan.starts + earliest(plan, min(standing.stage + 1, len(plan.stages)))
    return max(standing.entered + plan.stages[standing.stage].dwell, after)


def say_stage(plan: Plan, stage: int) -> str:
    """Describe a stage, such as "'canary' (1 of 4, 1 %, at least 1 h)"."""
    part = plan.stages[stage]
    return f"{part.name!r} ({stage + 1} of {len(plan.stages)}, {part.percent:g} %, at least {lasting(part.dwell)})"


def row_of(connection: sa.Connection, plan: str) -> Mapping[str, Any] | None:
    """Return the row of a rollout; None if it does not exist."""
    row = connection.execute(_ROW, {"plan": plan}).one_or_none()
    return dict(row._mapping) if row else None


def need(connection: sa.Connection, plan: str) -> Mapping[str, Any]:
    """Return the row of a rollout.

    Raises:
        InputError: the rollout does not exist.
    """
    row = row_of(connection, plan)
    if row is None:
        known = list(connection.execute(sa.select(rollouts.c.plan).order_by(rollouts.c.started_at.desc())).scalars())
        raise RolloutStateError(
            f"a rollout ({', '.join(known[:10]) or 'none was started yet'})", repr(plan), "rollouts"
        )
    return row


def alone(connection: sa.Connection, plan: Plan) -> None:
    """Whether a plan may begin; those for single devices go on beside others, and take no number from them.

    Raises:
        InputError: another rollout of the product is not over, or had a higher counter; or many for single devices are
            not over.
    """
    single, deploys = lists_devices(plan), list[str]()
    query = sa.select(rollouts.c.plan, rollouts.c.state, rollouts.c.counter, rollouts.c.body)
    for row in connection.execute(query.where(rollouts.c.product == plan.release.product)):
        if single or lists_devices(plan_of(row.body)):
            deploys += [row.plan] if row.state in UNDER_WAY and lists_devices(plan_of(row.body)) else []
            continue
        if row.state in UNDER_WAY:
            do = f"Abort or finish it first: edgewright fleet rollout abort {row.plan}"
            raise RolloutStateError(
                "one rollout of a product at a time", f"{row.plan}, which is {row.state}", plan.id, do
            )
        back = plan_of(row.body).revert
        highest = back.counter if back is not None else row.counter
        if plan.release.counter <= highest:
            got = str(plan.release.counter)
            do = "Publish the package again: it gets the next number" if row.state == "aborted" else ""
            raise RolloutStateError(f"a release above {highest}, which rollout {row.plan} used", got, plan.id, do)
    if single and len(deploys) >= MOST_DEPLOYS:
        do = f"Wait, or abort one: edgewright fleet rollout abort {deploys[0]}"
        expected = f"fewer than {MOST_DEPLOYS} rollouts to single devices of a product at once"
        raise FleetDatabaseError(expected, f"{len(deploys)}: {', '.join(deploys)}", plan.id, do)


def aborted_before(connection: sa.Connection, plan: Plan) -> str:
    """Say which aborted rollouts had the same package; empty where none had."""
    query = sa.select(rollouts.c.plan, rollouts.c.counter, rollouts.c.body, rollouts.c.why).where(
        rollouts.c.product == plan.release.product, rollouts.c.state == "aborted"
    )
    same = [
        f"; the same package as release {row.counter}, whose rollout {row.plan} was aborted ({row.why[:150]})"
        for row in connection.execute(query.order_by(rollouts.c.started_at.desc()))
        if plan_of(row.body).release.sha256 == plan.release.sha256
    ]
    return "".join(same[:1])
