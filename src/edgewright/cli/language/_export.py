"""A language model as files for a device, for `edgewright export`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from edgewright.schema.errors import InputError, UnknownNameError


def export_language(
    place: Path, target: str, options: Mapping[str, Any], *, name: str, out: Path, force: bool, as_json: bool
) -> None:
    """Writes the student as C99 and says what it takes.

    Raises:
        InputError: another target than c99, an option that says nothing here, or a model that is none.
    """
    import re

    import msgspec

    from edgewright.export.c99_language.student import write_language_c99
    from edgewright.export.write import write_files
    from edgewright.runtime.utterance.model_file import read_language
    from edgewright.runtime.utterance.parse import Understanding

    if target != "c99":
        raise UnknownNameError("export target of a language model", target, ("c99",), str(place))
    for option, value in options.items():
        if value:
            raise InputError(f"{option} with a model of samples", str(value), str(place), f"Leave {option} out")
    spec, arrays = read_language(place)
    if spec.student is None:
        raise InputError(
            "a student", "a head for gateways", str(place), "Train one: edgewright language train --for device"
        )
    # Refuses a file that does not prove itself.
    Understanding(spec, arrays, str(place))
    word = re.sub(r"\W", "_", name or spec.name, flags=re.ASCII)[:40]
    word = word if word[:1].isalpha() else f"m_{word}"[:40]
    texts = write_language_c99(spec, arrays, name=name or word)
    written = write_files(out, {file: text.encode() for file, text in texts.items()}, force=force)
    left = [part for part, there in (("slots", spec.tagger), ("gazetteers", spec.gazetteers)) if there]
    note = f"left out, because only the Python runtime has them: {' and '.join(left)}" if left else ""
    if as_json:
        files = [{"path": str(path), "bytes": len(data)} for path, data in written.items()]
        told = {"name": spec.name, "target": target, "intents": list(spec.intents), "files": files, "note": note}
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=1).decode())
        return
    click.echo(f"{spec.name}: {len(spec.intents)} intents, {word}_parse(text, bytes, &answer)")
    for path, data in written.items():
        click.echo(f"  wrote {click.format_filename(str(path))}, {len(data):,} bytes")
    if note:
        click.echo(f"  {note}")
