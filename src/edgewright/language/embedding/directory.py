"""The files of an encoder's directory: weights, tokeniser, pooling and configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from edgewright.language.embedding.safetensors import read_header
from edgewright.schema.errors import InputError

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
        raise InputError("the directory of an encoder", got, str(path), _DO)
    tokenizer = path / "tokenizer.json"
    model = _model(path)
    if not tokenizer.is_file():
        raise InputError("a tokenizer.json next to the weights", "none", str(path), _DO)
    config = _read(path / "config.json", BertConfig, None)
    lengths = _read(path / "sentence_bert_config.json", _Lengths, _Lengths())
    longest = (lengths.max_seq_length if lengths else None) or (config.max_position_embeddings if config else _LONGEST)
    longest = PAIRED_TOKENS if model.name == PAIRED[0] else longest
    modules = _read(path / "modules.json", list[_Module], [])
    known = ("Transformer", "Pooling", "Normalize")
    for module in modules or []:
        kind = module.type.rsplit(".", 1)[-1]
        if kind not in known:
            raise InputError(f"modules {', '.join(known)}", kind, str(path / "modules.json"), "Export it as model.onnx")
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
        raise InputError("weights in one file", f"{len(parts)} parts", str(path), "Export the encoder as model.onnx")
    if others:
        raise InputError(
            "weights as model.safetensors or model.onnx", others[0], str(path),
            "Such files can contain code and are not read; save the model as safetensors or ONNX",
        )  # fmt: skip
    raise InputError("weights (model.onnx or model.safetensors)", "a directory without any", str(path), _DO)


def _pooling(path: Path) -> Pooling:
    modes = _read(path / "1_Pooling" / "config.json", _PoolingFile, _PoolingFile(pooling_mode_mean_tokens=True))
    if modes is None or modes.pooling_mode_mean_tokens:
        return "mean"
    if modes.pooling_mode_cls_token or modes.pooling_mode_max_tokens:
        return "cls" if modes.pooling_mode_cls_token else "max"
    raise InputError("pooling by mean, cls or max", "another", str(path / "1_Pooling" / "config.json"))


def _read(path: Path, kind: type[S], absent: S | None) -> S | None:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return absent
    except OSError as error:
        raise InputError("a file that can be read", error.strerror or str(error), str(path)) from None
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise InputError("a configuration of an encoder", str(error), str(path)) from None


def describe(value: Any) -> str:  # noqa: ANN401 - of a file
    """Return a value of a configuration, short enough for a message."""
    return repr(value)[:60]
