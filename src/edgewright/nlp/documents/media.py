"""Graphs that encode pictures or sounds, from a directory: what a device needs of an encoder.

The directory is laid out as encoders are published: `vision_model.onnx`, `audio_model.onnx` or `model.onnx` takes
`pixel_values` (N, 3, H, W) or `input_values` (N, samples); `preprocessor_config.json` says size, mean and rate. The
graph may lie in `onnx/`. Pillow, which no base install of a device has, is loaded where the graph takes pictures.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.errors import (
    DocumentIndexError,
    DocumentUnreadableError,
    FileTooLargeError,
    FormatNewerError,
    MissingFileError,
    OutputError,
)
from edgewright.core.input.riff import read_wav
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.nlp.records import INDEX_FORMAT, INDEX_VERSION, Indexed

if TYPE_CHECKING:
    from PIL import Image


Kind = Literal["picture", "sound"]
SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "picture": (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm"),
    "sound": (".wav",),
}
MEDIA_INPUTS: dict[str, Kind] = {"pixel_values": "picture", "input_values": "sound"}
MEDIA_GRAPHS = ("vision_model.onnx", "audio_model.onnx", "model.onnx")
PREPROCESSING = "preprocessor_config.json"
# Of exports with several outputs, the one that lies in the space of the text.
_OUTPUTS = ("image_embeds", "audio_embeds", "embedding", "vector")
_DO = "Name a directory with vision_model.onnx or audio_model.onnx, such as an ONNX export of CLIP"
_LARGEST = 256 << 20


class _Preprocessing(msgspec.Struct, frozen=True):
    """`preprocessor_config.json`, as far as it is needed."""

    size: int | dict[str, int] = 224
    crop_size: int | dict[str, int] | None = None
    do_normalize: bool = True
    image_mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    image_std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)
    sampling_rate: int = 16_000
    max_length_s: float = 10.0


_Graph = tuple[
    dict[str, Sequence[int | str | None]], list[str], Callable[[str, str, NDArray[np.float32]], NDArray[Any]]
]
"""Shapes of inputs, names of outputs, and a function of an output, an input and its value."""


def _with_onnxruntime(model: Path) -> _Graph:
    session = open_session(model, threads=1, where=str(model))
    inputs = {port.name: port.shape for port in session.get_inputs()}
    names = [port.name for port in session.get_outputs()]
    return inputs, names, lambda output, name, value: session.run([output], {name: value})[0]


def _with_numpy(model: Path) -> _Graph:
    graph = read_onnx(model.read_bytes())
    run = compile_graph(graph)
    inputs: dict[str, Sequence[int | str | None]] = {port.name: ("N", *port.shape) for port in graph.inputs}
    return inputs, [port.name for port in graph.outputs], lambda output, _, value: run(value)[output]


_ENGINES: Mapping[str, Callable[[Path], _Graph]] = {"onnxruntime": _with_onnxruntime, "numpy": _with_numpy}


class MediaGraph:
    """Pictures or sounds to unit vectors.

    Args:
        directory: of the encoder.
        engine: 'onnxruntime', or 'numpy' for a graph of operators of the base install.

    Raises:
        InputError: no such directory, no graph in it, or one that takes something else.

    Attributes:
        directory: of the encoder.
        name: name of the directory.
        kind: what it takes.
        dimensions: length of a vector.
        bytes: of the graph, and of that of text where there is one.
        rate: samples a second that sounds are brought to.
    """

    def __init__(self, directory: Path, engine: str = "onnxruntime") -> None:
        if not directory.is_dir():
            raise MissingFileError("the directory of an encoder", "no such directory", str(directory), _DO)
        self.directory, self.name = directory, directory.resolve().name
        model = existing(directory, MEDIA_GRAPHS)
        if model is None:
            raise DocumentIndexError("a graph that encodes pictures or sounds", "none", str(directory), _DO)
        self.bytes = model.stat().st_size
        inputs, names, self._graph = _ENGINES[engine](model)
        own = [name for name in inputs if name in MEDIA_INPUTS]
        if len(own) != 1 or len(inputs) != 1:
            raise DocumentIndexError(
                "a graph that takes pixel_values or input_values alone", ", ".join(inputs), str(model), _DO
            )
        self._input, self.kind = own[0], MEDIA_INPUTS[own[0]]
        self._how = _preprocessing(directory / PREPROCESSING, inputs[own[0]])
        self._output = next((name for name in _OUTPUTS if name in names), names[0])
        self.rate = self._how.sampling_rate
        if self.kind == "picture":
            height, width = _edges(self._how.crop_size or self._how.size)
            blank = np.zeros((1, 3, height, width), np.float32)
        else:
            blank = self._wave(np.zeros(1600), 16_000)
        self.dimensions = len(self._run(blank))

    def encode_file(self, path: Path) -> NDArray[np.float32]:
        """Return the vector of a picture or a WAV file, shape (d,).

        Raises:
            InputError: it cannot be read as such, or is too large.
        """
        try:
            size = path.stat().st_size
            if size > _LARGEST:
                raise FileTooLargeError(f"at most {_LARGEST >> 20} MB", f"{size >> 20} MB", str(path))
            content = path.read_bytes()
        except OSError as error:
            raise DocumentUnreadableError(
                f"a {self.kind} that can be read", error.strerror or str(error), str(path)
            ) from None
        if self.kind == "sound":
            sound = read_wav(content, str(path))
            return self.encode_sound(sound.values.mean(axis=1), sound.rate)
        from edgewright.core.input.pictures import opened  # noqa: PLC0415 - Pillow is in the base install of no device

        return self.encode_picture(opened(content, str(path), lambda picture: picture.convert("RGB")))

    def encode_picture(self, picture: Image.Image) -> NDArray[np.float32]:
        """Return the vector of a picture, shape (d,)."""
        return self._run(self._ready(picture.convert("RGB")))

    def encode_sound(self, samples: NDArray[Any], rate: int) -> NDArray[np.float32]:
        """Return the vector of a sound, shape (d,), from samples of one channel at `rate` per second."""
        return self._run(self._wave(samples, rate))

    def _run(self, value: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            output = self._graph(self._output, self._input, value)
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's own classes
            why = " ".join(str(error).split())[:200]
            raise DocumentIndexError(f"a graph that takes {value.shape}", why, str(self.directory)) from None
        flat = output if output.ndim == 2 else output.reshape(1, -1, output.shape[-1]).mean(axis=1)
        vector = np.asarray(flat[0], np.float32)
        return np.asarray(vector / np.maximum(np.sqrt(np.square(vector).sum()), np.float32(1e-12)), np.float32)

    def _ready(self, picture: Image.Image) -> NDArray[np.float32]:
        """Shorter edge to size, centre cut out, channels first, normalised: shape (1, 3, H, W)."""
        from PIL import Image  # noqa: PLC0415 - see above

        height, width = _edges(self._how.crop_size or self._how.size)
        scale = max(height / picture.height, width / picture.width)
        wide, high = max(width, round(picture.width * scale)), max(height, round(picture.height * scale))
        resized = picture.resize((wide, high), Image.Resampling.BICUBIC)
        left, top = (wide - width) // 2, (high - height) // 2
        pixels = np.asarray(resized.crop((left, top, left + width, top + height)), np.float32) / 255
        if self._how.do_normalize:
            pixels = (pixels - np.array(self._how.image_mean, np.float32)) / np.array(self._how.image_std, np.float32)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)

    def _wave(self, samples: NDArray[Any], rate: int) -> NDArray[np.float32]:
        """At the encoder's rate by straight lines, its first seconds, zeros behind: shape (1, samples)."""
        wanted = self._how.sampling_rate
        times = np.arange(0, len(samples) / rate, 1 / wanted)[: round(self._how.max_length_s * wanted)]
        wave = np.zeros(round(self._how.max_length_s * wanted), np.float32)
        wave[: len(times)] = np.interp(times, np.arange(len(samples)) / rate, samples)
        return wave[None]


