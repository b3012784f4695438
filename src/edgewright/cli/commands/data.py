"""List public data sets, or load one from its origin or from a folder."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.options import FILE
from edgewright.cli.text import describe
from edgewright.schema.errors import CheckFailedError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.data.contract import Documented, Public, RemoteFile
    from edgewright.data.public import Progress
    from edgewright.schema.data import DataSet, TextSet

EXAMPLE = "get hapt"


@declare(name="list")
def list_sets() -> Result:
    """List the public sets with their task and licence."""
    from edgewright.data.public import names, public_set

    sets = {name: public_set(name) for name in names()}
    rows = [
        {
            "name": name,
            "title": part.title,
            "task": part.task,
            "licence": part.licence,
            "citation": part.citation,
            "homepage": part.homepage,
            "files": [file.url for file in part.downloads],
            "documented": [{**asdict(known), "classes": dict(known.classes)} for known in part.documented],
        }
        for name, part in sets.items()
    ]
    return Result(rows, _set_lines(sets))


def _set_lines(sets: dict[str, Public]) -> Iterator[str]:
    width = max(len(name) for name in sets)
    for name, part in sets.items():
        yield f"{name:<{width}}  {part.task}"
        yield f"{'':<{width}}  {_size(part.documented[0] if part.documented else None)}licence: {part.licence}"


def _size(known: Documented | None) -> str:
    """'61 recordings, ' and the like; empty when nothing is documented."""
    if known is None:
        return ""
    parts = [f"{known.recordings:,} recordings"] if known.recordings and known.recordings > 1 else []
    if known.rows:
        parts.append(f"{known.rows:,} rows")
    return f"{known.copy}: {', '.join(parts)}; " if parts else ""


@declare(example="occupancy --from Downloads/occupancy")
def get(
    name: str = argument(),
    source: Path | None = option("--from", help="Folder or archive with a copy; nothing is downloaded."),
    out: Path | None = option(type=FILE, help="Also write the rows: FILE.parquet or .csv."),
) -> Result:
    """Load the public data set NAME, verify it, and summarise it.

    Without --from, the set is downloaded from its origin into $EDGEWRIGHT_DATA (or ~/.local/share/edgewright/data),
    where pipelines find it by `kind = "NAME"`. An interrupted download resumes where it stopped.
    """
    from edgewright.data.public import counts, download, opened, public_set, verify
    from edgewright.data.table_file import check_table_file, write_table_file

    part = public_set(name)
    if out is not None:
        check_table_file(out)
    if source is not None and not source.exists():
        raise InputError(f"a folder or archive of {name!r}", "no such path", str(source), "Check --from")
    folder = source if source is not None else download(name, part, _bar)
    with opened(folder) as path:
        data = part.load(path)
    counted = counts(data)
    copy = verify(part, counted)
    if out is not None:
        write_table_file(data, out)
    summary = _summary(name, part, data, counted, copy, folder)
    failure = None
    if source is None and not copy and part.documented:
        failure = CheckFailedError(
            f"what came from {part.homepage} differs from the documented counts "
            f"({counted.recordings} recordings, {counted.rows} rows)",
            do="The origin may have changed; check the data before you use it",
        )
    shown = summary if out is None else {**summary, "written": out}
    if "classes" in shown:
        labels = (f"{label or 'unlabelled'} {rows:,}" for label, rows in counted.classes)
        shown = {**shown, "classes": ", ".join(labels) or "none"}
    return Result(summary, describe(shown), failure=failure)


def _bar(file: RemoteFile) -> Progress:
    """Return a progress bar on standard error for one file, made when the first bytes arrive."""
    shown: list[Any] = []

    def progress(done: int, total: int | None) -> None:
        if total is None:  # without a size there is nothing to draw a bar against
            return
        if not shown:
            shown.append(click.progressbar(length=total, label=file.name, file=sys.stderr))
            shown[0].render_progress()
        shown[0].update(done - shown[0].pos)
        if done >= total:
            shown[0].render_finish()

    return progress


def _summary(
    name: str, part: Public, data: DataSet | TextSet, counted: Documented, copy: str, folder: Path
) -> dict[str, object]:
    """Return what `get` prints: text, numbers, lists and maps by heading."""
    from edgewright.schema.data import TextSet

    head: dict[str, object] = {"name": name, "title": part.title, "folder": str(folder)}
    tail: dict[str, object] = {
        "verified": f"counts match the documented {copy}" if copy else "counts match no documented copy",
        "origin": part.homepage,
        "licence": part.licence,
        "citation": part.citation,
    }
    if isinstance(data, TextSet):
        return {**head, "rows": counted.rows, "columns": list(data.columns), **tail}
    groups = data.groups
    shown = data.columns if len(data.columns) <= 30 else data.columns[:3]
    listed = [f"{c.name} ({c.unit})" if c.unit else c.name for c in shown]
    if len(shown) < len(data.columns):
        listed.append(f"... {len(data.columns)} in all")
    return {
        **head,
        "recordings": counted.recordings,
        "rows": counted.rows,
        "columns": listed,
        "rate": f"{data.rate:g} a second" if data.rate else "none: a table of rows",
        "target": data.target_name or "none",
        "classes": dict(counted.classes),
        "groups": f"{len(groups)} by {data.group_name}" if groups else "unknown",
        **tail,
    }
