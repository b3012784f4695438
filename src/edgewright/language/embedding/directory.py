"""Content of an encoder's directory, and what encoders have in common."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgewright.core.errors import DescriptionsError, EncoderError, InputError, OutputError
from edgewright.core.files import os_errors
from edgewright.nlp.utterance.student import Encodes

_LONGEST_HEADER = 100 << 20
_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1",
    "BOOL": "|b1", "BF16": "<u2",
}  # fmt: skip
_DO_WEIGHTS = "Download the model again; the file is damaged or has a newer format"


class Entry(msgspec.Struct):
    """What the header says of an array."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return arrays by name; floats of 16 bits as float32.

    Raises:
        InputError: no such file, a header that is none, offsets outside the file, or a type of number that is not
            known here.
    """
    entries, begin = read_header(path)
    with os_errors(InputError, "a file of weights", path):
        body = np.fromfile(path, np.uint8, offset=begin)
    return {name: _array(entry, body, f"{path}, {name}") for name, entry in entries.items()}


def read_header(path: Path) -> tuple[dict[str, Entry], int]:
    """Return the entries of the arrays by name, and the byte at which the arrays begin.

    Raises:
        InputError: no such file, or a header that is none.
    """
    with os_errors(InputError, "a file of weights", path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise EncoderError("a file of weights", f"{size} bytes", str(path), _DO_WEIGHTS)
        length = int.from_bytes(file.read(8), "little")
        if length > min(size - 8, _LONGEST_HEADER):
            raise EncoderError(f"a header within {size} bytes", f"one of {length}", str(path), _DO_WEIGHTS)
        text = file.read(length)
    try:
        header = msgspec.json.decode(text, type=dict[str, dict[str, Any]])
        header.pop("__metadata__", None)
        return msgspec.convert(header, dict[str, Entry]), 8 + length
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise EncoderError("a header of weights", str(error), str(path), _DO_WEIGHTS) from None


def write_safetensors(path: Path, arrays: Mapping[str, NDArray[np.float32]]) -> None:
    """Write arrays of float32.

    Raises:
        OutputError: the file cannot be written.
    """
    header, begin = dict[str, Any](), 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": (begin, begin + array.nbytes)}
        begin += array.nbytes
    text = msgspec.json.encode(header)
    with os_errors(OutputError, f"to write {begin} bytes", path, "Free some space"), path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(array.astype("<f4").tobytes())


def _array(entry: Entry, body: NDArray[np.uint8], where: str) -> NDArray[Any]:
    if entry.dtype not in _TYPES:
        raise EncoderError(f"numbers of type {', '.join(_TYPES)}", entry.dtype, where)
    dtype = np.dtype(_TYPES[entry.dtype])
    begin, end = entry.data_offsets
    if not 0 <= begin <= end <= len(body) or min(entry.shape, default=0) < 0:
        raise EncoderError("offsets within the file", f"{begin} to {end}", where, _DO_WEIGHTS)
    if math.prod(entry.shape) * dtype.itemsize != end - begin:
        raise EncoderError(f"the bytes of a shape {entry.shape}", str(end - begin), where, _DO_WEIGHTS)
    array = np.frombuffer(body[begin:end].tobytes(), dtype).reshape(entry.shape)
    if entry.dtype == "BF16":
        # The upper half of a float32.
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32) if entry.dtype in ("F16", "F64") else array


class Remembering:
    """An `Encoder` that keeps what it was asked; four bytes a number, as long as it lives.

    Args:
        encoder: that does the work.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder, self._known = encoder, dict[str, Vectors]()
        self.name, self.dimensions, self.bytes = encoder.name, encoder.dimensions, encoder.bytes
        self.sha256: str = getattr(encoder, "sha256", "")

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return the encoder's vectors, shape (n, dimensions); texts seen before are not encoded again."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encoder.encode(new), strict=True))
        return np.array([self._known[text] for text in texts], np.float32).reshape(-1, self.dimensions)

    def words(self) -> list[str]:
        """As the encoder."""
        return self._encoder.words()


Vectors = NDArray[np.float32]
E = TypeVar("E")


def opened_again(read: Callable[[Path], E], directory: Path, sha256: str) -> E:
    """Return the encoder of a directory on another machine.

    Raises:
        InputError: no encoder there, or another one.
    """
    encoder = read(directory)
    if (there := getattr(encoder, "sha256", "")) != sha256:
        raise EncoderError(
            f"the encoder with SHA-256 {sha256[:12]}", f"one with {there[:12]}", f"{directory} of a worker",
            "Give workers the same files at the same path",
        )  # fmt: skip
    return encoder


