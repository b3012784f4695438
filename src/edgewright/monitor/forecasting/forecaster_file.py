"""The file of a forecaster: a sealed archive of JSON and arrays that proves itself when it is read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.archive import pack, read_file, unpack
from edgewright.core.files import write_atomic
from edgewright.core.npy import from_npy, to_npy
from edgewright.core.versioned_json import decode_versioned
from edgewright.monitor.forecasting.forecaster import Floats, Forecaster, Singles
from edgewright.schema.errors import InputError
from edgewright.schema.forecast import FORECASTER_VERSION, ForecasterSpec, LinearModel

SPEC = "forecaster.json"
_ARRAYS = ("state", "widths", "test_rows", "test_forecast")
_ARRAY = "arrays/{name}.npy"
_DAMAGED = "Make it anew with: edgewright forecast DATA --out FILE"
_MOST_LAG, _MOST_LAGS, _MOST_HORIZON, _MOST_PARTS = 1 << 20, 4096, 1 << 16, 16
# Of the forecast of the test, relative to its largest number: exp and log differ in their last bits between machines.
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class ForecasterFile:
    """What was read and checked.

    Attributes:
        spec: as `forecaster.json` says it.
        state: float32, as `Forecaster` takes it.
        widths: shape (levels, horizon), float32, in scaled units.
        test_rows: shape (n,), float64, pushed from the state.
        test_forecast: shape (horizon,), float64: what must come out then.
    """

    spec: ForecasterSpec
    state: Singles
    widths: Singles
    test_rows: Floats
    test_forecast: Floats

    def start(self) -> Forecaster:
        """At work, after the last row of the data it was fitted on."""
        return Forecaster(self.spec.model, self.state, self.widths)


def with_test(spec: ForecasterSpec, state: Singles, widths: Singles, rows: Floats) -> ForecasterFile:
    """A forecaster with the vectors of its test: these rows pushed, one of them missing, then the whole horizon."""
    given = np.array(rows, np.float64)
    given[len(given) // 2 : len(given) // 2 + 1] = np.nan
    made = Forecaster(spec.model, state, widths)
    for value in given:
        made.push(float(value))
    return ForecasterFile(spec, state, widths, given, made.forecast(spec.horizon).middle)


def forecaster_bytes(made: ForecasterFile) -> bytes:
    """The bytes of its file; the same forecaster gives the same bytes."""
    text = msgspec.json.format(msgspec.json.encode(made.spec, order="deterministic"), indent=1) + b"\n"
    return pack({SPEC: text, **{_ARRAY.format(name=name): to_npy(getattr(made, name)) for name in _ARRAYS}})


def write_forecaster(path: Path, made: ForecasterFile) -> int:
    """Writes the file and gives its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    data = forecaster_bytes(made)
    write_atomic(path, data)
    return len(data)


def read_forecaster(path: Path) -> ForecasterFile:
    """Reads a file, checks it and runs its test.

    Raises:
        InputError: missing, damaged, altered, of a newer format, or it does not answer as it did where it was made.
    """
    return parse_forecaster(read_file(path, "a forecaster's file", absent=_DAMAGED), str(path))


def is_forecaster(data: bytes) -> bool:
    """Whether bytes are meant to be a forecaster's file."""
    return data.startswith(b"PK") and SPEC.encode() in data


def parse_forecaster(data: bytes, where: str) -> ForecasterFile:
    """As `read_forecaster`, from bytes; `where` names them in messages."""
    if data[:64].lstrip().startswith(b"{"):
        raise InputError("a forecaster's file", "JSON, as a pool is", where,
                         "A pool makes one for a series: edgewright forecast DATA --pooled POOL")  # fmt: skip
    try:
        files = unpack(data, where)
    except InputError as error:
        expected = error.expected.replace("a package (a ZIP file)", "a forecaster's file")
        raise InputError(expected.replace("package", "forecaster"), error.got, where, _DAMAGED) from None
    spec = _spec(files.pop(SPEC, b""), where)
    if files.keys() != {_ARRAY.format(name=name) for name in _ARRAYS}:
        raise InputError(f"the arrays {', '.join(_ARRAYS)}", "others", where, _DAMAGED)
    arrays = {name: from_npy(files[_ARRAY.format(name=name)], f"{where}, {name}") for name in _ARRAYS}
    shapes = {
        "state": (spec.model.reach + 1,), "widths": (len(spec.levels), spec.horizon),
        "test_forecast": (spec.horizon,),
    }  # fmt: skip
    for name, array in arrays.items():
        if array.dtype.kind != "f" or array.shape != shapes.get(name, array.shape):
            raise InputError(f"floats of shape {shapes.get(name)}", f"{array.dtype} {array.shape}", f"{where}, {name}")
    if arrays["test_rows"].ndim != 1 or not all(np.isfinite(arrays[n]).all() for n in shapes):
        raise InputError("finite numbers", "others", where, _DAMAGED)
    made = ForecasterFile(
        spec, arrays["state"].astype(np.float32), arrays["widths"].astype(np.float32), arrays["test_rows"],
        arrays["test_forecast"],
    )  # fmt: skip
    _prove(made, where)
    return made


def _prove(made: ForecasterFile, where: str) -> None:
    running = made.start()
    for value in made.test_rows:
        running.push(float(value))
    found = running.forecast(made.spec.horizon).middle
    # What the numbers are relative to: a constant series lies at its centre.
    unit = float(np.abs(made.test_forecast).max()) + abs(made.spec.model.spread)
    if not np.abs(found - made.test_forecast).max() <= _TOLERANCE * unit:
        raise InputError("the forecasts of its own test", "others", where, _DAMAGED)


def _spec(text: bytes, where: str) -> ForecasterSpec:
    spec = decode_versioned(
        text, ForecasterSpec, FORECASTER_VERSION, "forecaster", f"a file {SPEC} of a forecaster", where, _DAMAGED
    )
    _check_model(spec.model, where)
    levels = list(spec.levels)
    if not 1 <= spec.horizon <= _MOST_HORIZON or levels != sorted(set(levels)) or len(levels) > 16:
        raise InputError("a horizon, and levels in order", f"{spec.horizon}, {levels}", where)
    return spec


def _check_model(model: LinearModel, where: str) -> None:
    numbers = [model.centre, model.spread, model.low, model.high]
    for part in model.parts:
        lags = list(part.lags)
        numbers += [part.share, part.bias, *part.weights]
        counted = len(lags) == len(part.weights) <= _MOST_LAGS and all(0 < lag <= _MOST_LAG for lag in lags)
        if not counted or lags != sorted(set(lags)):
            raise InputError("lags in order, one weight each", "others", f"{where}, {SPEC}", _DAMAGED)
    mixed = len(model.others) > _MOST_PARTS or (model.others and model.difference)
    if mixed or not all(map(math.isfinite, numbers)) or model.spread <= 0:
        raise InputError("a recursion of finite weights", "another", f"{where}, {SPEC}", _DAMAGED)
