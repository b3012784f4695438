"""Data whose labels a machine suggested: trained on only where an audit holds the error rate below a limit.

Exported data name in a column who each label is from, and carry `NAME.labels.json` beside them: the hash of the file
and what an audit said. A file that was edited has another hash; one that was renamed is found by its hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edgewright.core.archive import decode_versioned
from edgewright.core.errors import CheckFailedError, EdgewrightError, OptionFormatError
from edgewright.core.records.data import LABEL_FROM, LABELS_VERSION, LabelAudit, LabelRecord
from edgewright.data.contract import read_columns, read_whole

LIMIT = 0.05
"""Error rate of machine labels that is trained on, where nothing else is said."""
LIMIT_KEY = "label_errors"
ENDING = ".labels.json"
_TABLES = (".csv", ".parquet")
_DO = (
    "Draw a sample, answer it and export again: edgewright label audit PROJECT; edgewright label review PROJECT --audit"
)


def limit_of(table: Mapping[str, object], where: str = "[data]") -> float:
    """Return the largest error rate of machine labels that `[data]` allows.

    Raises:
        InputError: no number from 0 to 1.
    """
    value = table.get(LIMIT_KEY, LIMIT)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise OptionFormatError("an error rate from 0 to 1", repr(value), f"{where} {LIMIT_KEY}")
    return float(value)


def record_path(path: Path) -> Path:
    """Where the record of a file's labels lies."""
    return path.with_name(path.name + ENDING)


def marked(path: Path) -> bool:
    """Return whether a file has the column that says who a label is from."""
    name = path.name.lower()
    if not path.is_file() or not name.endswith(_TABLES):
        return False
    if name.endswith(".parquet"):
        import polars  # noqa: PLC0415 - of an extra, and slow to load

        try:
            return LABEL_FROM in polars.read_parquet_schema(path)
        except (polars.exceptions.PolarsError, OSError):
            return False
    try:
        return LABEL_FROM in read_columns(path, path.name)
    except EdgewrightError:
        # Whoever reads the rows says what is wrong with them.
        return False


def records(path: str | Path | None, limit: float) -> tuple[LabelRecord, ...]:
    """Return the records of a file's labels, or of all files of a folder; none where no machine had a hand in them.

    Args:
        path: path of the data; None or empty where they are made up or a public set's own.
        limit: error rate that the audit's upper bound must not exceed.

    Raises:
        CheckFailedError: the audit is missing, unfinished, of other labels, or its upper bound is above the limit.
        InputError: a record that is none or of a newer version.
    """
    if not path:
        return ()
    file_path = Path(path)
    files = sorted(file_path.rglob("*")) if file_path.is_dir() else [file_path]
    checked_records = [
        _checked(file, limit)
        for file in files
        if file.name.lower().endswith(_TABLES) and (record_path(file).is_file() or marked(file))
    ]
    return tuple(checked_records)


def records_of(table: Mapping[str, object], path: object) -> tuple[LabelRecord, ...]:
    """Return the records of the data of a table and of its file of labels.

    Args:
        table: `[data]`.
        path: of the data, which may override the table's own.

    Raises:
        CheckFailedError: as `records`.
        InputError: as `records` and `limit_of`.
    """
    limit = limit_of(table)
    locations = [location for location in (path, table.get("labels")) if isinstance(location, str)]
    return tuple(record for location in locations for record in records(location, limit))


def sentence_of(record: LabelRecord) -> str:
    """One sentence for the record of a run and for the package."""
    if not record.machine:
        return f"{record.human:,} labels by people"
    audit = record.audit
    return (
        f"{record.human:,} labels by people and {record.machine:,} by a machine, of which {audit.errors:,} of "
        f"{audit.answered:,} drawn at random were wrong ({100 * audit.low:.1f} to {100 * audit.high:.1f} %)"
    )


def _checked(file: Path, limit: float) -> LabelRecord:
    digest = hashlib.sha256(read_whole(file, str(file))).hexdigest()
    record = _record(file, digest)
    if record is None:
        raise CheckFailedError(
            f"labels by a machine without their audit: {file} has a column {LABEL_FROM!r} and no "
            f"{record_path(file).name} beside it",
            do="Put it back, or export the label project again",
        )
    if record.sha256 != digest:
        raise CheckFailedError(
            f"the labels of {file} differ from the audited ones: the file was changed after the export",
            do="Correct labels in the project (edgewright label review) and export again",
        )
    if record.machine:
        refuse_unaudited(record.audit, record.machine, file, limit)
    return record


def refuse_unaudited(audit: LabelAudit, machine: int, file: Path, limit: float) -> None:
    """Refuse labels by a machine that no audit covers.

    Args:
        audit: of the labels.
        machine: number of labels by a machine.
        file: of the labels.
        limit: error rate that the audit's upper bound must not exceed.

    Raises:
        CheckFailedError: the audit is missing, unfinished, of other labels, or its upper bound is above the limit.
    """
    reasons = {
        "none": "no audit of its machine labels",
        "open": f"an audit with {audit.answered:,} of {audit.sampled:,} answers",
        "stale": "an audit of different labels",
    }
    if audit.state in reasons:
        raise CheckFailedError(f"{file} has {reasons[audit.state]} ({machine:,} of them)", do=_DO)
    if audit.high > limit:
        raise CheckFailedError(
            f"{audit.errors:,} of {audit.answered:,} audited labels of {file} were wrong, up to {100 * audit.high:.1f} "
            f"% of the machine's labels may be wrong; the limit is {100 * limit:g} %",
            do=f"Audit more, improve suggestions, or raise {LIMIT_KEY} (--label-errors)",
        )


def _record(file: Path, digest: str) -> LabelRecord | None:
    """Return the record beside a file, or, of a file that was renamed, the one in its folder that has its hash."""
    own = record_path(file)
    if own.is_file():
        return read_record(own)
    for other in sorted(file.parent.glob(f"*{ENDING}")):
        record = read_record(other)
        if record.sha256 == digest:
            return record
    return None


def read_record(path: Path) -> LabelRecord:
    """Return a record of labels.

    Raises:
        InputError: no such file, or of a newer version.
    """
    return decode_versioned(
        read_whole(path, str(path)), LabelRecord, LABELS_VERSION, "label record", "a record of labels", str(path),
        "Export the label project again",
    )  # fmt: skip


def encoded(record: LabelRecord) -> bytes:
    """Return the bytes of `NAME.labels.json`."""
    return msgspec.json.format(msgspec.json.encode(record, order="deterministic"), indent=1) + b"\n"
