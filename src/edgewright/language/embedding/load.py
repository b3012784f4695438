"""An encoder's directory: loading it, and writing one whose weights are int8."""

from __future__ import annotations

import copyreg
import logging
import mmap
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace

from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.errors import (
    EncoderError,
    ExistingFileError,
    FileTooLargeError,
    InputError,
    MissingExtraError,
    OutputError,
)
from edgewright.core.files import os_errors, write_atomic
from edgewright.core.own_models import hash_of
from edgewright.language.embedding.directory import (
    CONFIGURATION,
    LARGEST_WEIGHTS,
    STATIC_TABLES,
    Directory,
    Encoder,
    Pooling,
    Vectors,
    is_static,
    look,
    opened_again,
    read_safetensors,
    unit,
    write_safetensors,
)

# Texts at a time, of about the same length, so that little is computed for padding.
_BATCH = 32
# Characters of a text that are cut into tokens at all; the model reads fewer.
_LONGEST = 20_000


def open_tokenizer(path: Path, longest: int) -> Tokenizer:
    """Return the tokeniser of a `tokenizer.json`, which cuts texts after `longest` tokens.

    Raises:
        InputError: another file, or none.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - tokenizers raises plain exceptions
        raise EncoderError("a tokenizer.json", str(error)[:200], str(path)) from None
    tokenizer.enable_truncation(longest)
    tokenizer.no_padding()
    return tokenizer


def clean(text: str) -> str:
    """Return a text as tokenisers take it: not too long, without lone surrogates, which UTF-8 cannot write."""
    return text[:_LONGEST].encode("utf-8", "replace").decode()


def whole_words(tokenizer: Tokenizer) -> list[str]:
    """Return whole words of a vocabulary in small letters, sorted."""
    # SentencePiece marks the beginning of a word, WordPiece what is none.
    plain = (token.removeprefix("\u2581") for token in tokenizer.get_vocab() if not token.startswith("##"))
    return sorted({word for word in plain if len(word) > 1 and word.isalpha() and word == word.lower()})


class TextEncoder:
    """Texts to unit vectors; an `Encoder`.

    Args:
        directory: that was looked through.
        model: the graph as ONNX bytes, or the path of one that keeps its weights in further files.
        size: bytes of its weights.

    Raises:
        InputError: a graph or tokeniser that cannot be read or takes other inputs than tokens.
    """

    def __init__(self, directory: Directory, model: bytes | Path, size: int) -> None:
        self.name, self.bytes, self.sha256 = directory.path.resolve().name, size, hash_of(directory.path)
        self.directory = directory.path
        self._pooling: Pooling = directory.pooling
        where = str(directory.path)
        self._session = open_session(model, threads=1, where=where)
        self._tokens = open_tokenizer(directory.tokenizer, directory.longest)
        names = [output.name for output in self._session.get_outputs()]
        # Exports of CLIP give a vector a text and further values; their order is the exporter's.
        self._output = ["text_embeds" if "text_embeds" in names else names[0]]
        self._inputs = {i.name for i in self._session.get_inputs()}
        if not {"input_ids"} <= self._inputs <= {"input_ids", "attention_mask", "token_type_ids"}:
            raise EncoderError("input_ids, attention_mask, token_type_ids", ", ".join(sorted(self._inputs)), where)
        self.dimensions = self.encode(["size"]).shape[1]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, shape (n, d)."""
        if not len(texts):
            return np.zeros((0, self.dimensions), np.float32)
        tokens = [encoding.ids for encoding in self._tokens.encode_batch([clean(text) for text in texts])]
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
        starts = range(0, len(order), _BATCH)
        vectors = np.concatenate([self._vectors([tokens[i] for i in order[at : at + _BATCH]]) for at in starts])
        out = np.empty_like(vectors)
        out[order] = vectors
        return out

    def words(self) -> list[str]:
        """Whole words of its vocabulary in small letters, sorted: what it knows of a language."""
        return whole_words(self._tokens)

    def _vectors(self, tokens: list[list[int]]) -> Vectors:
        longest = max(1, *(len(ids) for ids in tokens))
        ids = np.zeros((len(tokens), longest), np.int64)
        mask = np.zeros_like(ids)
        for row, ids_of_text in enumerate(tokens):
            ids[row, : len(ids_of_text)] = ids_of_text
            mask[row, : len(ids_of_text)] = 1
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        raw: NDArray[Any] = self._session.run(self._output, {name: feeds[name] for name in self._inputs})[0]
        return unit(raw if raw.ndim == 2 else self._pool(raw, mask[:, :, None].astype(np.float32)))

    def _pool(self, raw: NDArray[Any], mask: NDArray[np.float32]) -> NDArray[Any]:
        if self._pooling == "cls":
            return np.asarray(raw[:, 0])
        if self._pooling == "max":
            return np.asarray(np.where(mask > 0, raw, -np.inf).max(axis=1))
        return np.asarray((raw * mask).sum(axis=1))


# Such files are sorted by frequency; 400,000 words, as many as the smaller GloVe files hold, take 480 MB at width 300.
MAX_WORDS = 400_000
_LONGEST_LINE = 1 << 16
_UNKNOWN = "[UNK]"
_DO = "Fetch the file again; it is damaged or incomplete"
# Weight a / (a + p(word)) with a = 1e-3: Arora, Liang and Ma, A Simple but Tough-to-Beat Baseline, 2017. The share p of
# a word follows from its rank by Zipf's law.
_RARE = 1e-3


