"""Records of a package: its manifest, inputs, adaptation and maps of objects."""

from __future__ import annotations

from typing import Literal

import msgspec

from edgewright.core.errors import InputError, TooFewRowsError
from edgewright.core.records.data import Column, TimeUnit
from edgewright.core.records.device import DecisionSpec

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


class ObjectMap(msgspec.Struct, frozen=True, kw_only=True):
    """What the map of a detector means.

    Attributes:
        labels: classes of objects; class 0 of the map is the background, which has no label.
        rows, columns: cells of the map.
        height, width: of the picture, in pixels.
        threshold: log-odds of an object against the background from which a cell counts, in 1/16.
        max_objects: objects that a picture can have; the surest ones are kept.
        false_alarms: of a map of odd places, the largest chance that a good picture reaches the threshold; left out for
            objects.
    """

    labels: tuple[str, ...]
    rows: int
    columns: int
    height: int
    width: int
    threshold: int
    max_objects: int = msgspec.field(default=32, name="most")
    false_alarms: float | msgspec.UnsetType = msgspec.UNSET


class FoundObject(msgspec.Struct, frozen=True, kw_only=True):
    """An object that was found.

    Attributes:
        label: number of its class among the labels.
        x, y: its centre in pixels.
        score: largest log-odds of its cells against the background, in 1/16.
    """

    label: int
    x: int
    y: int
    score: int


