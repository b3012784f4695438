"""Perplexity of a GGUF language model against its size: the file as given and quantised copies of it, on a text."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from math import exp
from pathlib import Path

import gguf
import msgspec
import numpy as np
from gguf import GGMLQuantizationType as TensorType
from numpy.typing import NDArray

from edgewright.core.errors import ModelError, TooFewSamplesError
from edgewright.core.records.trace_flow import Interval
from edgewright.language.language_models.client import LanguageModelClient, served
from edgewright.training.metrics import mean_interval

AS_GIVEN = "as given"
QUANTISED_TYPES = ("Q8_0", "Q5_0", "Q4_0")
MAX_LOSS = 0.02
"""Largest relative rise of the perplexity of the recommended size, by the upper end of the interval."""
CHUNK_TOKENS, MAX_CHUNKS, _MIN_CHUNKS = 256, 16, 4
_CONTEXT_TOKENS = CHUNK_TOKENS // 2
_SLICE_CHARACTERS = 4096  # holds a chunk of tokens in any script
_TIMED_TOKENS = 64
_LOAD_TIMEOUT_S, _CHUNK_TIMEOUT_S = 300.0, 900.0
_BLOCK_WEIGHTS = 32
# Fields that the writer adds, or that no longer hold for the quantised copy.
_REWRITTEN_FIELDS = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version")
ProgressContext = Callable[[str], AbstractContextManager[object]]


class ModelSize(msgspec.Struct, frozen=True, kw_only=True):
    """A language model in one size, measured on a text.

    Attributes:
        name: 'as given', or the type of its matrices.
        bits_per_weight: mean over all tensors, scales included.
        bytes: size of the file.
        perplexity: perplexity on the text, with its interval over chunks.
        ratio: perplexity divided by that of the file as given, paired by chunk.
        tokens_per_second: speed of writing.
        prompt_tokens_per_second: speed of reading.
        peak_bytes: largest resident memory, weights included; None if the system does not report it.
    """

    name: str
    bits_per_weight: float
    bytes: int
    perplexity: Interval
    ratio: Interval
    tokens_per_second: float | None
    prompt_tokens_per_second: float | None
    peak_bytes: int | None


class PerplexityCurve(msgspec.Struct, frozen=True, kw_only=True):
    """Perplexity of a language model against its size.

    Attributes:
        model, text: names of the files.
        chunks, tokens: number of chunks, and of tokens that were predicted.
        sizes: the file as given first.
        chosen: the smallest size whose perplexity is at most `max_loss` above that of the file as given, by the upper
            end of its interval.
        max_loss: relative rise of the perplexity.
    """

    model: str
    text: str
    chunks: int
    tokens: int
    sizes: tuple[ModelSize, ...]
    chosen: str
    max_loss: float


def measure_sizes(model: Path, text: str, where: str, progress: ProgressContext) -> PerplexityCurve:
    """Measure the perplexity of a language model and of quantised copies with fewer bits per weight.

    Args:
        model: GGUF file.
        text: evaluation text, which the model was not trained on.
        where: name of the text for messages.
        progress: context around each long step, given its title.

    Raises:
        InputError: the text is too short, or the file cannot be quantised.
        OutputError: the server fails.
    """
    given_bits = bits_per_weight(model)
    chunks: list[list[int]] = []
    sizes: list[ModelSize] = []
    reference: NDArray[np.float64] | None = None
    with tempfile.TemporaryDirectory() as folder:
        for kind in (AS_GIVEN, *(kind for kind in QUANTISED_TYPES if type_bits(kind) < given_bits)):
            path = model
            if kind != AS_GIVEN:
                path = Path(folder) / f"{kind}.gguf"
                with progress(f"Quantising to {kind}"):
                    write_quantised(model, path, kind)
            with progress(f"Measuring {kind}"), served(path, _LOAD_TIMEOUT_S) as running:
                client = LanguageModelClient(running.address, str(path))
                chunks = chunks or _draw_chunks(client, text, where)
                losses = np.array([_cross_entropy(client, chunk) for chunk in chunks])
                speed = client.measure_speed(chunks[0], _TIMED_TOKENS, time.monotonic() + _CHUNK_TIMEOUT_S)
                peak_bytes = running.peak_bytes()
            reference = losses if reference is None else reference
            sizes.append(ModelSize(
                name=kind, bits_per_weight=bits_per_weight(path), bytes=path.stat().st_size,
                perplexity=_exponential_interval(losses), ratio=_exponential_interval(losses - reference),
                tokens_per_second=speed.completion, prompt_tokens_per_second=speed.prompt, peak_bytes=peak_bytes,
            ))  # fmt: skip
            if kind != AS_GIVEN:
                path.unlink()
    chosen = min((size for size in sizes if size.ratio.high <= 1 + MAX_LOSS), key=lambda size: size.bytes)
    return PerplexityCurve(
        model=model.name, text=where, chunks=len(chunks), tokens=len(chunks) * (CHUNK_TOKENS - _CONTEXT_TOKENS),
        sizes=tuple(sizes), chosen=chosen.name, max_loss=MAX_LOSS,
    )  # fmt: skip


def bits_per_weight(path: Path) -> float:
    """Return the mean bits per weight over all tensors of a GGUF file."""
    tensors = gguf.GGUFReader(path).tensors
    return 8 * sum(int(tensor.n_bytes) for tensor in tensors) / sum(int(tensor.n_elements) for tensor in tensors)


def type_bits(kind: str) -> float:
    """Return the bits per weight of a GGUF type, including its share of the block's scale."""
    weights, size = gguf.GGML_QUANT_SIZES[TensorType[kind]]
    return float(8 * size / weights)


