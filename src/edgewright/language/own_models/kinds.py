"""Kinds of models that `edgewright models add` takes."""

from __future__ import annotations

import math
import os
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import onnx
from onnx.external_data_helper import uses_external_data
from PIL import Image

from edgewright.core.errors import InputError, MissingFileError, OwnModelChangedError, OwnModelError
from edgewright.core.files import os_errors
from edgewright.language.documents.index import MediaEncoder
from edgewright.language.embedding import load
from edgewright.language.embedding.directory import CONFIGURATION, PAIRED, is_static, look
from edgewright.language.embedding.load import StaticEncoder, look_at_words, write_word_vectors
from edgewright.models.nn.backbone import BackboneConfig, apply, initialise, settled
from edgewright.nlp.documents.media import MEDIA_GRAPHS, MEDIA_INPUTS
from edgewright.nlp.utterance.student import Encodes

Figures = dict[str, str | int | float]


@dataclass(frozen=True)
class ModelKind:
    """A kind of models.

    Attributes:
        title: for people, with the files that it consists of.
        matches: whether a file or folder is meant to be one; looks at names and headers alone.
        copy: copies what is needed into an empty folder, and returns what loaders take of it: a file's name, or
            nothing for the folder. Says which file is missing.
        test: loads the copy, runs it, and returns its role ('text', 'picture', 'sound', 'backbone' or 'phrasing') and
            what was measured. Raises an `InputError` where answers are wrong.
        licence: what a header says of the licence; empty where it does not.
    """

    title: str
    matches: Callable[[Path], bool]
    copy: Callable[[Path, Path], str]
    test: Callable[[Path], tuple[str, Figures]]
    licence: Callable[[Path], str] = lambda _: ""


def _read(path: Path) -> onnx.GraphProto:
    """Return the graph of an ONNX file without its external weights; an empty one of another file."""
    try:
        return onnx.load(str(path), load_external_data=False).graph
    except Exception:  # noqa: BLE001 - protocol buffers' own errors; who loads the file says what is wrong
        return onnx.GraphProto()


def onnx_inputs(path: Path) -> set[str]:
    """Return the names of the inputs of an ONNX file; none of another file."""
    graph = _read(path)
    return {port.name for port in graph.input} - {constant.name for constant in graph.initializer}


def with_weights(model: Path) -> Iterator[Path]:
    """Yield an ONNX file and the files that hold its weights.

    Raises:
        InputError: weights outside the model's folder.
    """
    yield model
    locations = {entry.value for tensor in _read(model).initializer if uses_external_data(tensor)
              for entry in tensor.external_data if entry.key == "location"}  # fmt: skip
    for location in sorted(map(Path, locations)):
        if location.is_absolute() or ".." in location.parts:
            raise OwnModelError("weights in the folder of the model", str(location), str(model))
        yield model.parent / location


def copy_files(source: Path, target: Path, files: Iterable[Path]) -> None:
    """Copy files below `source` to the same places below `target`.

    Raises:
        InputError: one is missing.
        OSError: one cannot be read, or the disk is full.
    """
    for file in files:
        if not file.is_file():
            raise MissingFileError(f"the file {file.relative_to(source)} of the model", "no such file", str(source))
        copy = target / file.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


# A sentence and the same in other words.
_PAIRS = (
    ("The battery is empty.", "There is no charge left in the cell."),
    ("Turn on the light, please.", "Could you switch on the lamp?"),
    ("The door does not close.", "The gate stays open."),
    ("It is raining outside.", "The weather is wet today."),
    ("Somebody is playing the piano.", "A musician plays a keyboard instrument."),
    ("The engine is too hot.", "The motor overheats."),
    ("How much does it cost?", "What is the price?"),
    ("A dog runs over the meadow.", "An animal is running across the grass."),
)
# By which vectors may differ that were computed with other texts beside.
_TOLERANCE = 0.02


