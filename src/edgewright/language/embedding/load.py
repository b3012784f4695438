"""An encoder's directory: loading it, and writing one whose weights are int8."""

from __future__ import annotations

import copyreg
import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.core.files import write_atomic
from edgewright.core.own_models import hash_of
from edgewright.language.embedding.contract import Encoder, Vectors, opened_again, unit
from edgewright.language.embedding.directory import CONFIGURATION, STATIC_TABLES, is_static, look
from edgewright.language.embedding.safetensors import read_safetensors
from edgewright.language.embedding.text import TextEncoder, clean, open_tokenizer, whole_words
from edgewright.schema.errors import InputError, MissingExtraError, OutputError

# A message of protocol buffers takes no more; weights of larger models lie in further files.
_LARGEST = (1 << 31) - 1


def load(path: Path | str) -> Encoder:
    """Return the encoder of a directory with `tokenizer.json` and its weights.

    Weights are `model.onnx`, `model.safetensors` (BERT type or static embeddings), or `text_model.onnx` of a pair.

    Args:
        path: path of the directory.

    Raises:
        InputError: no directory, no weights, or a model of another kind.
        MissingExtraError: ONNX Runtime or onnx is not installed.
    """
    if is_static(Path(path)):
        return StaticEncoder(Path(path))
    directory = look(Path(path))
    if directory.model.suffix == ".onnx":
        size = sum(file.stat().st_size for file in directory.model.parent.glob(f"{directory.model.name}*"))
        return TextEncoder(directory, directory.model, size)
    graph = graph_of(directory.path)
    return TextEncoder(directory, graph, len(graph))


def graph_of(path: Path) -> bytes:
    """Return the ONNX graph of a directory with `model.safetensors`, as bytes.

    Raises:
        InputError: as `load`, or weights beyond 2 GB.
        MissingExtraError: onnx is not installed.
    """
    directory = look(path)
    try:
        from edgewright.language.embedding.bert import bert_onnx  # noqa: PLC0415 - needs extras
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", f"{error.name}, which writes graphs,") from None
    if directory.config is None:
        raise InputError("a config.json next to model.safetensors", "none", str(path))
    if directory.model.stat().st_size > _LARGEST:
        raise InputError("weights of at most 2 GB", f"{directory.model.stat().st_size >> 20} MB", str(directory.model))
    model = bert_onnx(read_safetensors(directory.model), directory.config, directory.pooling, str(path))
    return bytes(model.SerializeToString())


def write_int8(source: Path, out: Path) -> int:
    """Write the encoder of a directory with int8 weights, activations quantised as they come, and its tokeniser.

    Args:
        source: the directory of an encoder.
        out: a directory that is not there yet.

    Returns:
        Bytes of the graph.

    Raises:
        InputError: as `load`, or `out` is there already.
        OutputError: it cannot be written.
    """
    directory = look(source)
    if out.exists():
        raise InputError("a new directory", "an existing one", str(out), "Choose another --out")
    graph = directory.model.read_bytes() if directory.model.suffix == ".onnx" else graph_of(source)
    with tempfile.TemporaryDirectory() as folder:
        small = _quantised(graph, Path(folder))
    try:
        out.mkdir(parents=True)
        for name in CONFIGURATION:
            if (source / name).is_file():
                (out / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(source / name, out / name)
        shutil.copyfile(directory.tokenizer, out / "tokenizer.json")
    except OSError as error:
        raise OutputError("to write a directory", error.strerror or str(error), str(out)) from None
    # Last, so that a directory with weights is whole.
    write_atomic(out / "model.onnx", small)
    return len(small)


def _quantised(graph: bytes, folder: Path) -> bytes:
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - slow to load, seldom needed

    whole, small = folder / "whole.onnx", folder / "small.onnx"
    whole.write_bytes(graph)
    # It recommends, on the root logger, a preparation that changes nothing in the graphs that are built here.
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(whole, small, weight_type=QuantType.QInt8, per_channel=True)
    finally:
        logging.disable(before)
    return small.read_bytes()


_TOKENS = 512


class StaticEncoder:
    """Texts to unit vectors; an `Encoder`.

    Args:
        directory: with `model.safetensors` (an array `embeddings`, and where they exist `weights` and `mapping` of
            tokens) and `tokenizer.json`.

    Raises:
        InputError: files that are missing, damaged or do not fit each other.
    """

    def __init__(self, directory: Path) -> None:
        self.name, self.sha256, self.directory = directory.resolve().name, hash_of(directory), directory
        where = str(directory / "model.safetensors")
        arrays = read_safetensors(directory / "model.safetensors")
        table = next((arrays[name] for name in STATIC_TABLES if name in arrays), np.zeros(0))
        if table.ndim != 2 or not table.size:
            raise InputError("a table of embeddings", f"shape {table.shape}", where)
        self._tokens = open_tokenizer(directory / "tokenizer.json", _TOKENS)
        known = self.tokens = self._tokens.get_vocab_size()
        rows = arrays.get("mapping", np.arange(len(table)))
        weights = arrays.get("weights", np.ones(len(rows), np.float32))
        if len(rows) < known or len(weights) != len(rows) or rows.min() < 0 or rows.max() >= len(table):
            raise InputError(f"embeddings of the {known:,} tokens", f"{len(rows):,}", where)
        self._table, self._rows, self._weights = table, rows.astype(np.int64), weights.astype(np.float32)
        unknown = getattr(self._tokens.model, "unk_token", None)
        self._unknown = self._tokens.token_to_id(unknown) if unknown else None
        self.dimensions, self.bytes = table.shape[1], table.nbytes

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, shape (n, d); zeros for a text without a known word."""
        means = np.zeros((len(texts), self.dimensions), np.float32)
        encodings = self._tokens.encode_batch([clean(text) for text in texts], add_special_tokens=False)
        for mean, encoding in zip(means, encodings, strict=True):
            ids = [token for token in encoding.ids if token != self._unknown]
            if ids:
                mean[:] = (self._table[self._rows[ids]] * self._weights[ids, None]).mean(axis=0)
        return unit(means)

    def words(self) -> list[str]:
        """Whole words of its vocabulary in small letters, sorted."""
        return whole_words(self._tokens)


def _as_path(encoder: Any) -> tuple[Any, ...]:  # noqa: ANN401 - one of the two
    return opened_again, (load, encoder.directory.absolute(), encoder.sha256)


# To another process an encoder travels as the path of its directory.
copyreg.pickle(TextEncoder, _as_path)
copyreg.pickle(StaticEncoder, _as_path)
