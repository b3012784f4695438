"""The file of a detector: a sealed archive of JSON and arrays, read back only when whole and not newer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgewright.core.archive import pack_parts, read_file, unpack_arrays, unpack_parts
from edgewright.core.files import write_atomic
from edgewright.schema.detector import DETECTOR_VERSION, DetectorSpec
from edgewright.schema.errors import InputError

SPEC = "detector.json"
IN_PACKAGE = "detectors/{name}.detector"
_DAMAGED = "Download the file again; it was damaged or changed"


@dataclass(frozen=True)
class DetectorFile:
    """A detector that was read and checked: what it says of itself, and what it learnt as arrays and JSON."""

    spec: DetectorSpec
    learnt: dict[str, Any]


def detector_bytes(spec: DetectorSpec, learnt: dict[str, Any]) -> bytes:
    """Return the bytes of a detector's file; the same detector gives the same bytes.

    Args:
        spec: its `learnt` and `arrays` are filled in here.
        learnt: what `DetectorKind.fit` gave.
    """
    arrays = {name: value for name, value in learnt.items() if isinstance(value, np.ndarray)}
    whole = msgspec.structs.replace(
        spec,
        learnt={name: value for name, value in learnt.items() if name not in arrays},
        arrays=tuple(sorted(arrays)),
    )
    return pack_parts(SPEC, whole, arrays)


def write_detector(path: Path, spec: DetectorSpec, learnt: dict[str, Any]) -> int:
    """Write a detector's file and give its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    return write_atomic(path, detector_bytes(spec, learnt))


def read_detector(path: Path) -> DetectorFile:
    """Read and check a detector's file.

    Raises:
        InputError: missing, damaged, altered, too large, or of a newer format.
    """
    return parse_detector(
        read_file(path, "a detector's file", absent="Make one with: edgewright detect fit"), str(path)
    )


def parse_detector(data: bytes, where: str) -> DetectorFile:
    """Read a detector from bytes; `where` names them in messages."""
    spec, files = unpack_parts(data, where, SPEC, DetectorSpec, DETECTOR_VERSION, "detector", _DAMAGED)
    _check(spec, where)
    arrays = unpack_arrays(files, spec.arrays, where, _DAMAGED)
    return DetectorFile(spec, {**spec.learnt, **arrays})


def detectors_in(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of the detectors that travel in a package, by name; `parse_detector` reads them."""
    begin, _, end = IN_PACKAGE.partition("{name}")
    return {
        name[len(begin) : -len(end)]: content
        for name, content in files.items()
        if name.startswith(begin) and name.endswith(end)
    }


def _check(spec: DetectorSpec, where: str) -> None:
    window = spec.window
    if window is not None and not (0 < window.samples <= 1 << 20 and 0 < window.step <= 1 << 20):
        raise InputError("a window of sensible size", f"{window.samples}, {window.step}", f"{where}, {SPEC}")
    if not 0 <= spec.refractory <= 1 << 31 or (window is not None and 0 < spec.refractory < 1):
        raise InputError("rows (or windows) without another alarm, or a share of rows", f"{spec.refractory:g}", where)
    if not spec.columns or len(spec.columns) > 1 << 16 or not math.isfinite(spec.threshold.value):
        raise InputError("columns and a threshold", "none", f"{where}, {SPEC}")
