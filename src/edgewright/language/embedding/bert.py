"""The ONNX graph of a BERT-type encoder, from its weights: tokens in, one unit vector a text out.

Devlin et al., BERT, 2019: embeddings, then layers of self-attention and a two-layer network, each with a residual and
layer normalisation after it; mean of the tokens' vectors as in Reimers and Gurevych, Sentence-BERT, 2019.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgewright.language.embedding.directory import BertConfig, Pooling, describe
from edgewright.schema.errors import InputError

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
            raise InputError(f"weights {name!r} of a BERT-type encoder", "none of that name", self._where)
        if (shape and array.shape != shape) or array.dtype != np.float32:
            raise InputError(f"{name} of shape {shape}", f"{array.dtype} {array.shape}", self._where)
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
        raise InputError("a model_type of bert, roberta or xlm-roberta", describe(config.model_type), where, do)
    if config.hidden_act not in _ACTIVATIONS or config.position_embedding_type != "absolute":
        got = describe(config.hidden_act if config.hidden_act not in _ACTIVATIONS else config.position_embedding_type)
        raise InputError("GELU and absolute positions", got, where, do)
    heads = config.num_attention_heads
    if not (heads > 0 and 0 < config.hidden_size <= 1 << 14 and 0 < config.num_hidden_layers <= 200):
        raise InputError("an encoder of valid size", describe(config), where)
    if config.hidden_size % heads:
        raise InputError("a width that the heads divide", f"{config.hidden_size} by {heads}", where)


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
