"""Sentence encoders: `tokenizer.json` and `model.onnx` or `model.safetensors`."""

from __future__ import annotations

from pathlib import Path

from edgewright.language.embedding import load
from edgewright.language.embedding.directory import CONFIGURATION, is_static, look
from edgewright.language.own_models import Figures, ModelKind, copy_files, with_weights
from edgewright.language.own_models._text import test_text
from edgewright.language.own_models.media_encoder import media_graph

_WEIGHTS = ("model.onnx", "onnx/model.onnx", "model.safetensors", "tokenizer.json", "pytorch_model.bin")


def _matches(path: Path) -> bool:
    return any((path / name).is_file() for name in _WEIGHTS) and media_graph(path) is None and not is_static(path)


def _copy(source: Path, target: Path) -> str:
    directory = look(source)
    configuration = [source / name for name in CONFIGURATION if (source / name).is_file()]
    copy_files(source, target, [*with_weights(directory.model), directory.tokenizer, *configuration])
    return ""


def _test(path: Path) -> tuple[str, Figures]:
    return "text", test_text(load(path), str(path))


KIND = ModelKind(
    "a sentence encoder (a folder with tokenizer.json and model.onnx or model.safetensors)", _matches, _copy, _test
)
