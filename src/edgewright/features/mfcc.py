"""Sound as the shape of its spectrum: mel-frequency cepstral coefficients."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from edgewright.core.errors import StageSettingsError
from edgewright.features._sound import MelConfig, MelTransformer, dct_matrix, in_seconds, made_of_sound
from edgewright.graph.builder import Value, log, matmul
from edgewright.graph.stage import Context, Stage


class MfccConfig(MelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cosine transform of the log mel bands, frame by frame; `flatten` gives (coefficients x frames) features.

    Attributes:
        coefficients: kept, from the lowest.
    """

    coefficients: Annotated[int, msgspec.Meta(ge=1)] = 13


class Mfcc(MelTransformer):
    """(n, channels, samples) -> (n, channels * coefficients, frames)."""

    kind = "mfcc"
    word = "mfcc"

    def _bands(self, x: Value) -> Value:
        """Log mel bands above the floor (n, channels, frames, mels) to coefficients.

        The logarithm is that of log mel less log(floor), which moves coefficient 0 by a constant and makes silence
        exactly 0: sums of large equal numbers would cost float32 the digits of the other coefficients.
        """
        above = log(self._powers(x) * np.float32(1.0 / self.floor_) + 1.0)
        return matmul(above, dct_matrix(self.mels, int(self.coefficients or self.mels)))

    def _band_names(self) -> list[str]:
        return [f"mfcc {i}" for i in range(int(self.coefficients or self.mels))]


def _build(config: MfccConfig, context: Context) -> Mfcc:
    if config.coefficients > config.mels:
        raise StageSettingsError(
            f"at most {config.mels} coefficients of {config.mels} mels", str(config.coefficients), "stage mfcc"
        )
    return made_of_sound(Mfcc, config, context)


def _why(estimator: Mfcc) -> str:
    return (
        f"Neighbouring bands are nearly redundant: {estimator.coefficients} coefficients describe the shape of "
        f"{estimator.mels} bands, in {estimator.frames} frames of {1000 * estimator.frame / estimator.rate:.3g} ms."
    )


STAGE = Stage(
    config=MfccConfig,
    build=_build,
    state=("shape_", "floor_"),
    why=_why,
    title="MFCC",
    formula=(
        "y[i, j] = sqrt(2/M) sum_m logmel[m, j] cos(pi i (m + 1/2) / M), with sqrt(1/M) for i = 0; "
        "logmel = log(1 + power / floor)"
    ),
    read_back=in_seconds,
)