class Centre(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """An object that is there: its label, and its centre as shares of the picture's width and height."""

    label: str
    x: float
    y: float


PACKAGE_VERSION = 2
"""Format 2 carries settings of its devices; older versions, which would leave them out, refuse it."""


class WindowSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How rows become a window: `samples` rows each, a new one every `step` rows, at `rate` rows a second.

    `target` says of which of its rows a regression tells the amount: 'last', 'first', 'max' or their 'mean', as all
    packages from before that key. `fill_start`: copies of the first row come before it, after a gap, too, so that the
    first window ends with that row. `within` and `pad` are those of the pipeline's windows: a stream has no labels to
    cut by, labelled recordings that a package is scored on have.
    """

    samples: int
    step: int
    rate: float | None
    target: str = "mean"
    within: str = "label"
    pad: bool = False
    fill_start: bool = False

    def too_few(self, rows: str, where: str = "") -> InputError:
        """Return the error for rows that give no window."""
        return TooFewRowsError(
            "a row" if self.fill_start else f"at least {self.samples:,} rows, one window", rows, where
        )


class RecordingColumns(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Columns that say which rows belong together: of people or machines, recordings and times; empty for none.

    Attributes:
        group, session, time: names of the columns.
        time_unit: of a time in numbers, as `[data]` has it.
        rate: rows a second by the times in training; None where `[data]` sets it, and in older packages.
    """

    group: str = ""
    session: str = ""
    time: str = ""
    time_unit: TimeUnit = "auto"
    rate: float | None = None


class PictureSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How a picture of another size becomes one of the package's: `fit` is that of `[data]`."""

    fit: str = "crop"


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the package with its length and SHA-256."""

    name: str
    bytes: int
    sha256: str


class ReferenceColumn(msgspec.Struct, frozen=True, kw_only=True):
    """What a column looked like in training: moments and quantiles (0, 1, 5, 25, 50, 75, 95, 99, 100 %)."""

    name: str
    mean: float
    deviation: float
    missing: float
    quantiles: tuple[float, ...]


class JointReference(msgspec.Struct, frozen=True, kw_only=True):
    """What channels looked like together in training: means of their products, and directions for `monitor.drift`.

    Attributes:
        units: people, machines or recordings that it was made of; `seconds` of one, in the median.
        directions: how many.
        data: base64 of little-endian numbers, c channels and p = c + c (c + 1) / 2 products: center and scale (c
            float32 each), means of the products (p float32), their deviation between units (p float16), directions
            (p by `directions` float16).
    """

    units: int
    seconds: float
    directions: int
    data: str


class MotionReference(msgspec.Struct, frozen=True, kw_only=True):
    """What an accelerometer and a gyroscope said of themselves in training: see `monitor.drift.motion_estimates`.

    Attributes:
        units: people, machines or recordings that it was made of.
        acceleration: channel numbers of x, y and z.
        rotation: channel numbers of the gyroscope's x, y and z; empty without one.
        gravity: what 1 g is in the units of the accelerometer.
        rate: rows a second.
        radian: what 1 rad/s is in the units of the gyroscope; 1 without one.
        mean, spread: of the estimates, in their order, over the units.
        turning: inverse covariance of the gain of the gyroscope, of all axes and of x, y and z, 4 by 4; empty without.
        pose, pose_spread: how movements hang together and where up is, over the units; empty where that says nothing.
        highest: largest distance from zero in training, of the accelerometer and of the gyroscope.
        unnoticed: changes that it cannot notice, in words.
    """

    units: int
    acceleration: tuple[int, int, int]
    rotation: tuple[int, ...]
    gravity: float
    radian: float
    rate: float
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    turning: tuple[float, ...]
    pose: tuple[float, ...]
    pose_spread: tuple[float, ...]
    highest: tuple[float, ...]
    unnoticed: tuple[str, ...] = ()


class FitSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a model was fitted on.

    Attributes:
        samples: how many.
        refitted: whether samples that judged are among them: the figures of the package are then of another fit.
        seen: a sketch of the samples, hexadecimal; `pipeline.training_fingerprint` compares others with it.
    """

    samples: int
    refitted: bool = False
    seen: str = ""


class IntervalSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How far the truth lies from a predicted amount, by the size of the prediction.

    Attributes:
        level: share of the truth that an interval is to hold.
        edges: largest prediction of each part but the last.
        low, high: what is added to a prediction of each part.
    """

    level: float
    edges: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`manifest.json` of a package.

    Attributes:
        version: version of the format; a newer one is refused by name.
        task: 'classification', 'regression' or 'detection'.
        shape: of one sample at the input: (columns,) or (channels, samples).
        window: None for rows.
        labels: classes in the order of the probabilities.
        thresholds: 'confidence' below which an answer is called unsure, and others by name.
        vectors: number of test vectors; `tolerance` is the largest difference of a probability (or, relative to
            the spread of the answers, of a regression) allowed on them, by form ('float', 'int8').
        forms: model file of each form; `default` names the one that answers.
        decision: how the answers of a stream become decisions and alarms; packages without it decide by each window.
        missing: largest share of a sample's values, of a window's the share of a channel's readings, that may be
            missing where there is an answer; None in packages from before that rule.
        joint: what its channels looked like together; None for few people, machines or recordings, or without time.
        motion: what its accelerometer and gyroscope said of themselves; left out without them, or for few people.
        picture: how pictures are resized; left out where a sample is none.
        fit: what it was fitted on; None in packages from before that was kept.
        adapt: what its devices may learn; left out where they learn nothing.
        objects: how the map of a model that finds objects is read; left out for other tasks.
        recordings: columns of its training data that no window crosses; left out where nobody named any.
        interval: of the amounts that it predicts; left out where nobody measured it.
        affine: how they may swap and mirror the axes of their sensors; left out where they may not.
    """

    version: int = 1
    name: str
    task: str
    columns: tuple[Column, ...]
    shape: tuple[int, ...]
    window: WindowSpec | None
    labels: tuple[str, ...]
    target: str
    thresholds: dict[str, float]
    vectors: int
    tolerance: dict[str, float]
    forms: dict[str, str]
    default: str
    reference: tuple[ReferenceColumn, ...]
    licences: tuple[str, ...]
    provenance: dict[str, str]
    files: tuple[FileEntry, ...]
    decision: DecisionSpec = DecisionSpec()
    missing: float | None = None
    fit: FitSpec | None = None
    joint: JointReference | None = None
    motion: MotionReference | msgspec.UnsetType = msgspec.UNSET
    picture: PictureSpec | msgspec.UnsetType = msgspec.UNSET
    adapt: AdaptSpec | msgspec.UnsetType = msgspec.UNSET
    objects: ObjectMap | msgspec.UnsetType = msgspec.UNSET
    affine: AffineSpec | msgspec.UnsetType = msgspec.UNSET
    interval: IntervalSpec | msgspec.UnsetType = msgspec.UNSET
    recordings: RecordingColumns | msgspec.UnsetType = msgspec.UNSET


NEIGHBOURS_VERSION = 1
Space = Literal["network", "features"]


class NeighboursSpec(msgspec.Struct, frozen=True, kw_only=True):
    """`neighbours.json` of an index; beside it `package.edge` and `arrays/`.

    Attributes:
        version: version of the format; a newer one is refused by name.
        name: name of the package.
        space: 'features' are what arrives at the network, 'network' what its last hidden layer gives.
        labels: in the order they were first added.
        limit: times the usual distance between examples of a label, beyond which a sample is none of them.
    """

    version: int = NEIGHBOURS_VERSION
    name: str
    space: Space
    labels: tuple[str, ...]
    limit: float


class Nearest(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to one sample.

    Attributes:
        origin: of the sample in its source.
        label: or 'none of these'.
        confidence: probability of it.
        nearest: the label of the nearest example, also where it is none of these.
        distance: to that example, 1 less the cosine.
        limit: distance beyond which this would have been none of these.
    """

    origin: str = msgspec.field(name="place")
    label: str
    confidence: float
    nearest: str
    distance: float
    limit: float