class Encoder(Encodes, Protocol):
    """Texts to vectors whose scalar product says how near their meanings are; an empty text has one, too.

    Attributes:
        name: name of the directory it came from.
        dimensions: length d of a vector.
        bytes: of its weights.
    """

    bytes: int

    def words(self) -> list[str]:
        """Whole words that it knows; none where it cannot say."""
        ...


def unit(vectors: NDArray[Any]) -> Vectors:
    """Return rows divided by their length; rows of zeros stay."""
    wide = np.asarray(vectors, np.float32)
    length = np.sqrt(np.sum(np.square(wide), axis=-1, keepdims=True))
    return np.asarray(wide / np.maximum(length, np.float32(1e-12)), np.float32)


Pooling = Literal["mean", "cls", "max"]
S = TypeVar("S")
_DO = "Name the directory of a sentence encoder, with tokenizer.json and model.safetensors or model.onnx"
CONFIGURATION = ("config.json", "sentence_bert_config.json", "1_Pooling/config.json")
_LONGEST = 512
# The encoder of text beside one of pictures or sounds, and the tokens that such read.
PAIRED, PAIRED_TOKENS = ("text_model.onnx", "onnx/text_model.onnx"), 77


class BertConfig(msgspec.Struct, frozen=True):
    """`config.json` of a BERT-type encoder, as far as the graph needs it."""

    model_type: str = ""
    hidden_size: int = 0
    num_hidden_layers: int = 0
    num_attention_heads: int = 1
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12
    max_position_embeddings: int = 512
    pad_token_id: int = 0
    position_embedding_type: str = "absolute"


class Directory(msgspec.Struct, frozen=True):
    """A directory that was looked through.

    Attributes:
        path: path of the directory.
        model: the file of the weights, `.onnx` or `.safetensors`.
        tokenizer: `tokenizer.json`.
        pooling: how the vectors of the tokens become one.
        longest: tokens of a text; the rest is not read.
        config: None where a graph came along and no `config.json`.
    """

    path: Path
    model: Path
    tokenizer: Path
    pooling: Pooling
    longest: int
    config: BertConfig | None


class _Module(msgspec.Struct):
    type: str = ""


class _PoolingFile(msgspec.Struct):
    pooling_mode_cls_token: bool = False
    pooling_mode_mean_tokens: bool = False
    pooling_mode_max_tokens: bool = False


class _Lengths(msgspec.Struct):
    max_seq_length: int | None = None


def look(path: Path) -> Directory:
    """Return the files of an encoder's directory.

    Raises:
        InputError: no directory, no weights or tokeniser in it, weights as a pickle, or parts that are not known here.
    """
    if not path.is_dir():
        got = "a file" if path.exists() else "no such directory"
        raise EncoderError("the directory of an encoder", got, str(path), _DO)
    tokenizer = path / "tokenizer.json"
    model = _model(path)
    if not tokenizer.is_file():
        raise EncoderError("a tokenizer.json next to the weights", "none", str(path), _DO)
    config = _read(path / "config.json", BertConfig, None)
    lengths = _read(path / "sentence_bert_config.json", _Lengths, _Lengths())
    longest = (lengths.max_seq_length if lengths else None) or (config.max_position_embeddings if config else _LONGEST)
    longest = PAIRED_TOKENS if model.name == PAIRED[0] else longest
    modules = _read(path / "modules.json", list[_Module], [])
    known = ("Transformer", "Pooling", "Normalize")
    for module in modules or []:
        kind = module.type.rsplit(".", 1)[-1]
        if kind not in known:
            raise EncoderError(
                f"modules {', '.join(known)}", kind, str(path / "modules.json"), "Export it as model.onnx"
            )
    return Directory(path, model, tokenizer, _pooling(path), max(8, min(longest, _LONGEST)), config)


# Names of the table: of model2vec, and of the module StaticEmbedding of sentence-transformers.
STATIC_TABLES = ("embeddings", "embedding.weight")


def is_static(directory: Path) -> bool:
    """Return whether a directory holds static embeddings.

    Raises:
        InputError: its weights are damaged.
    """
    path = directory / "model.safetensors"
    try:
        return path.is_file() and bool({*STATIC_TABLES} & read_header(path)[0].keys())
    except InputError:
        if _model(directory).suffix == ".onnx":  # which needs no such file; without Git LFS it is a few words
            return False
        raise


