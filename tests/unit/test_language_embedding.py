"""Encoders from a directory: the graph against a second implementation of the formula, and what is none."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.errors import EncoderError, ExistingFileError, InputError
from edgewright.language.embedding import load
from edgewright.language.embedding.directory import read_safetensors
from edgewright.language.embedding.load import graph_of

WIDTH, HEADS, INNER = 8, 2, 12
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "tea", "soda", "please", "##s"]
CONFIG = {
    "model_type": "bert", "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": HEADS,
    "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": 16,
}  # fmt: skip


def weights(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(WORDS), WIDTH),
        "embeddings.position_embeddings.weight": (16, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "embeddings.LayerNorm.weight": (WIDTH,),
        "embeddings.LayerNorm.bias": (WIDTH,),
    }
    for layer in range(2):
        begin = f"encoder.layer.{layer}."
        for part, shape in (
            ("attention.self.query", (WIDTH, WIDTH)), ("attention.self.key", (WIDTH, WIDTH)),
            ("attention.self.value", (WIDTH, WIDTH)), ("attention.output.dense", (WIDTH, WIDTH)),
            ("intermediate.dense", (INNER, WIDTH)), ("output.dense", (WIDTH, INNER)),
        ):  # fmt: skip
            shapes |= {f"{begin}{part}.weight": shape, f"{begin}{part}.bias": shape[:1]}
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{begin}{part}.weight": (WIDTH,), f"{begin}{part}.bias": (WIDTH,)}
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def safetensors(arrays: dict[str, NDArray[Any]]) -> bytes:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, array in arrays.items():
        data = array.tobytes()
        kind = {"float32": "F32", "float16": "F16", "int64": "I64"}[array.dtype.name]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({word: k for k, word in enumerate(WORDS)}, unk_token="[UNK]")  # noqa: S106
    )
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder = tmp_path / "small"
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(safetensors(weights()))
    return folder


def norm(value: NDArray[Any], own: dict[str, NDArray[np.float32]], name: str) -> NDArray[Any]:
    middle = value - value.mean(axis=-1, keepdims=True)
    scaled = middle / np.sqrt((middle**2).mean(axis=-1, keepdims=True) + 1e-12)
    return np.asarray(scaled * own[f"{name}.weight"] + own[f"{name}.bias"])


def slow(ids: list[int], own: dict[str, NDArray[np.float32]]) -> NDArray[Any]:
    """Return the formula of the paper in NumPy, one text."""

    def dense(value: NDArray[Any], name: str) -> NDArray[Any]:
        return np.asarray(value @ own[f"{name}.weight"].T + own[f"{name}.bias"])

    value = own["embeddings.word_embeddings.weight"][ids].astype(np.float64)
    value = value + own["embeddings.position_embeddings.weight"][: len(ids)]
    value = norm(value + own["embeddings.token_type_embeddings.weight"][0], own, "embeddings.LayerNorm")
    for layer in range(2):
        at = f"encoder.layer.{layer}"
        q, k, v = (dense(value, f"{at}.attention.self.{part}") for part in ("query", "key", "value"))
        each = WIDTH // HEADS
        mixed = np.zeros_like(value)
        for head in range(HEADS):
            part = slice(head * each, (head + 1) * each)
            scores = np.exp(q[:, part] @ k[:, part].T / math.sqrt(each))
            mixed[:, part] = scores / scores.sum(axis=1, keepdims=True) @ v[:, part]
        value = norm(value + dense(mixed, f"{at}.attention.output.dense"), own, f"{at}.attention.output.LayerNorm")
        wide = dense(value, f"{at}.intermediate.dense")
        gelu = np.vectorize(lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))))(wide)
        value = norm(value + dense(gelu, f"{at}.output.dense"), own, f"{at}.output.LayerNorm")
    mean = value.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def test_the_graph_is_the_formula(directory: Path) -> None:
    encoder = load(directory)
    own = weights()
    ids = {"teas please": [2, 4, 7, 6, 3], "soda": [2, 5, 3], "\U0001f600 soda": [2, 1, 5, 3]}
    vectors = encoder.encode(list(ids))
    assert vectors.dtype == np.float32
    assert encoder.dimensions == WIDTH
    for row, one in zip(vectors, ids.values(), strict=True):
        np.testing.assert_allclose(row, slow(one, own), atol=2e-6)
    # Padding changes nothing, and neither does the order.
    np.testing.assert_allclose(vectors[1], encoder.encode(["soda"])[0], atol=2e-6)
    assert encoder.encode([]).shape == (0, WIDTH)
    assert encoder.encode(["", "a" * 100_000, "\ud800"]).shape == (3, WIDTH)
    assert encoder.words() == ["please", "soda", "tea"]


@pytest.mark.parametrize("pooling", ["cls", "max"])
def test_other_poolings_and_a_graph_that_came_along(directory: Path, pooling: str) -> None:
    (directory / "1_Pooling").mkdir()
    mode = {"pooling_mode_mean_tokens": False, f"pooling_mode_{pooling}_token{'s' if pooling == 'max' else ''}": True}
    (directory / "1_Pooling" / "config.json").write_text(json.dumps(mode))
    first = load(directory).encode(["teas please", "soda"])
    (directory / "model.onnx").write_bytes(graph_of(directory))
    second = load(directory).encode(["teas please", "soda"])
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)


def test_int8_is_near(directory: Path, tmp_path: Path) -> None:
    from edgewright.language.embedding.load import write_int8

    write_int8(directory, tmp_path / "int8")
    texts = ["teas please", "soda", "tea soda tea"]
    near = np.sum(load(directory).encode(texts) * load(tmp_path / "int8").encode(texts), axis=1)
    assert near.min() > 0.95
    with pytest.raises(ExistingFileError):
        write_int8(directory, tmp_path / "int8")


def test_half_floats_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(safetensors({"x": np.array([[1.5, -2]], np.float16)}))
    tensor = read_safetensors(tmp_path / "a.safetensors")["x"]
    assert tensor.dtype == np.float32
    assert tensor.tolist() == [[1.5, -2.0]]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"short", (1 << 60).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"[]",
        (3).to_bytes(8, "little") + b"{{{",
        safetensors({"x": np.zeros(4, np.float32)})[:-1],
        safetensors({"x": np.zeros(4, np.float32)}).replace(b"[4]", b"[5]"),
        safetensors({"x": np.zeros(4, np.float32)}).replace(b'"F32"', b'"F9X"'),
    ],
)  # fmt: skip
def test_broken_weights_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(EncoderError, match=r"a\.safetensors"):
        read_safetensors(tmp_path / "a.safetensors")


def configured(**more: object) -> Callable[[Path], object]:
    return lambda folder: (folder / "config.json").write_text(json.dumps({**CONFIG, **more}))


def renamed(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "model.safetensors").rename(folder / name)


MODULES = json.dumps([{"type": "sentence_transformers.models.Dense"}])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "without any"),
        (renamed("pytorch_model.bin"), "pytorch_model.bin"),
        (renamed("model-00001-of-00002.safetensors"), "1 parts"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "tokenizer.json"),
        (configured(model_type="mpnet"), "mpnet"),
        (configured(hidden_size=16), "shape"),
        (configured(num_hidden_layers=3), "layer.2"),
        (lambda folder: (folder / "modules.json").write_text(MODULES), "Dense"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"no graph"), "ONNX Runtime"),
    ],
)
def test_directories_that_are_none_are_refused(directory: Path, change: Callable[[Path], object], message: str) -> None:
    change(directory)
    with pytest.raises(InputError, match=message):
        load(directory)


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="no such directory"):
        load(tmp_path / "absent")