def test_text(encoder: Encodes, where: str) -> Figures:
    """Encode sentences together, alone and again, and count paraphrases that lie nearest to their sentence.

    Raises:
        InputError: vectors that are not finite, depend on other texts beside, or are the same for all.
    """
    sentences, others = zip(*_PAIRS, strict=True)
    together = encoder.encode([*sentences, *others])
    if not np.isfinite(together).all():
        raise OwnModelError("finite vectors", "some that are not", where)
    alone = np.concatenate([encoder.encode([text]) for text in (*sentences, *others)])
    difference = float(np.abs(alone - together).max())
    if difference > _TOLERANCE:
        raise OwnModelError("the same vector of a text, whatever is encoded with it", f"{difference:.3f} off", where,
                         "Export it with an attention_mask")  # fmt: skip
    cosines = together[: len(_PAIRS)] @ together[len(_PAIRS) :].T
    if float(np.ptp(cosines)) < 1e-6:
        raise OwnModelError("vectors that differ between texts", "the same for all", where,
                         "Check that the tokenizer.json belongs to the model")  # fmt: skip
    nearest = int((cosines.argmax(axis=1) == np.arange(len(_PAIRS))).sum())
    return {"dimensions": encoder.dimensions, "english_paraphrases_nearest": f"{nearest} of {len(_PAIRS)}"}


def _matches_backbone(path: Path) -> bool:
    if not path.is_file():
        return False
    # Files of encoders need their tokeniser or their preprocessing beside them.
    encodes = {"input_ids", "pixel_values", "input_values"}
    return path.suffix == ".tflite" or (path.suffix == ".onnx" and not encodes & onnx_inputs(path))


def _copy_file(source: Path, target: Path) -> str:
    shutil.copyfile(source, target / source.name)
    return source.name


def _test_backbone(path: Path) -> tuple[str, Figures]:
    config = settled(BackboneConfig(file=str(path)))
    pixels = (0.0, 255.0) if len(config.shape) == 3 else None
    # Weights are read from the file; a float file is tested with the numbers that it takes.
    given = BackboneConfig(file=str(path), pixels=pixels)
    parameters = initialise(given, config.shape, np.random.default_rng(0))
    samples = np.random.default_rng(0).uniform(0, 255 if pixels else 1, (2, *config.shape)).astype(np.float32)
    features = np.asarray(apply(given, parameters, samples))
    if not np.isfinite(features).all() or float(np.ptp(features, axis=0).max()) == 0.0:
        raise OwnModelError("features that differ between samples", "the same for all", path.name)
    shapes = {"takes": " x ".join(map(str, config.shape)), "gives": " x ".join(map(str, config.out))}
    return "backbone", {**shapes, "layers": len(config.nodes), "macs": config.macs}


BACKBONE = ModelKind("a backbone (a .tflite or .onnx file of a network)", _matches_backbone, _copy_file, _test_backbone)


_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# Weights and bytes of a block by type of tensor; no type takes less than a bit a weight.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 30: (1, 2),
}  # fmt: skip
_BIT = (8, 1)
_MAX_ENTRIES, _MAX_BYTES = 1 << 20, 1 << 28
_DO = "Fetch the file again; it is damaged or incomplete"


class Header(NamedTuple):
    """Values by key (arrays as their length), weights, and the bytes that a whole file has."""

    values: dict[str, Any]
    weights: int
    size: int


def read_header(path: Path) -> Header:
    """Read the header of a GGUF file.

    Raises:
        InputError: another file, another version, or one that ends too early.
    """
    with os_errors(InputError, "a GGUF file", path), path.open("rb") as file:
        if file.read(4) != _MAGIC:
            raise OwnModelError("a GGUF file", "another file", str(path))
        version = int.from_bytes(file.read(4), "little")
        if version not in _VERSIONS:
            raise OwnModelError("GGUF version 2 or 3", str(version), str(path), "Convert the model with a newer tool")
        try:
            header = _header(file)
        except (struct.error, OverflowError, ValueError) as error:
            raise OwnModelError("a whole GGUF header", str(error), str(path), _DO) from None
        size = os.fstat(file.fileno()).st_size
        if header.size > size:
            raise OwnModelChangedError(f"{min(header.size, 1 << 63):,} bytes", f"{size:,}", str(path), _DO)
    return header