def _model(path: Path) -> Path:
    for name in (*PAIRED, "model.onnx", "onnx/model.onnx", "model.safetensors"):
        candidate = path / name
        if candidate.is_file():
            return candidate
    others = sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5") for p in path.glob(pattern))
    parts = sorted(p.name for p in path.glob("model-*-of-*.safetensors"))
    if parts:
        raise EncoderError("weights in one file", f"{len(parts)} parts", str(path), "Export the encoder as model.onnx")
    if others:
        raise EncoderError(
            "weights as model.safetensors or model.onnx", others[0], str(path),
            "Such files can contain code and are not read; save the model as safetensors or ONNX",
        )  # fmt: skip
    raise EncoderError("weights (model.onnx or model.safetensors)", "a directory without any", str(path), _DO)


def _pooling(path: Path) -> Pooling:
    modes = _read(path / "1_Pooling" / "config.json", _PoolingFile, _PoolingFile(pooling_mode_mean_tokens=True))
    if modes is None or modes.pooling_mode_mean_tokens:
        return "mean"
    if modes.pooling_mode_cls_token or modes.pooling_mode_max_tokens:
        return "cls" if modes.pooling_mode_cls_token else "max"
    raise EncoderError("pooling by mean, cls or max", "another", str(path / "1_Pooling" / "config.json"))


def _read(path: Path, kind: type[S], absent: S | None) -> S | None:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return absent
    except OSError as error:
        raise EncoderError("a file that can be read", error.strerror or str(error), str(path)) from None
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise EncoderError("a configuration of an encoder", str(error), str(path)) from None


def describe(value: Any) -> str:  # noqa: ANN401 - of a file
    """Return a value of a configuration, short enough for a message."""
    return repr(value)[:60]


# A message of protocol buffers takes no more; weights of larger models lie in further files.
LARGEST_WEIGHTS = (1 << 31) - 1


OPSET, IR_VERSION = 20, 9
_ACTIVATIONS: dict[str, dict[str, str]] = {
    "gelu": {}, "gelu_new": {"approximate": "tanh"}, "gelu_pytorch_tanh": {"approximate": "tanh"},
}  # fmt: skip
# Scores of padding before softmax; float32 keeps it finite.
_NEVER = -1e9
Weights = Mapping[str, NDArray[Any]]


class _Graph:
    """Collects nodes and constants."""

    def __init__(self, weights: Weights, where: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._weights, self._where = weights, where
        self._prefix = "" if "embeddings.word_embeddings.weight" in weights else "bert."

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:  # noqa: ANN401
        output = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, array: NDArray[Any]) -> str:
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def integers(self, *values: int) -> str:
        return self.constant("i" + "_".join(map(str, values)).replace("-", "m"), np.asarray(values, np.int64))

    def weight(self, name: str, shape: tuple[int, ...] = ()) -> NDArray[np.float32]:
        array = self._weights.get(self._prefix + name)
        if array is None:
            raise EncoderError(f"weights {name!r} of a BERT-type encoder", "none of that name", self._where)
        if (shape and array.shape != shape) or array.dtype != np.float32:
            raise EncoderError(f"{name} of shape {shape}", f"{array.dtype} {array.shape}", self._where)
        return array

    def dense(self, value: str, name: str, shape: tuple[int, int]) -> str:
        kernel = self.constant(f"{name}.weight", self.weight(f"{name}.weight", shape).T)
        bias = self.constant(f"{name}.bias", self.weight(f"{name}.bias", shape[:1]))
        return self.op("Add", self.op("MatMul", value, kernel), bias)

    def norm(self, value: str, name: str, config: BertConfig) -> str:
        size = (config.hidden_size,)
        scale = self.constant(f"{name}.weight", self.weight(f"{name}.weight", size))
        bias = self.constant(f"{name}.bias", self.weight(f"{name}.bias", size))
        return self.op("LayerNormalization", value, scale, bias, axis=-1, epsilon=config.layer_norm_eps)


def bert_onnx(weights: Weights, config: BertConfig, pooling: Pooling, where: str) -> onnx.ModelProto:
    """Return the graph: `input_ids`, `attention_mask` (N, T) int64 to `embedding` (N, d), rows of length 1.

    Raises:
        InputError: another kind of model, or weights that are missing or of another shape.
    """
    _check(config, where)
    graph = _Graph(weights, where)
    value = _embeddings(graph, config)
    mask = graph.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    padding = graph.op("Sub", mask, graph.constant("one", np.asarray(1, np.float32)))
    padding = graph.op("Mul", padding, graph.constant("never", np.asarray(-_NEVER, np.float32)))
    padding = graph.op("Unsqueeze", padding, graph.integers(1, 2))
    for layer in range(config.num_hidden_layers):
        value = _layer(graph, value, padding, f"encoder.layer.{layer}", config)
    _pool(graph, value, mask, pooling)
    tokens = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["N", "T"]) for name in ("input_ids", "attention_mask")
    ]
    vector = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", config.hidden_size])
    body = helper.make_graph(graph.nodes, "encoder", tokens, [vector], list(graph.constants.values()))
    return helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="edgewright"
    )


