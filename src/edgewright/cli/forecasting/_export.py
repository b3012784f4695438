"""A forecaster's file under `edgewright export`."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.schema.errors import InputError

_LOOKED_AT = 1 << 24


def is_forecaster_file(place: Path) -> bool:
    """Whether this is the file of a forecaster rather than a package or a model."""
    from edgewright.monitor.forecasting.forecaster_file import is_forecaster

    try:
        return place.is_file() and place.stat().st_size < _LOOKED_AT and is_forecaster(place.read_bytes())
    except OSError:
        return False


def export_forecaster(place: Path, target: str, out: Path, *, name: str, force: bool, as_json: bool) -> None:
    """Writes it as C99 and says what was written.

    Raises:
        InputError: another target than c99.
    """
    import msgspec

    from edgewright.export.c99_forecast import write_forecaster_c99
    from edgewright.export.write import write_files
    from edgewright.monitor.forecasting.forecaster_file import read_forecaster

    made = read_forecaster(place)
    if target != "c99":
        raise InputError("--to c99 for a forecaster", repr(target), str(place))
    files = write_forecaster_c99(made, name=name or place.name.split(".")[0])
    written = write_files(out, {file: text.encode() for file, text in files.items()}, force=force)
    told = [{"path": str(path), "bytes": len(data)} for path, data in written.items()]
    if as_json:
        answer = {"name": made.spec.name, "column": made.spec.column, "target": target, "files": told}
        click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=1).decode())
        return
    click.echo(f"{made.spec.name} of {made.spec.column}, {made.spec.horizon} rows ahead")
    for path, data in written.items():
        click.echo(f"  wrote {click.format_filename(str(path))}, {len(data):,} bytes")
