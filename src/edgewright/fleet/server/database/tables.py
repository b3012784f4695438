"""Tables of the control plane, in what SQLite and PostgreSQL have in common.

Times are seconds since 1970 by the server's clock unless a comment says otherwise. A change
of a table needs a revision in `migrations/versions`; an empty database gets the tables as they stand here.
"""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from edgewright.schema.boards import BoardSeen


def boards_of(text: str) -> tuple[BoardSeen, ...]:
    """From the column; none where it is empty."""
    return msgspec.json.decode(text, type=tuple[BoardSeen, ...]) if text else ()


def written(boards: tuple[BoardSeen, ...]) -> str:
    """For the column; without characters that PostgreSQL keeps in no text."""
    return msgspec.json.encode(boards).decode() if boards else ""


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only where the key is called INTEGER; it holds 64 bits all the same.
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


class Words(sa.types.TypeDecorator[tuple[str, ...]]):
    """Tags in one column, as ',one,two,' so that one of them is found with LIKE; none of them holds a comma."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: sa.Dialect) -> str | None:
        """To the database."""
        return None if value is None else ("," + ",".join(value) + "," if value else "")

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> tuple[str, ...] | None:
        """From the database."""
        return None if value is None else tuple(value.strip(",").split(",")) if value else ()


devices = sa.Table(
    "devices",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),  # random, given after the key was seen
    sa.Column("key", sa.String(44), nullable=False, unique=True),  # Ed25519, base64
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("product", sa.String(63), nullable=False),
    sa.Column("profile", sa.String(64), nullable=False),
    sa.Column("tags", Words, nullable=False),  # of the token and, after them, those the device says itself
    sa.Column("given", Words, nullable=False),  # of the token alone: these only may decide over cohorts
    sa.Column("batch", sa.String(64), nullable=False, index=True),  # of the token
    sa.Column("token", sa.String(64), nullable=False),  # its hash: the same token and key give the same id again
    sa.Column("enrolled_at", sa.Double, nullable=False),
    sa.Column("version", sa.String(500), nullable=False, default=""),  # of Edgewright there
    sa.Column("counter", sa.BigInteger, nullable=False, default=0),  # release that runs
    sa.Column("floor", sa.BigInteger, nullable=False, default=0),
    sa.Column("phase", sa.String(16), nullable=False, default="idle"),
    sa.Column("plan", sa.String(63), nullable=False, default="", index=True),  # that it follows
    sa.Column("stage", sa.Integer, nullable=False, default=-1),  # highest that it has seen
    sa.Column("why", sa.String(500), nullable=False, default=""),
    sa.Column("held", sa.Text, nullable=False, default="{}"),  # versions of the signed roles there, JSON
    sa.Column("skew", sa.Double, nullable=False, default=0.0),  # its clock minus ours at the last report, seconds
    sa.Column("last_report_at", sa.Double, nullable=True),
    sa.Column("sequence", sa.BigInteger, nullable=False, default=-1),  # of the last report
    sa.Column("outcome", sa.BigInteger, nullable=False, default=0),  # highest number of an outcome that is durable
    sa.Column("nonce", sa.String(64), nullable=False),  # that the next report must return
    sa.Column("nonce_before", sa.String(64), nullable=False, default=""),  # that the last report returned
    sa.Column("digest", sa.String(64), nullable=False, default=""),  # SHA-256 of the last report's body
    sa.Column("acknowledged", sa.LargeBinary, nullable=True),  # the answer to it, given again when it is asked again
    sa.Column("quarantined", sa.Boolean, nullable=False, default=False, index=True),
    sa.Column("quarantine_reason", sa.String(500), nullable=False, default=""),
    sa.Column("quarantined_at", sa.Double, nullable=True),
    sa.Column("boards", sa.Text, nullable=False, server_default=""),  # behind it, JSON; empty for none
    sa.Index(None, "product", "counter"),
    sa.Index(None, "name", "id"),  # each order in which devices are listed page by page
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
    sa.Column("uses", sa.Integer, nullable=False, default=1),  # that are left
)


def _counted() -> list[sa.Column[object]]:
    """Return columns of `schema.fleet_report.Vitals`, which two tables have."""
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
        sa.Column("drifting", sa.Integer, nullable=False, default=0),  # how many channels
        sa.Column("channels", sa.Integer, nullable=False, default=0),
        sa.Column("detail", sa.Text, nullable=False, default="{}"),  # JSON: names that drift, classes
    ]


vitals = sa.Table(  # of each device the latest that it said
    "vitals",
    metadata,
    sa.Column("device", sa.String(32), primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("counter", sa.BigInteger, nullable=False),
    *_counted(),
)

reports = sa.Table(  # all of them, for as long as they are kept
    "reports",
    metadata,
    sa.Column("id", Number, primary_key=True, autoincrement=True),
    sa.Column("device", sa.String(32), nullable=False),
    sa.Column("at", sa.Double, nullable=False, index=True),
    sa.Column("clock", sa.Double, nullable=False),  # the device's
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),  # SHA-256 of the body: a report sent once more is known by it
    sa.Column("counter", sa.BigInteger, nullable=False),
    sa.Column("floor", sa.BigInteger, nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("plan", sa.String(63), nullable=False),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("model", sa.Boolean, nullable=False),  # whether it came with vitals; else the columns below are zero
    *_counted(),
    sa.Index(None, "device", "sequence"),
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
    sa.Column("at", sa.Double, nullable=True),  # when it was first allowed; silence counts from here
    sa.Column("why", sa.String(500), nullable=False, default=""),
    sa.Index(None, "plan", "go", "at"),
)

items = sa.Table(  # of the devices' outboxes
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

secrets = sa.Table(  # nothing is kept in it any more; older databases have it
    "secrets",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)

operators = sa.Table(
    "operators",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("token", sa.String(200), nullable=False),  # argon2id
    sa.Column("role", sa.String(16), nullable=False),  # viewer, operator, admin
    sa.Column("made_at", sa.Double, nullable=False),
)

audit = sa.Table(  # rows are only ever added; each holds the hash of the one before
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
    sa.Column("revert", sa.Boolean, nullable=False),  # an aborted rollout calls devices back
    sa.Column("version", sa.BigInteger, nullable=False),  # rises with every transition: compare and set
    sa.Column("why", sa.String(500), nullable=False),  # of the last transition
    sa.Column("started_at", sa.Double, nullable=False, index=True),
    sa.Column("started_by", sa.String(64), nullable=False),
    sa.Column("judged_at", sa.Double, nullable=True),  # when the gates were asked last
    sa.Column("judged", sa.Text, nullable=False),  # what they said, JSON of plans.gates.Judged
    sa.Column("holds", sa.String(500), nullable=False),  # why it does not go on now
)

signed = sa.Table(  # every version of every role that was ever to be published; bytes are never changed
    "signed",
    metadata,
    sa.Column("role", sa.String(64), primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)

signed_files = sa.Table(  # targets that the online role names; by content, so that two never differ under one path
    "signed_files",
    metadata,
    sa.Column("path", sa.String(200), primary_key=True),  # below the folder of targets
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)

heads = sa.Table(  # one row: which state of the signed files the next one follows
    "heads",
    metadata,
    sa.Column("name", sa.String(16), primary_key=True),
    sa.Column("serial", sa.BigInteger, nullable=False),  # compare and set
)