def files_of(folder: Path, kind: Kind) -> list[Path]:
    """Pictures or sounds below a folder, by name.

    Raises:
        InputError: no folder, or none in it.
    """
    if not folder.is_dir():
        raise MissingFileError(f"a folder of {kind}s", "no such folder", str(folder))
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES[kind] and path.is_file())
    if not files:
        raise DocumentIndexError(f"a folder of {kind}s ({', '.join(SUFFIXES[kind])})", "none in it", str(folder))
    return files


def existing(directory: Path, names: Sequence[str]) -> Path | None:
    """Return the first of these files of a directory, or of `onnx/` in it; None where there is none."""
    return next((p for name in names for p in (directory / name, directory / "onnx" / name) if p.is_file()), None)


def _preprocessing(path: Path, shape: Sequence[int | str | None]) -> _Preprocessing:
    """Return what the file says; without one, CLIP's means at the size that the graph takes, 224 where it takes any."""
    if not path.is_file():
        fixed = [edge for edge in shape[2:4] if isinstance(edge, int) and edge > 0]
        return _Preprocessing(size={"height": fixed[0], "width": fixed[1]}) if len(fixed) == 2 else _Preprocessing()
    try:
        how = msgspec.json.decode(path.read_bytes(), type=_Preprocessing)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DocumentIndexError("a preprocessor_config.json", str(error), str(path)) from None
    sensible: Callable[[float, float], bool] = lambda value, maximum: 0 < value <= maximum  # noqa: E731 - used four times
    edges = _edges(how.crop_size or how.size)
    if not (sensible(min(edges), 4096) and sensible(max(edges), 4096) and sensible(how.sampling_rate, 200_000)
            and sensible(how.max_length_s, 120) and min(how.image_std) > 0):  # fmt: skip
        raise DocumentIndexError("valid sizes and rates", "others", str(path))
    return how


