"""What files of networks that restore signals or pictures have in common: two models and a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from edgewright.core.archive import from_npy, pack_parts, to_npy
from edgewright.core.onnx.reader import read_onnx
from edgewright.graph.extract import integer_network
from edgewright.schema.data import Floats
from edgewright.schema.denoise import DenoiserSpec, UpscalerSpec
from edgewright.schema.errors import InputError
from edgewright.schema.integer import IntegerNetwork

S = TypeVar("S", DenoiserSpec, UpscalerSpec)
FLOAT, INT8 = "model.onnx", "model.int8.onnx"
GIVEN, EXPECTED = "arrays/test_in.npy", "arrays/test_out.npy"


@dataclass(frozen=True)
class RestorerFile(Generic[S]):
    """Checked content of a file.

    Attributes:
        spec: description.
        network: integer network, read from the int8 model.
        float_model: float model for windows, as ONNX bytes.
        int8_model: int8 model for windows, as ONNX bytes.
        test_in: input of the test, float32.
        test_out: its output.
    """

    spec: S
    network: IntegerNetwork
    float_model: bytes
    int8_model: bytes
    test_in: Floats
    test_out: Floats

    def packed(self, name: str) -> bytes:
        """Return the bytes of the file, whose description has this name; equal contents give equal bytes."""
        test = {GIVEN: to_npy(self.test_in), EXPECTED: to_npy(self.test_out)}
        return pack_parts(name, self.spec, {}, {FLOAT: self.float_model, INT8: self.int8_model, **test})


def read_parts(
    spec: S, files: Mapping[str, bytes], where: str, do: str
) -> tuple[S, IntegerNetwork, bytes, bytes, Floats, Floats]:
    """Return the fields of a `RestorerFile` from the files beside its description.

    Args:
        spec: the description.
        files: contents by name.
        where: names the file in messages.
        do: about a damaged file.

    Raises:
        InputError: other files, a model that is none, or arrays of another type.
    """
    if files.keys() != {FLOAT, INT8, GIVEN, EXPECTED}:
        raise InputError("two models and the vectors of a test", ", ".join(sorted(files)) or "none", where, do)
    given, expected = (from_npy(files[name], f"{where}, {name}") for name in (GIVEN, EXPECTED))
    for name, array in ((GIVEN, given), (EXPECTED, expected)):
        if array.dtype != np.float32:
            raise InputError("float32", str(array.dtype), f"{where}, {name}", do)
    read_onnx(files[FLOAT])
    return spec, integer_network(read_onnx(files[INT8]), spec.rounding), files[FLOAT], files[INT8], given, expected
