"""What a package says of learning on the device and of turned sensors; signed with the rest of its manifest."""

from __future__ import annotations

from typing import Literal

import msgspec

AdaptLayer = Literal["output", "prototypes"]


class AdaptSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The learned layer of a package; its arrays are the files `adapt/NAME.npy`. All arithmetic is of integers.

    A score is `weights (int16) * (hidden byte - zero) + bias (int32)`; `(score * multiplier + half) >> right`, plus
    `out_zero`, is the byte that the network's last layer gives.

    Attributes:
        layer: 'output' moves the weights by gradient steps, 'prototypes' computes them from the means of the classes.
        classes, width: of the layer; `zero` is the zero point of its inputs.
        multiplier, right, out_zero: from a score to an output byte.
        step: right shift of a gradient step; `bias_step` is its factor for the bias.
        weight_limit, bias_limit: largest distance of a learned number from the factory's.
        prior: examples that the factory's mean of a class counts for ('prototypes').
        precision_right: right shift after the product with the precision matrix ('prototypes').
        pool: labelled examples that are kept to learn from again and to judge what was learned.
        replays: of examples in the pool, after each new one.
        gain: per cent of the kept examples by which errors must fall before learned answers are used; changed labels of
            test vectors count as errors where their class has no kept example. Once there were 64 examples, the learned
            layer must also lead on those that were not learned yet; by a sure lead, errors need only not grow.
        drop: per cent of the test vectors whose label may change; beyond it the factory's layer answers.
    """

    layer: AdaptLayer
    classes: int
    width: int
    zero: int
    multiplier: int
    right: int
    out_zero: int
    step: int
    bias_step: int
    weight_limit: int
    bias_limit: int
    prior: int
    precision_right: int
    pool: int
    replays: int
    gain: int
    drop: int


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
