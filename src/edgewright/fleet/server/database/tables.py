"""Tables of the control plane, with the types that SQLite and PostgreSQL have in common.

Times are seconds since 1970 by the server's clock unless a comment says otherwise. A change
of a table needs a revision in `migrations/versions`; an empty database gets these tables directly.
"""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from edgewright.core.measures import added
from edgewright.schema.boards import BoardSeen


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