def _check(config: BertConfig, where: str) -> None:
    do = "Export it as model.onnx"
    if config.model_type not in ("bert", "roberta", "xlm-roberta"):
        raise DescriptionsError("a model_type of bert, roberta or xlm-roberta", describe(config.model_type), where, do)
    if config.hidden_act not in _ACTIVATIONS or config.position_embedding_type != "absolute":
        got = describe(config.hidden_act if config.hidden_act not in _ACTIVATIONS else config.position_embedding_type)
        raise EncoderError("GELU and absolute positions", got, where, do)
    heads = config.num_attention_heads
    if not (heads > 0 and 0 < config.hidden_size <= 1 << 14 and 0 < config.num_hidden_layers <= 200):
        raise DescriptionsError("an encoder of valid size", describe(config), where)
    if config.hidden_size % heads:
        raise EncoderError("a width that the heads divide", f"{config.hidden_size} by {heads}", where)


def _embeddings(graph: _Graph, config: BertConfig) -> str:
    words = graph.constant("words", graph.weight("embeddings.word_embeddings.weight"))
    places = graph.weight("embeddings.position_embeddings.weight")
    # RoBERTa counts positions from the one after the padding token.
    places = places[config.pad_token_id + 1 :] if config.model_type != "bert" else places
    kinds = graph.weight("embeddings.token_type_embeddings.weight")
    # Texts are of one kind: its vector is added to the positions once and for all.
    position = graph.constant("positions", np.asarray(places + kinds[0], np.float32))
    length = graph.op("Slice", graph.op("Shape", "input_ids"), graph.integers(1), graph.integers(2))
    cut = graph.op("Slice", position, graph.integers(0), length, graph.integers(0))
    value = graph.op("Add", graph.op("Gather", words, "input_ids"), cut)
    return graph.norm(value, "embeddings.LayerNorm", config)


def _layer(graph: _Graph, value: str, padding: str, name: str, config: BertConfig) -> str:
    width, heads = config.hidden_size, config.num_attention_heads
    each = width // heads

    def split(part: str, order: list[int]) -> str:
        projected = graph.dense(value, f"{name}.attention.self.{part}", (width, width))
        return graph.op("Transpose", graph.op("Reshape", projected, graph.integers(0, 0, heads, each)), perm=order)

    scores = graph.op("MatMul", split("query", [0, 2, 1, 3]), split("key", [0, 2, 3, 1]))
    scores = graph.op("Mul", scores, graph.constant("scale", np.asarray(1 / math.sqrt(each), np.float32)))
    seen = graph.op("Softmax", graph.op("Add", scores, padding), axis=-1)
    mixed = graph.op("Transpose", graph.op("MatMul", seen, split("value", [0, 2, 1, 3])), perm=[0, 2, 1, 3])
    mixed = graph.op("Reshape", mixed, graph.integers(0, 0, width))
    mixed = graph.dense(mixed, f"{name}.attention.output.dense", (width, width))
    value = graph.norm(graph.op("Add", mixed, value), f"{name}.attention.output.LayerNorm", config)
    inner = len(graph.weight(f"{name}.intermediate.dense.bias"))
    wide = graph.dense(value, f"{name}.intermediate.dense", (inner, width))
    wide = graph.op("Gelu", wide, **_ACTIVATIONS[config.hidden_act])
    wide = graph.dense(wide, f"{name}.output.dense", (width, inner))
    return graph.norm(graph.op("Add", wide, value), f"{name}.output.LayerNorm", config)


def _pool(graph: _Graph, value: str, mask: str, pooling: Pooling) -> None:
    seen = graph.op("Unsqueeze", mask, graph.integers(2))
    if pooling == "cls":
        pooled = graph.op("Gather", value, graph.constant("first", np.asarray(0, np.int64)), axis=1)
    elif pooling == "max":
        lost = graph.op("Sub", seen, graph.constant("one", np.asarray(1, np.float32)))
        lost = graph.op("Mul", lost, graph.constant("never", np.asarray(-_NEVER, np.float32)))
        pooled = graph.op("ReduceMax", graph.op("Add", value, lost), graph.integers(1), keepdims=0)
    else:
        # Its length is taken away again, so the sum will do for the mean.
        pooled = graph.op("ReduceSum", graph.op("Mul", value, seen), graph.integers(1), keepdims=0)
    length = graph.op("ReduceL2", pooled, graph.integers(-1), keepdims=1)
    length = graph.op("Max", length, graph.constant("least", np.asarray(1e-9, np.float32)))
    graph.op("Div", pooled, length, output="embedding")