def _header(file: IO[bytes]) -> Header:
    tensors, entries = _number(file, "Q"), _number(file, "Q")
    if max(tensors, entries) > _MAX_ENTRIES:
        raise ValueError(f"{tensors} tensors and {entries} values")
    values: dict[str, Any] = {}
    for _ in range(entries):
        key = _text(file)
        values[key] = _value(file, _number(file, "I"))
    weights = end = 0
    for _ in range(tensors):
        _text(file)
        axes = _number(file, "I")
        if axes > 8:
            raise ValueError(f"a tensor of {axes} axes")
        count = math.prod(_number(file, "Q") for _ in range(axes))
        weights += count
        block, size = _BLOCKS.get(_number(file, "I"), _BIT)
        end = max(end, _number(file, "Q") + count * size // block)
    align = max(1, int(values.get("general.alignment", 32)))
    return Header(values, weights, -(-file.tell() // align) * align + end)


def _number(file: IO[bytes], code: str) -> Any:  # noqa: ANN401 - of the format's types
    return struct.unpack(f"<{code}", file.read(struct.calcsize(code)))[0]


def _text(file: IO[bytes]) -> str:
    length = _number(file, "Q")
    if length > _MAX_BYTES:
        raise ValueError(f"a text of {length} bytes")
    return file.read(length).decode()


def _value(file: IO[bytes], kind: int) -> Any:  # noqa: ANN401 - of the format's types
    if kind == _STRING:
        return _text(file)
    if kind != _ARRAY:
        return _number(file, _code(kind))
    inner, length = _number(file, "I"), _number(file, "Q")
    if length > _MAX_BYTES:
        raise ValueError(f"an array of {length} values")
    if inner == _STRING:
        for _ in range(length):
            _text(file)
    else:
        file.seek(length * struct.calcsize(_code(inner)), os.SEEK_CUR)
    return length


def _code(kind: int) -> str:
    if kind not in _NUMBERS:
        raise ValueError(f"a value of type {kind}")
    return _NUMBERS[kind]


def _matches_language_model(path: Path) -> bool:
    if not path.is_file():
        return False
    with os_errors(InputError, "a file of a model", path), path.open("rb") as file:
        return file.read(4) == _MAGIC


def _test_language_model(path: Path) -> tuple[str, Figures]:
    header = read_header(path)
    architecture = str(header.values.get("general.architecture", ""))
    if not architecture or not header.weights:
        got = "no architecture" if header.weights else "no tensors"
        raise OwnModelError("a language model in GGUF", got, path.name, "Name the file with the weights")
    figures: Figures = {"architecture": architecture, "weights": header.weights}
    context = header.values.get(f"{architecture}.context_length")
    return "phrasing", {**figures, **({"context_tokens": context} if isinstance(context, int) else {})}


LANGUAGE_MODEL = ModelKind(
    "a language model (.gguf)",
    _matches_language_model,
    _copy_file,
    _test_language_model,
    licence=lambda path: str(read_header(path).values.get("general.license", "")),
)


_COLOURS = ("red", "green", "blue", "white", "black", "yellow")


def media_graph(path: Path) -> Path | None:
    """Return the graph of pictures or sounds in a folder; None where there is none."""
    for name in MEDIA_GRAPHS:
        for file in (path / name, path / "onnx" / name):
            if file.is_file() and (name != MEDIA_GRAPHS[-1] or MEDIA_INPUTS.keys() & onnx_inputs(file)):
                return file
    return None


def _copy_media_encoder(source: Path, target: Path) -> str:
    own = media_graph(source)
    if own is None:
        raise OwnModelError(f"a graph that encodes pictures or sounds ({', '.join(MEDIA_GRAPHS)})", "none", str(source))
    graphs = [own, *(source / name for name in PAIRED if (source / name).is_file())]
    also = [source / name for name in ("tokenizer.json", "preprocessor_config.json") if (source / name).is_file()]
    if len(graphs) > 1 and not (source / "tokenizer.json").is_file():
        raise OwnModelError("a tokenizer.json next to text_model.onnx", "none", str(source))
    copy_files(source, target, [*(file for graph in graphs for file in with_weights(graph)), *also])
    return ""


def _test_media_encoder(path: Path) -> tuple[str, Figures]:
    encoder = MediaEncoder(path)
    figures: Figures = {"dimensions": encoder.dimensions, "reads_text": "yes" if encoder.reads_text else "no"}
    if encoder.reads_text:
        figures |= test_text(encoder, str(path))
    if encoder.kind == "picture":
        vectors = np.stack([encoder.encode_picture(Image.new("RGB", (64, 64), name)) for name in _COLOURS])
    else:
        noise, times = np.random.default_rng(0).standard_normal(16_000), np.arange(16_000) / 16_000
        # Noise, a tone that rises, and a click.
        sounds = (0.1 * noise, 0.3 * np.sin(2 * np.pi * 400 * times * (1 + times)), 0.9 * (np.arange(16_000) < 80))
        vectors = np.stack([encoder.encode_sound(sound, 16_000) for sound in sounds])
    if not np.isfinite(vectors).all() or float(np.ptp(vectors, axis=0).max()) < 1e-6:
        raise OwnModelError(f"vectors that differ between {encoder.kind}s", "the same for all", str(path))
    if encoder.kind == "picture" and encoder.reads_text:
        cosines = vectors @ encoder.encode([f"a {name} picture" for name in _COLOURS]).T
        right = int((cosines.argmax(axis=1) == np.arange(len(_COLOURS))).sum())
        figures["colours_named_right"] = f"{right} of {len(_COLOURS)}"
    return encoder.kind, figures


MEDIA_ENCODER = ModelKind(
    "an encoder of pictures or sounds (a folder with vision_model.onnx, audio_model.onnx or model.onnx; for words also "
    "text_model.onnx and tokenizer.json)",
    lambda path: media_graph(path) is not None,
    _copy_media_encoder,
    _test_media_encoder,
)


_WEIGHTS = ("model.onnx", "onnx/model.onnx", "model.safetensors", "tokenizer.json", "pytorch_model.bin")


def _matches_sentence_encoder(path: Path) -> bool:
    return any((path / name).is_file() for name in _WEIGHTS) and media_graph(path) is None and not is_static(path)


def _copy_sentence_encoder(source: Path, target: Path) -> str:
    directory = look(source)
    configuration = [source / name for name in CONFIGURATION if (source / name).is_file()]
    copy_files(source, target, [*with_weights(directory.model), directory.tokenizer, *configuration])
    return ""


def _test_sentence_encoder(path: Path) -> tuple[str, Figures]:
    return "text", test_text(load(path), str(path))


SENTENCE_ENCODER = ModelKind(
    "a sentence encoder (a folder with tokenizer.json and model.onnx or model.safetensors)",
    _matches_sentence_encoder,
    _copy_sentence_encoder,
    _test_sentence_encoder,
)


_SUFFIXES = (".txt", ".vec", ".bin")


def _matches_static_embeddings(path: Path) -> bool:
    return is_static(path) or (path.is_file() and path.suffix in _SUFFIXES and look_at_words(path) is not None)


def _copy_static_embeddings(source: Path, target: Path) -> str:
    if source.is_dir():
        copy_files(source, target, [source / "tokenizer.json", source / "model.safetensors"])
    else:
        write_word_vectors(source, target)
    return ""


def _test_static_embeddings(path: Path) -> tuple[str, Figures]:
    encoder = StaticEncoder(path)
    return "text", {**test_text(encoder, str(path)), "tokens": encoder.tokens}


STATIC_EMBEDDINGS = ModelKind(
    "static embeddings (a model2vec folder, or a .txt, .vec or .bin file of GloVe or word2vec)",
    _matches_static_embeddings,
    _copy_static_embeddings,
    _test_static_embeddings,
)


KINDS = {
    "backbone": BACKBONE, "language_model": LANGUAGE_MODEL, "media_encoder": MEDIA_ENCODER,
    "sentence_encoder": SENTENCE_ENCODER, "static_embeddings": STATIC_EMBEDDINGS,
}  # fmt: skip
"""Kinds by the name that records keep."""


def kind_of(path: Path) -> tuple[str, ModelKind]:
    """Return the kind of a file or folder, and its name.

    Raises:
        InputError: nothing there, or a model of no known kind.
    """
    if not path.exists():
        raise MissingFileError("a file or folder of a model", "no such path", str(path))
    for name, kind in KINDS.items():
        if kind.matches(path):
            return name, kind
    got = f"a file {path.suffix or 'of no type'}"
    if path.is_dir():
        got = f"a folder with {', '.join(sorted(file.name for file in path.iterdir())[:8]) or 'nothing'}"
    raise OwnModelError(
        f"one of: {'; '.join(kind.title for kind in KINDS.values())}", got, str(path),
        "Name the folder with all files of the model",
    )  # fmt: skip
