"""What a package says of turned and mirrored sensors: the channels of its axes and the guard, signed with the rest."""

from __future__ import annotations

import msgspec


class AffineSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The axes that a device may swap and mirror; its arrays are the files `affine/NAME.npy`.

    A sample becomes the integer `x * 2**bits`, without its fraction, from -4095 to 4095.

    Attributes:
        classes: of the model.
        samples: of a window.
        acceleration: channel numbers of x, y and z.
        rotation: channel numbers of the gyroscope's x, y and z; empty without one. A mirrored gyroscope changes its
            sign once more than an accelerometer: what it measures is a pseudovector.
        bits: of a sample of the acceleration, and of the rotation.
        gain: per cent by which the distance to the training moments must fall below that of the axes as they are.
        limit: largest distance of a class after the change.
    """

    classes: int
    samples: int
    acceleration: tuple[int, int, int]
    rotation: tuple[int, ...]
    bits: tuple[int, int]
    gain: int
    limit: int
    layer: str = "affine"
