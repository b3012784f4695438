"""Intervals of an amount by split conformal prediction, and a package whose predictions carry them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import OptionError
from edgewright.core.formatting import percent, plural
from edgewright.core.package import read_package, write_package
from edgewright.core.records.package import IntervalSpec

Array = NDArray[np.float64]
# Forecasts of like size share their errors: as many parts of equal count, each of at least so many errors.
BINS, FEWEST = 8, 100


def band_of(forecasts: Array, truth: Array, below: float, above: float, bins: int = BINS) -> IntervalSpec:
    """Return the quantiles of the errors that further machines owe (Vovk et al., 2005; Mondrian categories by size).

    Args:
        forecasts: of samples that took no part in the fit, shape (n,).
        truth: of the same samples.
        below: share of the truth that may lie under the interval; 0 leaves that side open.
        above: share that may lie over it.
        bins: parts by the size of the forecast, fewer where samples are few.

    Raises:
        InputError: too few samples.
    """
    if len(truth) < FEWEST:
        raise OptionError(f"at least {FEWEST} validation samples", str(len(truth)), "intervals", "Set split.validation")
    parts = max(1, min(bins, len(truth) // FEWEST))
    # Whoever reads the package answers in float32.
    edges = np.unique(np.quantile(forecasts, np.arange(1, parts) / parts).astype(np.float32))
    part = np.searchsorted(edges, forecasts)
    low, high = [], []
    for number in range(len(edges) + 1):
        errors = np.sort((truth - forecasts)[part == number])
        count = len(errors)
        # The finite-sample rank of split conformal prediction on each side (Lei et al., 2018).
        low.append(errors[max(0, int(np.floor((count + 1) * below)) - 1)] if below else -np.inf)
        high.append(errors[min(count, int(np.ceil((count + 1) * (1 - above)))) - 1] if above else np.inf)
    ends = [tuple(np.asarray(values, np.float32).tolist()) for values in (low, high)]
    return IntervalSpec(level=round(1 - below - above, 12), edges=tuple(edges.tolist()), low=ends[0], high=ends[1])


def write_interval_package(package: Path, target: Path, interval: IntervalSpec, groups: int) -> None:
    """Write a package whose predictions carry an interval.

    Args:
        package: of amounts.
        target: file that is written.
        interval: calibrated on groups that the model has not seen.
        groups: their number, for the provenance.
    """
    given = read_package(package)
    text = f"{percent(interval.level)}, calibrated on {plural(groups, 'group')} left out"
    provenance = {**given.manifest.provenance, "interval": text, "interval_of": given.sha256}
    manifest = msgspec.structs.replace(given.manifest, interval=interval, provenance=provenance)
    write_package(target, manifest, given.files)
