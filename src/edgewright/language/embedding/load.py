"""Encoders from a local directory."""

from __future__ import annotations

from pathlib import Path

from edgewright.language.embedding.contract import Encoder
from edgewright.language.embedding.directory import look
from edgewright.schema.errors import InputError, MissingExtraError

# A message of protocol buffers takes no more; weights of larger models lie in further files.
_LARGEST = (1 << 31) - 1


def load(path: Path | str) -> Encoder:
    """Return the encoder of a directory with `tokenizer.json` and `model.onnx` or `model.safetensors` (BERT type).

    Args:
        path: of the directory.

    Raises:
        InputError: no directory, no weights, or a model of another kind.
        MissingExtraError: tokenizers, ONNX Runtime or onnx is not installed.
    """
    found = look(Path(path))
    try:
        from edgewright.language.embedding.text import TextEncoder  # noqa: PLC0415 - needs extras
    except ModuleNotFoundError as error:
        extra = "language" if error.name == "tokenizers" else "engines"
        raise MissingExtraError(extra, f"{error.name}, which runs encoders,") from None
    if found.model.suffix == ".onnx":
        size = sum(file.stat().st_size for file in found.model.parent.glob(f"{found.model.name}*"))
        return TextEncoder(found, found.model, size)
    graph = graph_of(found.path)
    return TextEncoder(found, graph, len(graph))


def graph_of(path: Path) -> bytes:
    """Return the ONNX graph of a directory with `model.safetensors`, as bytes.

    Raises:
        InputError: as `load`, or weights beyond 2 GB.
        MissingExtraError: onnx is not installed.
    """
    found = look(path)
    try:
        from edgewright.language.embedding.bert import bert_onnx, read_safetensors  # noqa: PLC0415 - needs extras
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", f"{error.name}, which writes graphs,") from None
    if found.config is None:
        raise InputError("a config.json next to model.safetensors", "none", str(path))
    if found.model.stat().st_size > _LARGEST:
        raise InputError("weights of at most 2 GB", f"{found.model.stat().st_size >> 20} MB", str(found.model))
    model = bert_onnx(read_safetensors(found.model), found.config, found.pooling, str(path))
    return bytes(model.SerializeToString())
