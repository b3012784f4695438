"""The file of a pool: JSON with a version, checked."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from edgewright.core.files import write_atomic
from edgewright.core.versioned_json import decode_versioned
from edgewright.schema.errors import InputError
from edgewright.schema.forecast_pool import POOL_VERSION, ForecastPool

_DO = "Make it anew with: edgewright forecast pool FOLDER --season N --horizon N --out FILE"
_LARGEST, _MOST_LAG, _MOST_LAGS, _MOST_MEMBERS, _MOST_HORIZON = 1 << 20, 1 << 20, 64, 12, 10_000


def pool_bytes(pool: ForecastPool) -> bytes:
    """The bytes of its file; the same pool gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(pool, order="deterministic"), indent=1) + b"\n"


def write_pool(path: Path, pool: ForecastPool) -> int:
    """Writes the file and gives its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    data = pool_bytes(pool)
    write_atomic(path, data)
    return len(data)


def is_pool(path: Path) -> bool:
    """Whether a file begins as a pool does; a forecaster is an archive."""
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip().startswith(b"{")
    except OSError:
        return False


def read_pool(path: Path) -> ForecastPool:
    """Reads and checks a file.

    Raises:
        InputError: missing, no pool, of a newer format, or recursions that run away.
    """
    where = str(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"at most {_LARGEST >> 20} MB", f"{path.stat().st_size >> 20} MB", where)
        data = path.read_bytes()
    except OSError as error:
        raise InputError("the file of a pool", error.strerror or str(error), where, _DO) from None
    pool = decode_versioned(data, ForecastPool, POOL_VERSION, "pool", "the JSON file of a pool", where, _DO)
    seasons = list(pool.seasons)
    named = all(2 <= s <= _MOST_LAG for s in seasons) and seasons == sorted(set(seasons)) and len(seasons) <= 2
    if not named or not 1 <= pool.horizon <= _MOST_HORIZON or not 1 <= len(pool.members) <= _MOST_MEMBERS:
        raise InputError("seasons in order, a horizon and recursions", "others", where, _DO)
    for one in pool.members:
        lags, weights = list(one.lags), one.weights
        fits = 0 < len(lags) == len(weights) <= _MOST_LAGS and lags == sorted(set(lags))
        if not fits or not 0 < lags[0] <= lags[-1] <= _MOST_LAG or not all(map(math.isfinite, weights)):
            raise InputError("lags in order, one finite weight each", "others", f"{where}, {one.name}", _DO)
        if abs(sum(weights) - 1) > 1e-6:
            raise InputError("weights that sum to 1", f"{sum(weights):g}", f"{where}, {one.name}", _DO)
    return pool
