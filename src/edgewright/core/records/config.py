"""The pipeline's TOML: every key, its type and default. `docs/pipeline.md` is made from this file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Positive = Annotated[int, msgspec.Meta(gt=0)]
Fraction = Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)]
Share = Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)]
WindowTarget = Literal["last", "mean", "first", "max"]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables of a pipeline's TOML: an unknown key is refused."""


class WindowConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How recordings are cut into windows.

    Attributes:
        samples: rows in a window.
        step: rows from the start of one window to the start of the next; half a window when left out.
        within: 'label' cuts inside stretches of one label, 'recording' gives a window the label most of its rows have.
        pad: fill a stretch or recording that is shorter than a window up with zeros, as silence after a short sound; it
            is left out otherwise.
        fill_start: put copies of the first row before a recording, and likewise after a gap, so that windows are
            complete and answered from that row on; otherwise the first answer waits for `samples` rows. Copies look
            like a sensor at rest.
        target: the amount that a window predicts, from the amounts of its labelled rows: 'last' (the current amount),
            'first', 'max' or 'mean'. For classes, `within` decides the label of a window.
    """

    samples: Positive
    step: Positive | None = None
    within: Literal["label", "recording"] = "label"
    pad: bool = False
    fill_start: bool = False
    target: WindowTarget = "last"


class SplitConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which samples train, validate and test.

    Attributes:
        by: unit that is never divided between the parts of the split; 'auto' takes 'group' if a group is known, else
            'time' if rows have a time, else 'row'.
        test: share of the samples (of the groups, when split by group) that evaluate.
        validation: share of the training samples that stop training and calibrate probabilities.
        test_groups: names of the groups that evaluate; overrides `test`.
        validation_groups: names of the groups that validate; overrides `validation`.
        allow_leakage: go on although the same person or overlapping windows stand on both sides; the record warns.
        leave_one_out_s: time limit in seconds for a further evaluation with fewer than 12 groups, or without groups and
            with fewer than 30 test samples, where ten folds take the place of groups: the pipeline is
            fitted without each group in turn and scored on that group. 0 turns this off.
    """

    by: Literal["auto", "group", "session", "time", "row"] = "auto"
    test: Fraction = 0.2
    validation: Share = 0.2
    test_groups: tuple[str, ...] = ()
    validation_groups: tuple[str, ...] = ()
    allow_leakage: bool = False
    leave_one_out_s: Annotated[float, msgspec.Meta(ge=0.0)] | msgspec.UnsetType = msgspec.UNSET


class TrainingConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the network is trained.

    Attributes:
        epochs: maximum number of passes over the training samples.
        batch: number of samples per step.
        optimiser: a file of `training/optimisers`; `learned` and `prodigy` need no learning rate.
        learning_rate: step size; ignored by `learned` and `prodigy`.
        schedule: schedule of the learning rate; 'auto' is the usual one of the optimiser, 'one_cycle' rises and falls
            along a cosine; not for `learned`, `prodigy` and `schedule_free_adamw`.
        warm_up: share of all steps in which 'constant' and 'one_cycle' rise.
        weight_decay: decoupled weight decay (AdamW).
        patience: epochs without a better validation loss before training stops; 0 never stops early.
        class_weights: 'balanced' weights a class by the inverse of its frequency.
        label_smoothing: share of the target given to the other classes.
        dropout: share of the input features set to zero in a training step.
        calibrate: fit a temperature on the validation samples, so that a confidence can be believed.
        augment: changed copies of training windows, or changes of pictures that are drawn anew in every epoch; each a
            table with its `kind`.
        synthetic: folder of recordings that nobody made, such as `edgewright synth speech` writes; they train beside
            the training samples and evaluate nothing.
        mixup: mix each sample of a training step with another one; their shares are drawn from a beta distribution with
            this number twice (0.2 is usual for pictures). Left out, none are mixed.
        false_alarms: with task = 'anomaly', share of good pictures that may raise an alarm (0.01).
    """

    epochs: Positive = 20
    batch: Positive = 64
    optimiser: str = "adam"
    learning_rate: Annotated[float, msgspec.Meta(gt=0.0)] = 0.001
    schedule: Literal["auto", "constant", "one_cycle"] = "auto"
    warm_up: Share = 0.15
    weight_decay: Annotated[float, msgspec.Meta(ge=0.0)] = 0.0
    patience: Annotated[int, msgspec.Meta(ge=0)] = 0
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: Share = 0.0
    dropout: Share = 0.0
    calibrate: bool = True
    augment: tuple[dict[str, Any], ...] = ()
    synthetic: str = ""
    mixup: Share | msgspec.UnsetType = msgspec.UNSET
    false_alarms: Fraction | msgspec.UnsetType = msgspec.UNSET


class ModelConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model.

    Attributes:
        kind: a file of `models`.
        layers: layers of a network, in their order, without the output layer, which follows from the target. Each is a
            table with its `kind`, a file of `models/nn`.
        backbone: for a network, a .tflite (int8 or float) or .onnx file whose layers, without its classifier, come
            first. Without `layers`, the output layer follows directly.
        depth: share of the backbone's layers that are kept, from the first on; below 1, without `layers`, the mean over
            all pixels follows it.
        freeze: share of the kept layers, from the first on, that are not trained; 1 (the default) trains what follows
            them alone.
        pixels: values of black and white in the training of the backbone; an int8 file contains them.
        rounds: number of rounds of boosted trees; each adds a tree for each class, or one tree for two classes or an
            amount.
        leaves: largest number of leaves of a boosted tree; 30 trees of 16 leaves take about 5 kB of flash.
        trees: number of trees of a forest or of extra trees.
        size_bytes: flash that the tables of a forest, of extra trees or of a kernel machine take at most: the splits
            that help least are pruned, and there are as many centres as fit, up to 300.
    """

    kind: str = "network"
    layers: tuple[dict[str, Any], ...] = ({"kind": "dense", "units": 64}, {"kind": "dense", "units": 64})
    backbone: str | msgspec.UnsetType = msgspec.UNSET
    depth: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] | msgspec.UnsetType = msgspec.UNSET
    freeze: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] | msgspec.UnsetType = msgspec.UNSET
    pixels: tuple[float, float] | msgspec.UnsetType = msgspec.UNSET
    rounds: Annotated[int, msgspec.Meta(gt=0, le=1000)] = 30
    leaves: Annotated[int, msgspec.Meta(ge=2, le=256)] = 16
    trees: Annotated[int, msgspec.Meta(gt=0, le=1000)] = 50
    size_bytes: Annotated[int, msgspec.Meta(ge=256, le=16_000_000)] = 64_000


class CompressionConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The int8 form.

    Attributes:
        int8: make it; models without weights (trees, rules) stay float.
        method: how ranges of activations are found on training samples: 'minmax' or 'percentile'.
        percentile: share of values inside the range for 'percentile', in per cent.
        per_channel: 'auto' uses a scale a channel only where that lowers the error by enough to pay for its bytes.
        max_drop: largest loss of accuracy, as a fraction, or growth of a regression's error.
        repair: if int8 loses more than allowed on samples other than the test samples, try a scale per channel and
            quantisation-aware training. If neither helps, or int8 loses more on the test samples, the package is
            float. Without `repair`, such a run leaves no package and exits with 1.
        reference_megabytes: also quantise a dense network of this size (float32) and show bytes and time; 0 does not.
    """

    int8: bool = True
    method: Literal["minmax", "percentile"] = "minmax"
    percentile: Annotated[float, msgspec.Meta(gt=50.0, le=100.0)] = 99.99
    per_channel: Literal["auto", "always", "never"] = "auto"
    max_drop: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.02
    repair: bool = True
    reference_megabytes: Annotated[float, msgspec.Meta(ge=0.0, le=100.0)] = 0.0


class DeviceConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The device the package is for.

    Attributes:
        profile: a file of `profiles`.
        confidence: below this the answer is marked unsure.
        test_vectors_kb: limit of the package's compressed test vectors in kB (48); more of them test more. With the
            reference statistics of the columns they take at most 16 kB more.
    """

    profile: str = "phone-arm64"
    confidence: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.5
    test_vectors_kb: Annotated[int, msgspec.Meta(ge=1)] | msgspec.UnsetType = msgspec.UNSET


class DecisionConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From the answers to a stream of windows to the decisions of a device.

    Attributes:
        debounce: windows in a row that must agree before a decision changes, or 'auto': of 1 to 4 the number that costs
            least on whole recordings of people, machines or sessions that the answering fit has not seen and that do
            not test; none that hides a short label.
        false_switch_s: with 'auto', the cost of a false switch or a missed change, in seconds of a wrong decision; by
            default the length of a window.
    """

    debounce: Annotated[int, msgspec.Meta(ge=1, le=1000)] | Literal["auto"] = 1
    false_switch_s: Annotated[float, msgspec.Meta(ge=0.0, le=86_400.0)] | msgspec.UnsetType = msgspec.UNSET


class ScalingConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Train architectures at several data sizes to see what growth costs.

    Attributes:
        rows: data sizes.
        architectures: layers by name, as in `model.layers`.
        epochs: maximum number of passes over the samples at each size.
        patience: epochs without a better validation loss before a training stops, so that a small data size is not
            judged on a network that saw too few steps; 0 makes all passes.
        looks: rows that a training looks at in all its passes together, so that a large data size makes fewer of them;
            0 for no limit.
    """

    rows: tuple[Positive, ...]
    architectures: dict[str, tuple[dict[str, Any], ...]]
    epochs: Positive = 20
    patience: Annotated[int, msgspec.Meta(ge=0)] = 0
    looks: Annotated[int, msgspec.Meta(ge=0)] = 0


class AdaptConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What devices may learn from a few labelled examples after deployment (`docs/adaptation.md`).

    Attributes:
        layer: 'output' moves the last layer by gradient steps, 'prototypes' computes it from means of the classes,
            'affine' swaps and mirrors the axes of a sensor that is worn another way.
        acceleration: channels x, y and z ('affine').
        rotation: channels x, y and z of a gyroscope at the same place ('affine').
        rate: length of a gradient step.
        limit: largest change of a weight, as a multiple of the largest weight of the layer.
        ram: bytes of the learned state, labelled examples included.
        replays: gradient steps on kept examples after each new one.
        prior: examples that the training samples' mean of a class counts for.
        gain: share of the kept examples by which errors must fall before learned answers are used; changed labels of
            test vectors count where their class has no kept example. With 'affine' the share by which the distance to
            the training data must fall.
        drop: largest share of the package's test vectors whose label may change.
    """

    layer: Literal["output", "prototypes", "affine"] = "output"
    acceleration: tuple[str, ...] = ()
    rotation: tuple[str, ...] = ()
    rate: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 0.02
    limit: Annotated[float, msgspec.Meta(gt=0.0, le=8.0)] = 2.0
    ram: Annotated[int, msgspec.Meta(ge=256, le=65536)] = 2048
    replays: Annotated[int, msgspec.Meta(ge=0, le=64)] = 16
    prior: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 6
    gain: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.1
    drop: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.9


class CardsConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names of the cards of the data flow; an empty name leaves a card out.

    Attributes:
        data: the rows or windows as they come.
        architecture: the choice among `scaling.architectures`; shown only when there is one.
        training: the network's training.
        package: compression and the package.
        prediction: one sample answered from the package.
    """

    data: str = "Data"
    architecture: str = "Architecture choice"
    training: str = "Training"
    package: str = "Package"
    prediction: str = "Prediction"


class PipelineConfig(Table, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pipeline.

    Attributes:
        name: name of the run folder and of the package.
        title: purpose of the pipeline in one line.
        task: 'auto' takes classification for text, true/false or few whole numbers in the target. 'detection' finds
            objects in pictures that have boxes. 'anomaly' learns from pictures labelled 'good' alone how odd a picture
            is, and where.
        seed: seed of the random number generators.
        refit: once the test samples have judged a fit, fit again on all samples, as many epochs and with the same
            temperature, and package that; the figures stay those of the judged fit. Training takes twice the time.
        need: share of right answers (R² of an amount) below which the verdict is 'not ready'.
        keep_samples: `false` leaves training samples out of `trace.json` and of the page. Otherwise these hold up to
            2,000, as a network of dense layers takes them, and the page trains it again.
        data: data source: `kind` is csv, parquet, wav or another file of `data/sources`, or a kind of a Python file in
            `EDGEWRIGHT_SOURCES`. Data with labels by a machine are refused unless an audit shows an error rate of at
            most `label_errors` (0.05). `without` lists labels to omit. Recordings with more rows per second than
            `resample` are averaged to that rate. `near_duplicates = true` makes recordings that are near-duplicates of
            each other, and rows that are overlapping windows, one session.
        window: length and step of windows; omit it for a table of rows.
        split: shares of training, validation and test samples.
        stages: preprocessing and features, in their order. Each is a table with its `kind`, a file of `preprocessing`
            or `features`, and an optional `title`: adjacent stages with the same title share a card of the data flow.
        model: kind of the model, and its settings.
        training: settings of the training of a network.
        compression: settings of the int8 form.
        device: device for which the package is built.
        scaling: an optional comparison over data sizes.
        architecture: the entry of `scaling.architectures` that is trained and packaged; empty uses `model.layers`.
        cards: names of the cards of the data flow.
        adapt: settings of learning on devices; omit it for a model that does not change.
        decision: how a device decides over a stream of windows; omit it to take each answer as a decision.
    """

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    title: str = ""
    task: Literal["auto", "classification", "regression", "detection", "anomaly"] = "auto"
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    refit: bool = True
    data: dict[str, Any]
    window: WindowConfig | None = None
    split: SplitConfig = SplitConfig()
    stages: tuple[dict[str, Any], ...] = ()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    compression: CompressionConfig = CompressionConfig()
    device: DeviceConfig = DeviceConfig()
    scaling: ScalingConfig | None = None
    architecture: str = ""
    cards: CardsConfig = CardsConfig()
    adapt: AdaptConfig | msgspec.UnsetType = msgspec.UNSET
    decision: DecisionConfig | msgspec.UnsetType = msgspec.UNSET
    need: Fraction | msgspec.UnsetType = msgspec.UNSET
    keep_samples: bool | msgspec.UnsetType = msgspec.UNSET
