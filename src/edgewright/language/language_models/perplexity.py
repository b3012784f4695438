"""Perplexity of a language model against its bits: on a text, for the file as it is and for smaller ones made of it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from math import exp
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as TensorType
from numpy.typing import NDArray

from edgewright.language.language_models.client import LanguageModelClient
from edgewright.language.language_models.server import served
from edgewright.schema.errors import InputError
from edgewright.schema.language_models import LanguageModelCurve, LanguageModelSize
from edgewright.schema.trace import Interval
from edgewright.training.metrics import mean_interval

GIVEN = "as given"
WITHIN = 0.02
CHUNK, CHUNKS, _MIN_CHUNKS = 256, 16, 4
_CONTEXT = CHUNK // 2
"""Tokens of a chunk that are only read: without anything before them, words would surprise every model."""
_SLICE = 4096
"""Characters that hold a chunk; of a longer text, slices at equal distances are read."""
_WRITTEN = 64
_LOAD_S, _CHUNK_S = 300.0, 900.0
Doing = Callable[[str], AbstractContextManager[object]]


def measure_sizes(model: Path, text: str, where: str, doing: Doing) -> LanguageModelCurve:
    """Measure a language model and smaller forms of it.

    Args:
        model: GGUF file.
        text: that is judged on.
        where: of the text, for messages.
        doing: context around each step that takes its time.

    Raises:
        InputError: too short a text, or a file that cannot be read.
        OutputError: the server fails.
    """
    given_bits = bits_per_weight(model)
    chunks: list[list[int]] = []
    sizes: list[LanguageModelSize] = []
    reference: NDArray[np.float64] | None = None
    with tempfile.TemporaryDirectory() as folder:
        for kind in (GIVEN, *(kind for kind in KINDS if bits_of(kind) < given_bits)):
            path = model
            if kind != GIVEN:
                path = Path(folder) / f"{kind}.gguf"
                with doing(f"Quantising to {kind}"):
                    write_quantised(model, path, kind)
            with doing(f"Measuring {kind}"), served(path, _LOAD_S) as running:
                client = LanguageModelClient(running.address, str(path))
                chunks = chunks or _chunks(client, text, where)
                surprises = np.array([_surprise(client, chunk) for chunk in chunks])
                speed = client.speed(chunks[0], _WRITTEN, time.monotonic() + _CHUNK_S)
                peak_bytes = running.peak_bytes()
            reference = surprises if reference is None else reference
            sizes.append(LanguageModelSize(
                name=kind, bits_per_weight=bits_per_weight(path), bytes=path.stat().st_size,
                perplexity=_interval(surprises), ratio=_interval(surprises - reference),
                tokens_per_second=speed.written, prompt_tokens_per_second=speed.read, peak_bytes=peak_bytes,
            ))  # fmt: skip
            if kind != GIVEN:
                path.unlink()
    chosen = min((size for size in sizes if size.ratio.high <= 1 + WITHIN), key=lambda size: size.bytes)
    return LanguageModelCurve(
        model=model.name, text=where, chunks=len(chunks), tokens=len(chunks) * (CHUNK - _CONTEXT),
        sizes=tuple(sizes), chosen=chosen.name, within=WITHIN,
    )  # fmt: skip


def _interval(surprises: NDArray[np.float64]) -> Interval:
    """Return the exponential of the mean with its interval over chunks."""
    mean = mean_interval(surprises, "chunk")
    return Interval(value=exp(mean.value), low=exp(mean.low), high=exp(mean.high), method=mean.method)


def _chunks(client: LanguageModelClient, text: str, where: str) -> list[list[int]]:
    chunks = list(_all_chunks(client, text))
    if len(chunks) < _MIN_CHUNKS:
        raise InputError(f"a text of at least {_MIN_CHUNKS * CHUNK:,} tokens", f"{len(chunks) * CHUNK:,} or a few more",
                         where, "Use more text, which the model was not trained on")  # fmt: skip
    return [chunks[index] for index in np.linspace(0, len(chunks) - 1, min(CHUNKS, len(chunks))).astype(int)]


def _all_chunks(client: LanguageModelClient, text: str) -> Iterator[list[int]]:
    deadline = time.monotonic() + _CHUNK_S
    if len(text) <= CHUNKS * _SLICE:
        tokens = client.tokens(text, deadline)
        yield from (tokens[begin : begin + CHUNK] for begin in range(0, len(tokens) - CHUNK + 1, CHUNK))
        return
    for begin in np.linspace(0, len(text) - _SLICE, CHUNKS).astype(int):
        tokens = client.tokens(text[begin : begin + _SLICE], deadline)[:CHUNK]
        if len(tokens) == CHUNK:
            yield tokens


def _surprise(client: LanguageModelClient, chunk: list[int]) -> float:
    """Return the mean negative logarithm of the probability of the second half of a chunk, given the first."""
    chances = client.log_chances(chunk[:_CONTEXT], chunk[_CONTEXT:], time.monotonic() + _CHUNK_S)
    return -float(np.mean(chances))


KINDS = ("Q8_0", "Q5_0", "Q4_0")
_BLOCK = 32
# Written anew by the writer, or no longer true.
_OWN_FIELDS = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version")


def bits_of(kind: str) -> float:
    """Return the bits of a weight, its share of the block's scale included."""
    weights, size = gguf.GGML_QUANT_SIZES[TensorType[kind]]
    return float(8 * size / weights)


def bits_per_weight(path: Path) -> float:
    """Return the bits of all tensors of a file by their weights."""
    tensors = gguf.GGUFReader(path).tensors
    return 8 * sum(int(tensor.n_bytes) for tensor in tensors) / sum(int(tensor.n_elements) for tensor in tensors)


def write_quantised(source: Path, target: Path, kind: str) -> None:
    """Write a model with its matrices in another type; vectors, and matrices with fewer bits already, stay.

    Raises:
        InputError: a matrix of a type whose weights the package cannot read.
    """
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, architecture)
    try:
        for field in reader.fields.values():
            if not field.name.startswith(_OWN_FIELDS):
                inner = field.types[1] if len(field.types) > 1 else None
                writer.add_key_value(field.name, field.contents(), field.types[0], inner)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        new = TensorType[kind]
        for tensor in reader.tensors:
            old, shape = tensor.tensor_type, [int(length) for length in tensor.shape]
            if len(shape) < 2 or shape[0] % _BLOCK or bits_of(old.name) <= bits_of(kind):
                writer.add_tensor(tensor.name, tensor.data, raw_dtype=old)
                continue
            try:
                weights = gguf.dequantize(tensor.data, old)
            except NotImplementedError:
                raise InputError("weights that can be quantised", f"{old.name} in {tensor.name}", str(source),
                                 "Take the file of the same model in F16 or Q8_0") from None  # fmt: skip
            writer.add_tensor(tensor.name, gguf.quantize(weights.astype(np.float32, copy=False), new), raw_dtype=new)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()
