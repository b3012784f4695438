"""`edgewright data`: the public sets this field uses, listed, fetched, verified and summed up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.options import FILE, argument, declare, option
from edgewright.cli.output import print_json
from edgewright.schema.errors import CheckFailedError, InputError

if TYPE_CHECKING:
    from edgewright.data.contract import Documented, RemoteFile
    from edgewright.data.public import Progress, Public
    from edgewright.schema.data import DataSet, TextSet


@click.group("data", epilog="Example: edgewright data get hapt")
def command() -> None:
    """List public data sets, or load one from its origin or from a folder."""


@declare("list", of=command, epilog="Example: edgewright data list")
def list_sets(as_json: bool = option("--json", help="Print JSON, one object per set.")) -> None:
    """List the public sets with their task and licence."""
    from edgewright.data.public import names, public_set

    sets = {name: public_set(name) for name in names()}
    if as_json:
        rows = [
            {
                "name": name,
                "title": part.title,
                "task": part.task,
                "licence": part.licence,
                "citation": part.citation,
                "homepage": part.homepage,
                "files": [file.url for file in part.downloads],
                "documented": [_told(known) for known in part.documented],
            }
            for name, part in sets.items()
        ]
        print_json(rows)
        return
    width = max(len(name) for name in sets)
    for name, part in sets.items():
        click.echo(f"{name:<{width}}  {part.task}")
        sizes = part.documented[0] if part.documented else None
        click.echo(f"{'':<{width}}  {_size(sizes)}licence: {part.licence}")


def _size(known: Documented | None) -> str:
    """'61 recordings, ' and the like; empty when nothing is documented."""
    if known is None:
        return ""
    parts = [f"{known.recordings:,} recordings"] if known.recordings and known.recordings > 1 else []
    if known.rows:
        parts.append(f"{known.rows:,} rows")
    return f"{known.copy}: {', '.join(parts)}; " if parts else ""


def _told(known: Documented) -> dict[str, object]:
    return {
        "copy": known.copy,
        "recordings": known.recordings,
        "rows": known.rows,
        "classes": dict(known.classes),
    }


@declare("get", of=command, epilog="Example: edgewright data get occupancy --from Downloads/occupancy")
def get(
    name: str = argument(),
    source: Path | None = option("--from", help="Folder or archive with a copy; nothing is downloaded."),
    out: Path | None = option(type=FILE, help="Also write the rows: FILE.parquet or .csv."),
    as_json: bool = option("--json", help="Print the summary as JSON."),
) -> None:
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
    found = counts(data)
    copy = verify(part, found)
    if out is not None:
        write_table_file(data, out)
    summary = _summary(name, part, data, found, copy, folder)
    if as_json:
        print_json(summary)
    else:
        for key, value in summary.items():
            click.echo(f"{key:<10}  {value if isinstance(value, str) else _words(value)}")
        if out is not None:
            click.echo(f"{'written':<10}  {click.format_filename(out)}")
    if source is None and not copy and part.documented:
        raise CheckFailedError(
            f"what came from {part.homepage} differs from the documented counts "
            f"({found.recordings} recordings, {found.rows} rows)",
            do="The origin may have changed; check the data before you use it",
        )


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
    name: str, part: Public, data: DataSet | TextSet, found: Documented, copy: str, folder: Path
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
        return {**head, "rows": found.rows, "columns": list(data.columns), **tail}
    groups = data.groups
    shown = data.columns if len(data.columns) <= 30 else data.columns[:3]
    listed = [f"{c.name} ({c.unit})" if c.unit else c.name for c in shown]
    if len(shown) < len(data.columns):
        listed.append(f"... {len(data.columns)} in all")
    return {
        **head,
        "recordings": found.recordings,
        "rows": found.rows,
        "columns": listed,
        "rate": f"{data.rate:g} a second" if data.rate else "none: a table of rows",
        "target": data.target_name or "none",
        "classes": dict(found.classes),
        "groups": f"{len(groups)} by {data.group_name}" if groups else "unknown",
        **tail,
    }


def _words(value: object) -> str:
    """Return a number, list or map as text for the terminal."""
    if isinstance(value, dict):
        return ", ".join(f"{label or 'unlabelled'} {rows:,}" for label, rows in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(str(v) for v in value)
    return f"{value:,}"
