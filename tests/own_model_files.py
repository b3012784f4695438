"""Small models in the formats that people bring: GloVe, word2vec, model2vec, ONNX encoders and backbones, GGUF."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace

from edgewright.language.embedding.directory import write_safetensors

# Words of three subjects: those of one lie near each other.
SUBJECTS = (
    ("the", "is", "a", "to", "please", "on", "there", "it"),
    ("battery", "charge", "cell", "empty", "power"),
    ("rain", "raining", "weather", "wet", "outside"),
    ("money", "price", "cost", "pay", "much"),
)
WORDS = [word for words in SUBJECTS for word in words]
WIDTH = 8


def vectors(scale: float = 1.0) -> NDArray[np.float32]:
    """Return a vector a word: the direction of its subject, and a little of its own."""
    random = np.random.default_rng(0)
    rows = [np.eye(WIDTH)[number] + 0.2 * random.standard_normal(WIDTH)
            for number, words in enumerate(SUBJECTS) for _ in words]  # fmt: skip
    return (scale * np.array(rows)).astype(np.float32)


def glove(path: Path, header: bool = False) -> Path:
    """Write text of GloVe, or with a header that of word2vec."""
    lines = [f"{word} {' '.join(f'{x:.6f}' for x in row)}" for word, row in zip(WORDS, vectors(), strict=True)]
    path.write_text("\n".join([*([f"{len(WORDS)} {WIDTH}"] if header else []), *lines]) + "\n")
    return path


def word2vec(path: Path) -> Path:
    """Write word2vec's binary format."""
    body = b"".join(word.encode() + b" " + row.tobytes() + b"\n" for word, row in zip(WORDS, vectors(), strict=True))
    path.write_bytes(f"{len(WORDS)} {WIDTH}\n".encode() + body)
    return path


def tokenizer(path: Path) -> None:
    """Write a tokeniser of these words."""
    words = Tokenizer(WordLevel({"[UNK]": 0, **{word: n for n, word in enumerate(WORDS, 1)}}, unk_token="[UNK]"))  # noqa: S106
    words.normalizer = Lowercase()
    words.pre_tokenizer = Whitespace()
    words.save(str(path))


def table() -> NDArray[np.float32]:
    """Return the vectors with one for unknown words."""
    return np.concatenate([np.full((1, WIDTH), 0.01, np.float32), vectors()])


def model2vec(folder: Path) -> Path:
    """Write a folder as model2vec does, with a README that names the licence."""
    folder.mkdir()
    tokenizer(folder / "tokenizer.json")
    write_safetensors(folder / "model.safetensors", {"embeddings": table()})
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": True}))
    (folder / "README.md").write_text("---\nlicense: mit\nlanguage: en\n---\n# Small\n")
    return folder


def sentence_encoder(folder: Path, *, masked: bool = True, external: bool = False) -> Path:
    """Write an ONNX encoder that gives a vector a token, with its tokeniser."""
    folder.mkdir()
    tokenizer(folder / "tokenizer.json")
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["vectors" if masked else "each"])]
    names = ["input_ids", "attention_mask"] if masked else ["input_ids"]
    shape: list[str | int | None] = ["N", "T", WIDTH]
    constants = [numpy_helper.from_array(table(), "table")]
    if not masked:
        # The mean over all tokens, padding too: another text beside changes a vector.
        nodes.append(helper.make_node("ReduceMean", ["each", "axis"], ["vectors"], keepdims=0))
        constants.append(numpy_helper.from_array(np.array([1]), "axis"))
        shape = ["N", WIDTH]
    given = [helper.make_tensor_value_info(name, TensorProto.INT64, ["N", "T"]) for name in names]
    output = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "encoder", given, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(folder / "model.onnx"), save_as_external_data=external, location="weights.bin",
              size_threshold=16)  # fmt: skip
    (folder / "LICENSE").write_text("                Apache License\n          Version 2.0, January 2004\n")
    return folder


def backbone(path: Path) -> Path:
    """Write a network of pictures: a convolution, a global pooling and a classifier."""
    random = np.random.default_rng(0)
    arrays = {"w": random.standard_normal((6, 3, 3, 3)), "b": np.zeros(6), "c": random.standard_normal((6, 4)),
              "d": np.zeros(4)}  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["y"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["y"], ["z"]),
        helper.make_node("GlobalAveragePool", ["z"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "c", "d"], ["out"]),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 4])
    constants = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "net", [given], [output], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path


def gguf(path: Path, licence: str = "apache-2.0") -> Path:
    """Write a GGUF file of version 3 with one tensor of 32 floats."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    entries = [text("general.architecture") + struct.pack("<I", 8) + text("llama"),
               text("llama.context_length") + struct.pack("<II", 4, 2048),
               text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("<s>") + text("a"),
               text("tokenizer.ggml.scores") + struct.pack("<IIQ2f", 9, 6, 2, 0.0, 1.0)]  # fmt: skip
    if licence:
        entries.append(text("general.license") + struct.pack("<I", 8) + text(licence))
    tensor = text("token_embd.weight") + struct.pack("<IQQIQ", 2, 16, 2, 0, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(entries)) + b"".join(entries) + tensor
    path.write_bytes(head + bytes(-len(head) % 32) + bytes(128))
    return path
