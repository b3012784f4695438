"""A recursive filter over one window as a matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import signal


def filter_matrix(
    sections: NDArray[np.float64], samples: int, *, zero_phase: bool, mirrored: bool = False
) -> NDArray[np.float32]:
    """The matrix M with `filtered = x @ M`.

    A filter whose initial state is proportional to the first sample is linear in the window, so its responses to
    the unit impulses are the rows of M.

    Args:
        sections: second-order sections (scipy.signal.butter with output='sos').
        samples: of the window.
        zero_phase: forwards and backwards (scipy.signal.sosfiltfilt, odd padding) instead of forwards.
        mirrored: with `zero_phase`, continue the window by its mirror image on both sides. Odd padding pins the
            output to the first and last sample, which leaves nothing of them when the output is subtracted.
    """
    impulses = np.eye(samples)
    if zero_phase:
        if mirrored:
            return np.asarray(
                signal.sosfiltfilt(sections, impulses, axis=1, padtype="even", padlen=samples - 1), np.float32
            )
        # scipy's default padding, shortened where the window is not longer than it
        default = 3 * (2 * len(sections) + 1 - min(int((sections[:, 2] == 0).sum()), int((sections[:, 5] == 0).sum())))
        filtered = signal.sosfiltfilt(sections, impulses, axis=1, padlen=min(default, samples - 1))
    else:
        # steady state for a constant equal to the first sample: only the first impulse has one that is not 0
        initial = signal.sosfilt_zi(sections)[:, None, :] * impulses[:, 0][None, :, None]
        filtered, _ = signal.sosfilt(sections, impulses, axis=1, zi=initial)
    return np.asarray(filtered, np.float32)
