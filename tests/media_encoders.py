"""Small encoders of pictures, texts and sounds for tests: colours of a grid, words of colours, loudness over time."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from edgewright.language.zero_shot import background
from edgewright.nlp.documents.media import Kind

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def _write(path: Path, nodes: list[onnx.NodeProto], given: onnx.ValueInfoProto, constants: list[onnx.TensorProto],
           width: int) -> None:  # fmt: skip
    output = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["N", width])
    graph = helper.make_graph(nodes, "encoder", [given], [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def picture_encoder(folder: Path, text: bool = True, grid: int = 1, size: int = 16) -> Path:
    """Return mean colours of a grid of squares; the words of colours lie where their pictures do."""
    folder.mkdir()
    step = size // grid
    nodes = [
        helper.make_node("AveragePool", ["pixel_values"], ["mean"], kernel_shape=[step, step], strides=[step, step]),
        helper.make_node("Flatten", ["mean"], ["vector"]),
    ]
    given = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["N", 3, size, size])
    _write(folder / "vision_model.onnx", nodes, given, [], 3 * grid * grid)
    how = {"size": {"shortest_edge": size}, "crop_size": size, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(how))
    if text:
        table = np.array([(0, 0, 0), *COLOURS.values()], np.float32) / 127.5 - np.array(
            [[0], [1], [1], [1]], np.float32
        )
        nodes = [
            helper.make_node("Gather", ["table", "input_ids"], ["words"]),
            helper.make_node("ReduceSum", ["words", "axis"], ["vector"], keepdims=0),
        ]
        given = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["N", "T"])
        constants = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1]), "axis")]
        _write(folder / "text_model.onnx", nodes, given, constants, 3)
        words = Tokenizer(WordLevel({"?": 0, **{name: n for n, name in enumerate(COLOURS, 1)}}, unk_token="?"))  # noqa: S106
        words.pre_tokenizer = Whitespace()
        words.save(str(folder / "tokenizer.json"))
    return folder


def word_pair(folder: Path, kind: Kind = "picture", width: int = 16) -> Path:
    """Write a pair with one shared space: random word vectors, and images or sounds learnt to lie at their words.

    Pictures are learnt by mean colour, sounds by loudness of the first and second half of a second.
    """
    folder.mkdir()
    random = np.random.default_rng(0)
    known = [*COLOURS, "loud", "early", "late"]
    names = sorted({word for line in background(kind) for word in line.split()} | {*known, "photo", "noise"})
    table = np.concatenate([np.zeros((1, width)), random.standard_normal((len(names), width))]).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"]),
        helper.make_node("ReduceSum", ["words", "axis"], ["vector"], keepdims=0),
    ]
    constants = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1]), "axis")]
    given = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["N", "T"])
    _write(folder / "text_model.onnx", nodes, given, constants, width)
    words = Tokenizer(WordLevel({"?": 0, **{name: n for n, name in enumerate(names, 1)}}, unk_token="?"))  # noqa: S106
    words.pre_tokenizer = Whitespace()
    words.save(str(folder / "tokenizer.json"))
    if kind == "picture":
        seen = np.array(list(COLOURS.values()), np.float32) / 127.5 - 1
        wanted = table[[names.index(name) + 1 for name in COLOURS]]
        pool = helper.make_node("AveragePool", ["pixel_values"], ["mean"], kernel_shape=[16, 16])
        given = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["N", 3, 16, 16])
        how: dict[str, object] = {"size": 16, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
        before = [pool]
    else:
        seen, wanted = np.eye(2, dtype=np.float32), table[[names.index(name) + 1 for name in ("early", "late")]]
        before = [
            helper.make_node("Abs", ["input_values"], ["power"]),
            helper.make_node("Unsqueeze", ["power", "axis"], ["channel"]),
            helper.make_node("AveragePool", ["channel"], ["mean"], kernel_shape=[4000], strides=[4000]),
        ]
        given = helper.make_tensor_value_info("input_values", TensorProto.FLOAT, ["N", 8000])
        how = {"sampling_rate": 8000, "max_length_s": 1.0}
    kernel = np.linalg.lstsq(seen, wanted, rcond=None)[0].astype(np.float32)
    nodes = [
        *before,
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "kernel"], ["vector"]),
    ]
    constants = [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(np.array([1]), "axis")]
    _write(folder / ("vision_model.onnx" if kind == "picture" else "audio_model.onnx"), nodes, given,
           constants[: 1 if kind == "picture" else 2], width)  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(how))
    return folder


def sound_encoder(folder: Path) -> Path:
    """Loudness of eight parts of a second."""
    folder.mkdir()
    nodes = [
        helper.make_node("Mul", ["input_values", "input_values"], ["power"]),
        helper.make_node("Unsqueeze", ["power", "axis"], ["channel"]),
        helper.make_node("AveragePool", ["channel"], ["mean"], kernel_shape=[1000], strides=[1000]),
        helper.make_node("Flatten", ["mean"], ["vector"]),
    ]
    given = helper.make_tensor_value_info("input_values", TensorProto.FLOAT, ["N", 8000])
    _write(folder / "audio_model.onnx", nodes, given, [numpy_helper.from_array(np.array([1]), "axis")], 8)
    (folder / "preprocessor_config.json").write_text(json.dumps({"sampling_rate": 8000, "max_length_s": 1.0}))
    return folder


def pictures(folder: Path) -> Path:
    """One picture a colour, each in a folder, and one that is broken."""
    for name, colour in COLOURS.items():
        (folder / "shelf" / name).mkdir(parents=True)
        Image.new("RGB", (40, 24), colour).save(folder / "shelf" / name / f"a {name} thing.png")
    (folder / "shelf" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    return folder / "shelf"


def sounds(folder: Path) -> Path:
    """Return a sound that begins loud and one that ends so."""
    (folder / "sounds").mkdir()
    for name, loud in (("early", slice(0, 4000)), ("late", slice(12_000, 16_000))):
        samples = np.zeros(16_000, np.int16)
        samples[loud] = np.random.default_rng(0).integers(-20_000, 20_000, 4000)
        with wave.open(str(folder / "sounds" / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(samples.tobytes())
    return folder / "sounds"
