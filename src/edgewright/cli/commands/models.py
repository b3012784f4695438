"""Your own models: register encoders, embeddings, backbones and language models that you have on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.text import plain, table
from edgewright.core.errors import CheckFailedError
from edgewright.core.formatting import bytes_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.core.own_models import OwnModel

EXAMPLE = "add ~/all-MiniLM-L6-v2"
_USES = {
    "text": "zero-shot labels of texts, label suggestions, indexes of documents, and intents for gateways",
    "picture": "indexes of pictures, zero-shot labels and label suggestions of pictures",
    "sound": "indexes of sounds and songs, and zero-shot labels of sounds",
    "backbone": '[model] backbone = "{}" in a pipeline',
    "phrasing": "language ask --phrase {}, by llama-server of llama.cpp",
}


@declare(example="~/all-MiniLM-L6-v2")
def add(
    model: Path = argument(metavar="FILE|FOLDER"),
    name: str = option(help="Name to register. [default: name of the file or folder]"),
    licence: str = option(metavar="LICENCE", help="Licence of the model, if its files do not name one."),
) -> Result:
    """Copy a model to your models, test it, and record its licence and hash.

    Takes sentence encoders (tokenizer.json with model.onnx or model.safetensors), static embeddings (GloVe, word2vec,
    model2vec), encoders of pictures or sounds with their text encoder (ONNX exports of CLIP), backbones (.tflite,
    .onnx), and language models (.gguf). Other commands then use the newest model of a role where they are given none,
    and say so. Copies lie in $EDGEWRIGHT_MODELS, or ~/.local/share/edgewright/models.
    """
    with loading():
        from edgewright.language.own_models.registration import add_model

    record = add_model(model, name=name, licence=licence)
    return Result(record, [*_lines(record), f"  used by: {_USES[record.role].format(record.name)}"])


@declare(name="list")
def _list() -> Result:
    """List your models, the newest first; the first of a role is used where a command is given none."""
    from edgewright.core.own_models import own_models

    records = own_models()
    rows = [
        (record.name, record.role, record.kind.replace("_", " "), bytes_text(record.size_bytes), record.licence)
        for record in records
    ]
    lines = table(("name", "role", "kind", "size", "licence"), rows) if rows else ["no models; add one: models add"]
    return Result(records, lines)


@declare(example="all-MiniLM-L6-v2")
def show(name: str = argument()) -> Result:
    """Show what is recorded of a model of yours, and check the hashes of its files."""
    from edgewright.core.own_models import own_model
    from edgewright.language.own_models.registration import changed_files

    record = own_model(name)
    changed = changed_files(record)
    failure = CheckFailedError(
        f"{', '.join(changed)} changed since {record.name} was added", do="Remove the model and add it again"
    )
    value = {**msgspec.to_builtins(record), "changed": changed}
    return Result(value, _lines(record), failure=failure if changed else None)


@declare(example="all-MiniLM-L6-v2")
def remove(name: str = argument()) -> Result:
    """Delete the copy of a model of yours; the files that you added stay."""
    from edgewright.language.own_models.registration import remove_model

    record = remove_model(name)
    return Result(record, [f"removed {record.name}, {bytes_text(record.size_bytes)}"])


def _lines(record: OwnModel) -> Iterator[str]:
    kind = record.kind.replace("_", " ")
    yield f"{record.name}: {kind} ({record.role}), {bytes_text(record.size_bytes)}, licence {plain(record.licence)}"
    yield f"  sha256 {record.sha256}"
    yield f"  from {plain(record.source)}, {record.added[:10]}"
    test = ", ".join(f"{key.replace('_', ' ')} {value:,}" if isinstance(value, int) else
                     f"{key.replace('_', ' ')} {value}" for key, value in record.self_test.items())  # fmt: skip
    yield f"  self-test passed: {test}"
