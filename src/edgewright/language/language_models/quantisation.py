"""A language model's file with fewer bits a weight: blocks of 32 weights with a scale, by the authors' package gguf."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as TensorType

from edgewright.schema.errors import InputError

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