def write_quantised(source: Path, target: Path, kind: str) -> None:
    """Write a copy of a model with its matrices in another type. Vectors and smaller matrices keep their type.

    Raises:
        InputError: the weights of a matrix cannot be read.
    """
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    try:
        for field in reader.fields.values():
            if not field.name.startswith(_REWRITTEN_FIELDS):
                inner = field.types[1] if len(field.types) > 1 else None
                writer.add_key_value(field.name, field.contents(), field.types[0], inner)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        new = TensorType[kind]
        for tensor in reader.tensors:
            old, shape = tensor.tensor_type, [int(length) for length in tensor.shape]
            if len(shape) < 2 or shape[0] % _BLOCK_WEIGHTS or type_bits(old.name) <= type_bits(kind):
                writer.add_tensor(tensor.name, tensor.data, raw_dtype=old)
                continue
            try:
                weights = gguf.dequantize(tensor.data, old)
            except NotImplementedError:
                raise ModelError(
                    "weights that can be quantised", f"{old.name} in {tensor.name}", str(source),
                    "Use the F16 or Q8_0 file of the same model",
                ) from None  # fmt: skip
            writer.add_tensor(tensor.name, gguf.quantize(weights.astype(np.float32, copy=False), new), raw_dtype=new)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _exponential_interval(losses: NDArray[np.float64]) -> Interval:
    mean = mean_interval(losses, "chunk")
    return Interval(value=exp(mean.value), low=exp(mean.low), high=exp(mean.high), method=mean.method)


def _draw_chunks(client: LanguageModelClient, text: str, where: str) -> list[list[int]]:
    chunks = list(_iter_chunks(client, text))
    if len(chunks) < _MIN_CHUNKS:
        raise TooFewSamplesError(
            f"a text of at least {_MIN_CHUNKS * CHUNK_TOKENS:,} tokens",
            f"fewer than {(len(chunks) + 1) * CHUNK_TOKENS:,}", where, "Use more text",
        )  # fmt: skip
    return [chunks[index] for index in np.linspace(0, len(chunks) - 1, min(MAX_CHUNKS, len(chunks))).astype(int)]


def _iter_chunks(client: LanguageModelClient, text: str) -> Iterator[list[int]]:
    deadline = time.monotonic() + _CHUNK_TIMEOUT_S
    if len(text) <= MAX_CHUNKS * _SLICE_CHARACTERS:
        tokens = client.tokenize(text, deadline)
        for start in range(0, len(tokens) - CHUNK_TOKENS + 1, CHUNK_TOKENS):
            yield tokens[start : start + CHUNK_TOKENS]
        return
    # A long text is read in slices at equal distances.
    for start in np.linspace(0, len(text) - _SLICE_CHARACTERS, MAX_CHUNKS).astype(int):
        tokens = client.tokenize(text[start : start + _SLICE_CHARACTERS], deadline)[:CHUNK_TOKENS]
        if len(tokens) == CHUNK_TOKENS:
            yield tokens


def _cross_entropy(client: LanguageModelClient, chunk: list[int]) -> float:
    """Return the mean negative log probability of the second half of a chunk, given the first half."""
    deadline = time.monotonic() + _CHUNK_TIMEOUT_S
    return -float(np.mean(client.log_probabilities(chunk[:_CONTEXT_TOKENS], chunk[_CONTEXT_TOKENS:], deadline)))
