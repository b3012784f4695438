"""An encoder in int8: a quarter of the bytes, and a directory of its own that `load` takes."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path

from edgewright.core.files import write_atomic
from edgewright.language.embedding.directory import look
from edgewright.language.embedding.load import graph_of
from edgewright.schema.errors import InputError, OutputError

_ALSO = ("config.json", "sentence_bert_config.json", "1_Pooling/config.json")


def write_int8(source: Path, out: Path) -> int:
    """Write the encoder of a directory with int8 weights, activations quantised as they come, and its tokeniser.

    Args:
        source: the directory of an encoder.
        out: a directory that is not there yet.

    Returns:
        Bytes of the graph.

    Raises:
        InputError: as `load`, or `out` is there already.
        OutputError: it cannot be written.
    """
    found = look(source)
    if out.exists():
        raise InputError("a new directory", "an existing one", str(out), "Choose another --out")
    graph = found.model.read_bytes() if found.model.suffix == ".onnx" else graph_of(source)
    with tempfile.TemporaryDirectory() as folder:
        small = _quantised(graph, Path(folder))
    try:
        out.mkdir(parents=True)
        for name in _ALSO:
            if (source / name).is_file():
                (out / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(source / name, out / name)
        shutil.copyfile(found.tokenizer, out / "tokenizer.json")
    except OSError as error:
        raise OutputError("to write a directory", error.strerror or str(error), str(out)) from None
    # Last, so that a directory with weights is whole.
    write_atomic(out / "model.onnx", small)
    return len(small)


def _quantised(graph: bytes, folder: Path) -> bytes:
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - slow to load, seldom needed

    whole, small = folder / "whole.onnx", folder / "small.onnx"
    whole.write_bytes(graph)
    # It recommends, on the root logger, a preparation that changes nothing in the graphs that are built here.
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(whole, small, weight_type=QuantType.QInt8, per_channel=True)
    finally:
        logging.disable(before)
    return small.read_bytes()