class WordFile(NamedTuple):
    """What the first lines of a file say: vectors of `width`, for how many words (0: not said), and if in binary."""

    width: int
    words: int
    binary: bool


def look_at_words(path: Path) -> WordFile | None:
    """Return the layout of a file of word vectors; None for other files.

    Raises:
        InputError: the file cannot be read.
    """
    with os_errors(InputError, "a file of word vectors", path), path.open("rb") as file:
        first, second = file.readline(_LONGEST_LINE), file.readline(_LONGEST_LINE)
    parts = first.split()
    if len(parts) == 2 and all(part.isdigit() and len(part) < 10 for part in parts):
        count, width = map(int, parts)
        if not (count > 0 and 2 <= width <= 1 << 14):
            return None
        return WordFile(width, count, binary=_numbers(second.rstrip().rsplit(b" ", width)[1:]) is None)
    width = len(parts) - 1
    same = width == len(second.split()) - 1 and _numbers(parts[1:]) is not None
    return WordFile(width, 0, binary=False) if width >= 8 and same else None


def write_word_vectors(path: Path, folder: Path) -> None:
    """Write a file of word vectors as static embeddings: `tokenizer.json` and `model.safetensors`.

    Frequent words get a small weight. At most the first 400,000 words are kept.

    Raises:
        InputError: another file, or a line without a vector.
        OutputError: the folder cannot be written.
    """
    layout = look_at_words(path)
    if layout is None:
        raise EncoderError("a file of word vectors (GloVe or word2vec)", "another file", str(path))
    words: dict[str, int] = {_UNKNOWN: 0}
    vectors = [np.zeros(layout.width, np.float32)]
    with os_errors(InputError, "a file of word vectors", path), path.open("rb") as file:
        for word, vector in (_binary if layout.binary else _text)(file, layout, str(path)):
            if word not in words:
                words[word] = len(vectors)
                vectors.append(vector)
            if len(vectors) > MAX_WORDS:
                break
    table = np.stack(vectors)
    if len(words) < 3 or not np.isfinite(table).all():
        got = f"{len(words) - 1}" if len(words) < 3 else "values that are not finite"
        raise EncoderError("vectors of at least two words", got, str(path))
    ranks = np.arange(1, len(words))
    shares = 1.0 / (ranks * np.sum(1.0 / ranks))
    table[1:] *= (_RARE / (_RARE + shares))[:, None]
    tokenizer = Tokenizer(WordLevel(words, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = Whitespace()
    if not any(word != word.lower() for word in list(words)[1:10_000]):
        tokenizer.normalizer = Lowercase()
    write_safetensors(folder / "model.safetensors", {"embeddings": table})
    tokenizer.save(str(folder / "tokenizer.json"))


def _text(file: IO[bytes], layout: WordFile, where: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    if layout.words:
        file.readline(_LONGEST_LINE)
    number = 1 if layout.words else 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        # Words of GloVe may have spaces in them.
        parts = line.rstrip().rsplit(b" ", layout.width)
        values = _numbers(parts[1:])
        if values is None or len(values) != layout.width:
            raise EncoderError(f"a word and {layout.width} numbers", repr(line[:40].decode("utf-8", "replace")),
                             f"{where} line {number}", _DO)  # fmt: skip
        yield parts[0].decode("utf-8", "replace"), values
    if number - 1 < layout.words:
        raise _too_few(number - 1, layout, where)


def _binary(file: IO[bytes], layout: WordFile, where: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    begin, size = len(file.readline(_LONGEST_LINE)), 4 * layout.width
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for number in range(1, layout.words + 1):
            space = content.find(b" ", begin, begin + _LONGEST_LINE)
            if space < 0 or space + 1 + size > len(content):
                raise _too_few(number - 1, layout, where)
            word = content[begin:space].lstrip(b"\n").decode("utf-8", "replace")
            yield word, np.frombuffer(content[space + 1 : space + 1 + size], "<f4").astype(np.float32)
            begin = space + 1 + size


def _too_few(words: int, layout: WordFile, where: str) -> InputError:
    return EncoderError(f"{layout.words:,} words", f"{words:,}", where, _DO)


def _numbers(parts: list[bytes]) -> NDArray[np.float32] | None:
    try:
        return np.array([float(part) for part in parts], np.float32) if parts else None
    except ValueError:
        return None


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
        from edgewright.language.embedding.directory import bert_onnx  # noqa: PLC0415 - needs extras
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", f"{error.name}, which writes graphs,") from None
    if directory.config is None:
        raise EncoderError("a config.json next to model.safetensors", "none", str(path))
    if directory.model.stat().st_size > LARGEST_WEIGHTS:
        raise FileTooLargeError(
            "weights of at most 2 GB", f"{directory.model.stat().st_size >> 20} MB", str(directory.model)
        )
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
        raise ExistingFileError("a new directory", "an existing one", str(out), "Choose another --out")
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
            raise EncoderError("a table of embeddings", f"shape {table.shape}", where)
        self._tokens = open_tokenizer(directory / "tokenizer.json", _TOKENS)
        known = self.tokens = self._tokens.get_vocab_size()
        rows = arrays.get("mapping", np.arange(len(table)))
        weights = arrays.get("weights", np.ones(len(rows), np.float32))
        if len(rows) < known or len(weights) != len(rows) or rows.min() < 0 or rows.max() >= len(table):
            raise EncoderError(f"embeddings of the {known:,} tokens", f"{len(rows):,}", where)
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