def _edges(size: int | dict[str, int]) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    edge = size.get("shortest_edge", 224)
    return size.get("height", edge), size.get("width", edge)


# Up to here they are kept as float32, which is multiplied several times faster.
_KEPT = 128 << 20


class StoredVectors:
    """The vectors of one kind, 'sentence' or 'section', in the order of their numbers."""

    def __init__(self, connection: sqlite3.Connection, of: str, count: int, dimensions: int) -> None:
        self._connection, self._of, self._count, self._dimensions = connection, of, count, dimensions
        self._kept: Vectors | None = None

    def products(self, vector: Vectors) -> Vectors:
        """Scalar products with all of them, shape (count,).

        Args:
            vector: shape (dimensions,).
        """
        if self._kept is None and self._count * self._dimensions * 4 <= _KEPT:
            parts = [rows * scales[:, None] for rows, scales in self._blocks()]
            self._kept = np.concatenate(parts) if parts else np.zeros((0, self._dimensions), np.float32)
        if self._kept is not None:
            return np.asarray(self._kept @ vector, np.float32)
        return np.concatenate([(rows @ vector) * scales for rows, scales in self._blocks()])

    def _blocks(self) -> Iterator[tuple[Vectors, Vectors]]:
        """Yield blocks one after the other: float32 rows that still lack their scales, and the scales."""
        cursor = self._connection.execute("SELECT rows, scales FROM vectors WHERE of = ? ORDER BY first", (self._of,))
        for rows, scales in cursor:
            wide = np.frombuffer(rows, np.int8).reshape(-1, self._dimensions).astype(np.float32)
            yield wide, np.frombuffer(scales, "<f4")


Integers = NDArray[np.int32]
Vectors = NDArray[np.float32]

TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE documents (id INTEGER PRIMARY KEY, told TEXT NOT NULL)",
    # words: numbers of the words of all headings on the path.
    "CREATE TABLE sections (id INTEGER PRIMARY KEY, document INTEGER NOT NULL, path TEXT NOT NULL,"
    " words BLOB NOT NULL)",
    # spans: (sentences, 2) places in text; words: of all sentences; counts: (sentences) how many words each has;
    # first: number of the first sentence in the whole index.
    "CREATE TABLE passages (id INTEGER PRIMARY KEY, section INTEGER NOT NULL, page INTEGER NOT NULL,"
    " text TEXT NOT NULL, spans BLOB NOT NULL, words BLOB NOT NULL, counts BLOB NOT NULL, first INTEGER NOT NULL)",
    # sentences, passages: in how many of them the word stands; a passage has its headings' words, too.
    "CREATE TABLE terms (id INTEGER PRIMARY KEY, term TEXT NOT NULL UNIQUE, sentences INTEGER NOT NULL,"
    " passages INTEGER NOT NULL)",
    "CREATE VIRTUAL TABLE spellings USING fts5(term, content='', tokenize='trigram')",
    "CREATE VIRTUAL TABLE words USING fts5(title, body, content='', tokenize='ascii')",
    # of: 'sentence' or 'section'; int8 rows and one scale each, in blocks.
    "CREATE TABLE vectors (of TEXT NOT NULL, first INTEGER NOT NULL, scales BLOB NOT NULL, rows BLOB NOT NULL,"
    " PRIMARY KEY (of, first))",
)
BLOCK = 1024
"""Rows of a block of vectors."""


def packed(values: Integers) -> bytes:
    """Return integers as the index holds them: 32 bits, little end first."""
    return values.astype("<i4").tobytes()


def unpacked(blob: bytes) -> Integers:
    """Return the integers again."""
    return np.frombuffer(blob, "<i4")


def quantised(vectors: Vectors) -> tuple[NDArray[np.int8], Vectors]:
    """Return rows in int8 and one scale a row: `rows * scales[:, None]` is near `vectors`.

    Args:
        vectors: shape (n, d).

    Returns:
        int8 of shape (n, d), float32 of shape (n,).
    """
    scales = np.maximum(np.abs(vectors).max(axis=1), 1e-12).astype(np.float32) / np.float32(127)
    return np.rint(vectors / scales[:, None]).astype(np.int8), scales


BROKEN = (sqlite3.Error, ValueError, TypeError, LookupError, ArithmeticError, MemoryError)
"""What reading an index that does not hold together can raise: text that is none, places beyond an array."""
_MAKE = "Make one with: edgewright language index MANUAL.pdf --out INDEX"


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of a whole index.

    Attributes:
        contents: what it holds.
        sections: their number.
        sentence_words: mean of the words of a sentence, in words that say something.
        passage_words: mean of the words of a passage, its headings' included.
    """

    contents: Indexed = msgspec.field(name="held")
    sections: int
    sentence_words: float
    passage_words: float


def open_index(path: Path) -> tuple[sqlite3.Connection, Meta]:
    """Return the connection and the figures of an index.

    Raises:
        InputError: no such file, no index, an index of a newer version, or an SQLite without FTS5.
        OutputError: it is damaged.
    """
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such file"
        raise DocumentUnreadableError("an index of documents", got, str(path), _MAKE)
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
    try:
        record: dict[str, Any] = dict(connection.execute("SELECT key, value FROM meta"))
        return connection, _checked(record, path)
    except BROKEN as error:
        connection.close()
        why = " ".join(str(error).split())[:200]
        raise DocumentUnreadableError("an index of documents", f"another file ({why})", str(path), _MAKE) from None
    except BaseException:
        connection.close()
        raise


def _checked(record: dict[str, Any], path: Path) -> Meta:
    if record.get("format") != INDEX_FORMAT:
        raise DocumentUnreadableError("an index of documents", "an SQLite file of another program", str(path), _MAKE)
    version = str(record.get("version", ""))
    if not version.isdigit() or int(version) != INDEX_VERSION:
        raise FormatNewerError(
            f"an index of version {INDEX_VERSION}", f"version {version}", str(path),
            "Rebuild it from the documents, or install the Edgewright version that built it",
        )  # fmt: skip
    try:
        return msgspec.json.decode(record["figures"], type=Meta)
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise damaged(path, str(error)) from None


def damaged(path: Path, why: str) -> OutputError:
    """Return an index that opens but does not hold together."""
    return OutputError(
        "an index that can be read", " ".join(why.split())[:200], str(path), "Rebuild it from the documents"
    )
