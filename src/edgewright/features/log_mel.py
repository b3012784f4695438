"""Sound as a picture: power by time and by pitch."""

from __future__ import annotations

from functools import partial

from edgewright.features._sound import MelConfig, MelTransformer, in_seconds, made_of_sound
from edgewright.graph.stage import Stage


class LogMelConfig(MelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Logarithm of the power in mel bands, frame by frame; `flatten` gives (mels x frames) features."""


class LogMel(MelTransformer):
    """(n, channels, samples) -> (n, channels * mels, frames)."""

    kind = "log_mel"


def _why(estimator: LogMel) -> str:
    return (
        f"Hearing responds to power ratios in bands that widen with pitch: {estimator.shape_[1]} samples become "
        f"{estimator.mels} bands in {estimator.frames} frames of {1000 * estimator.frame / estimator.rate:.3g} ms."
    )


STAGE = Stage(
    config=LogMelConfig,
    build=partial(made_of_sound, LogMel),
    state=("shape_", "floor_"),
    why=_why,
    formula=("y[m, j] = log(sum_k M[m, k] P_j[k] + floor), P_j the Hann-windowed power spectrum of frame j"),
    read_back=in_seconds,
)
