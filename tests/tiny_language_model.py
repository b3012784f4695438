"""A real language model of 100,000 weights for tests: trained on sentences of the package, written in GGUF.

Its architecture is that of Llama (RMS norms, rotary positions, gated feed-forward), a token is a character, so that
llama.cpp runs it and JAX computes the same probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

import edgewright.language.intents

Weights = dict[str, Any]
WIDTH, HEADS, HIDDEN, LAYERS, CONTEXT, EPSILON = 64, 4, 128, 2, 4096, 1e-5
CHARACTERS = [*map(chr, range(33, 127)), "▁", "\n"]
TOKENS = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *CHARACTERS]
BEGIN = 1
_NUMBER = {character: 259 + index for index, character in enumerate(CHARACTERS)}
_STEPS, _BATCH, _LENGTH = 200, 6, 257


def sentences() -> list[str]:
    """Return the sentences of many topics that the package brings."""
    path = Path(edgewright.language.intents.__file__).parent / "background.txt"
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def unseen_text() -> str:
    """Return every fifth sentence, which the model is not trained on."""
    return "\n".join(sentences()[::5])


def encoded(text: str) -> list[int]:
    """Return the tokens of a text in ASCII."""
    return [_NUMBER[character] for character in text.replace(" ", "▁")]


def _norm(x: Any, weight: Any) -> Any:  # noqa: ANN401 - arrays of JAX
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + EPSILON) * weight


def _rotated(x: Any) -> Any:  # noqa: ANN401
    """Rotate neighbouring pairs; shape (..., tokens, heads, width of a head)."""
    half = x.shape[-1] // 2
    angles = jnp.arange(x.shape[-3])[:, None] / 10000 ** (jnp.arange(half) / half)
    cos, sin = jnp.cos(angles)[:, None], jnp.sin(angles)[:, None]
    even, odd = x[..., ::2], x[..., 1::2]
    return jnp.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)


def logits(weights: Mapping[str, Any], tokens: Any) -> Any:  # noqa: ANN401
    """Return logits of the next token; shape (texts, tokens, vocabulary)."""
    x = weights["token_embd.weight"][tokens]
    mask = jnp.tril(jnp.ones((tokens.shape[1], tokens.shape[1]), bool))
    for layer in range(LAYERS):
        part = {name: weights[f"blk.{layer}.{name}.weight"] for name in (*_SHAPES, "attn_norm", "ffn_norm")}
        y = _norm(x, part["attn_norm"])
        q, k, v = ((y @ part[f"attn_{name}"].T).reshape(*y.shape[:2], HEADS, -1) for name in "qkv")
        scores = jnp.einsum("bthd,bshd->bhts", _rotated(q), _rotated(k)) / np.sqrt(WIDTH // HEADS)
        shares = jax.nn.softmax(jnp.where(mask, scores, -1e9))
        x = x + jnp.einsum("bhts,bshd->bthd", shares, v).reshape(y.shape) @ part["attn_output"].T
        y = _norm(x, part["ffn_norm"])
        x = x + (jax.nn.silu(y @ part["ffn_gate"].T) * (y @ part["ffn_up"].T)) @ part["ffn_down"].T
    return _norm(x, weights["output_norm.weight"]) @ weights["output.weight"].T


_SHAPES = {
    "attn_q": (WIDTH, WIDTH), "attn_k": (WIDTH, WIDTH), "attn_v": (WIDTH, WIDTH), "attn_output": (WIDTH, WIDTH),
    "ffn_gate": (HIDDEN, WIDTH), "ffn_up": (HIDDEN, WIDTH), "ffn_down": (WIDTH, HIDDEN),
}  # fmt: skip


def untrained() -> Weights:
    """Return random weights."""
    random = np.random.default_rng(0)

    def normal(*shape: int) -> NDArray[np.float32]:
        return np.asarray(random.standard_normal(shape) / np.sqrt(shape[-1]), np.float32)

    weights: Weights = {"token_embd.weight": normal(len(TOKENS), WIDTH), "output.weight": normal(len(TOKENS), WIDTH)}
    weights["output_norm.weight"] = np.ones(WIDTH, np.float32)
    for layer in range(LAYERS):
        weights |= {f"blk.{layer}.{name}.weight": normal(*shape) for name, shape in _SHAPES.items()}
        weights |= {f"blk.{layer}.{name}_norm.weight": np.ones(WIDTH, np.float32) for name in ("attn", "ffn")}
    return weights


@cache
def trained() -> Mapping[str, NDArray[np.float32]]:
    """Return weights after some seconds of training on four fifths of the sentences."""
    text = "\n".join(line for number, line in enumerate(sentences()) if number % 5)
    tokens, random = np.array(encoded(text)), np.random.default_rng(0)
    optimiser = optax.adam(optax.warmup_cosine_decay_schedule(0, 5e-3, 20, _STEPS))
    weights = untrained()
    state = optimiser.init(weights)

    def loss(weights: Weights, batch: Any) -> Any:  # noqa: ANN401
        before = batch.at[:, 0].set(BEGIN)[:, :-1]
        return optax.softmax_cross_entropy_with_integer_labels(logits(weights, before), batch[:, 1:]).mean()

    @jax.jit
    def step(weights: Weights, state: Any, batch: Any) -> tuple[Weights, Any]:  # noqa: ANN401
        updates, state = optimiser.update(jax.grad(loss)(weights, batch), state)
        return dict(optax.apply_updates(weights, updates)), state

    for _ in range(_STEPS):
        begins = random.integers(0, len(tokens) - _LENGTH, _BATCH)
        weights, state = step(weights, state, jnp.asarray([tokens[begin : begin + _LENGTH] for begin in begins]))
    return {name: np.asarray(array) for name, array in weights.items()}


def write_gguf(path: Path, weights: Mapping[str, NDArray[np.float32]]) -> Path:
    """Write weights with their tokeniser."""
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name(path.stem)
    writer.add_license("apache-2.0")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(TOKENS))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(TOKENS)
    writer.add_token_scores([0.0] * len(TOKENS))
    writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * len(CHARACTERS))
    writer.add_bos_token_id(BEGIN)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    for name, array in weights.items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_tiny(path: Path) -> Path:
    """Write the trained model."""
    return write_gguf(path, trained())


def log_probabilities(weights: Mapping[str, Any], tokens: list[int]) -> NDArray[np.float64]:
    """Return the log probability of each token but the first, given all tokens before it."""
    rows = jax.nn.log_softmax(logits(weights, jnp.asarray([tokens[:-1]]))[0])
    return np.asarray(rows, np.float64)[np.arange(len(tokens) - 1), tokens[1:]]
