"""Mode 'glossary': the words that this run uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgewright.schema.lesson import Block, Facts
from edgewright.schema.trace import Trace
from edgewright.trace.lesson_parts import config_table
from edgewright.trace.modes import Mode


@dataclass(frozen=True)
class Term:
    """A word, what it means, and whether a record uses it."""

    word: str
    means: str
    occurs: Callable[[Trace], bool]


def _classes(trace: Trace) -> bool:
    return trace.evaluation is not None and bool(trace.evaluation.labels)


def _regression(trace: Trace) -> bool:
    return trace.evaluation is not None and bool(trace.evaluation.regression)


def _validated(trace: Trace) -> bool:
    return trace.training is not None and trace.training.validation_samples > 0


def _form(name: str) -> Callable[[Trace], bool]:
    return lambda trace: trace.compression is not None and any(f.name == name for f in trace.compression.variants)


def _stage(*kinds: str) -> Callable[[Trace], bool]:
    return lambda trace: any(kind in stage.kind.split("+") for stage in trace.stages for kind in kinds)


def _layer(*kinds: str) -> Callable[[Trace], bool]:
    return lambda trace: any(layer.kind in kinds for layer in trace.layers)


def _activation(name: str) -> Callable[[Trace], bool]:
    return lambda trace: any(layer.activation == name for layer in trace.layers)


def _windows(trace: Trace) -> bool:
    return any(len(stage.shape_out) == 3 for stage in trace.stages)


def _trained(trace: Trace) -> bool:
    return trace.training is not None


def _judged(trace: Trace) -> bool:
    return trace.evaluation is not None


def _device(trace: Trace) -> bool:
    return trace.device is not None


def _scaled(trace: Trace) -> bool:
    return trace.scaling is not None


def _grouped(trace: Trace) -> bool:
    return trace.evaluation is not None and trace.evaluation.split_by == "group"


def _patient(trace: Trace) -> bool:
    return bool(config_table(trace, "training").get("patience")) and _validated(trace)


def _minmax(trace: Trace) -> bool:
    methods = (stage.settings.get(f"{kind}.method") for stage in trace.stages for kind in stage.kind.split("+"))
    return "minmax" in methods


def _layers(trace: Trace) -> bool:
    return bool(trace.layers)


def _always(trace: Trace) -> bool:
    return True


TERMS: tuple[Term, ...] = (
    Term("accuracy", "The share of test samples that get their true class.", _classes),
    Term("activation", "The value a unit of a layer gives for one sample.", _layers),
    Term("batch", "The samples after which training changes the weights once.", _trained),
    Term("bias", "A number a unit adds to its weighted sum, learned like a weight.", _layers),
    Term("bootstrap", "An interval got by drawing the test samples (or people) again and again, with repetition.",
         lambda t: t.evaluation is not None and t.evaluation.accuracy is not None
         and "bootstrap" in t.evaluation.accuracy.method),
    Term("calibration error", "How far confidence and share of right answers lie apart, on average over ten bins.",
         lambda t: t.evaluation is not None and t.evaluation.calibration_error is not None),
    Term("confidence", "The probability the model gives to its answer.", _classes),
    Term("confusion matrix", "A table that counts how often each class was answered, for every true one.", _classes),
    Term("convolution", "A layer that slides the same small set of weights along time.",
         _layer("conv1d", "depthwise_separable")),
    Term("cross entropy", "The loss of classifiers: the negative logarithm of the probability of the true class.",
         lambda t: t.training is not None and "entropy" in t.training.loss_name),
    Term("data hash", "A fingerprint of the samples: the same samples give the same one.",
         lambda t: bool(t.provenance.data_hash)),
    Term("dense layer", "A layer in which every input is joined to every unit by a weight.", _layer("dense")),
    Term("dropout", "Leaving out random values while training, so that none is relied on alone.", _layer("dropout")),
    Term("early stopping", "Ending training when the validation loss has not got better for some epochs.",
         _patient),
    Term("epoch", "One pass over all training samples.", _trained),
    Term("exponent of growth", "The power with which a cost rises with the rows; 1 is in proportion.", _scaled),
    Term("F1", "The harmonic mean of precision and recall; macro-F1 is its mean over the classes.", _classes),
    Term("feature", "A value the network takes as input: a column, or something computed from it.", _always),
    Term("flash", "The memory of a device that keeps its program and the weights without power.", _device),
    Term("flip", "A sample to which a smaller form gives another class than the float form.", _form("int8")),
    Term("imputation", "Putting a value, such as the median, in the place of a missing one.", _stage("impute")),
    Term("int8", "Weights and activations as whole numbers of one byte with a scale.",
         _form("int8")),
    Term("interval, 95 %", "A range made so that it holds the true value in 95 of 100 repetitions.",
         lambda t: t.evaluation is not None and t.evaluation.accuracy is not None),
    Term("learning rate", "How large a step training takes along the gradient.", _trained),
    Term("loss", "What training makes smaller: how far the answers are from the truth.", _trained),
    Term("mean absolute error", "The mean distance between answer and truth, in the unit of the target.", _regression),
    Term("min-max scaling", "Moving a column so that its least training value becomes 0 and its largest 1.", _minmax),
    Term("multiply-accumulate", "One multiplication and one addition: the work of a layer is counted in them.",
         _layers),
    Term("mutual information", "How much knowing a column tells about the target, in whatever form.",
         _stage("select")),
    Term("optimiser", "The rule by which gradients become changes of the weights.", _trained),
    Term("overfitting", "Learning by heart: validation loss rises while training loss falls.",
         _validated),
    Term("package", "The one file a device takes: models, labels, units, ranges, test vectors and hashes.",
         _stage("package")),
    Term("parameter", "A number the network learns: a weight or a bias.", _layers),
    Term("PCA", "Directions of largest variance, as few as tell most of it.", _stage("pca")),
    Term("percentile, p99", "The latency that 99 of 100 answers stay below; p50 is the median.",
         lambda t: t.compression is not None),
    Term("polynomial features", "Products and powers of columns as further columns.", _stage("polynomial")),
    Term("precision", "Of the samples that were given a class, the share that truly has it.", _classes),
    Term("profile", "What a device can do: its memory, clock and instruction set.", _device),
    Term("quantisation", "Keeping values with fewer bits: q = round(x / scale) + zero point.", _form("int8")),
    Term("r2", "The share of the target's variance that the answers explain.", _regression),
    Term("RAM", "The memory a device works in while it computes an answer.", _device),
    Term("recall", "Of the samples that truly have a class, the share that is given it.", _classes),
    Term("ReLU", "An activation function: max(0, z).", _activation("relu")),
    Term("seed", "The number from which all random choices of a run follow.", _always),
    Term("sigmoid", "1 / (1 + exp(-z)): turns a sum into a probability.", _activation("sigmoid")),
    Term("softmax", "Turns the sums of the output layer into probabilities that add up to 1.", _activation("softmax")),
    Term("split by group", "Keeping all samples of a person or machine on one side of the split.", _grouped),
    Term("stage", "One step of the pipeline, with a shape that comes in and one that goes out.", _always),
    Term("temperature", "A factor the sums are divided by so that confidences can be believed; fitted on validation "
         "samples.", lambda t: _classes(t) and _validated(t)),
    Term("test samples", "Samples evaluated once, at the end, for the figures that are reported.", _judged),
    Term("training samples", "Samples from which stages and network learn.", _trained),
    Term("validation samples", "Samples held back from training that choose the epoch and calibrate confidence.",
         _validated),
    Term("weight", "A number an input is multiplied by on its way into a unit.", _layers),
    Term("window", "A fixed number of consecutive samples of all channels, answered as one.", _windows),
)  # fmt: skip


def tell(trace: Trace) -> tuple[Block, ...]:
    """Return terms that occur in the record, in alphabetical order, with their definitions."""
    found = sorted((term for term in TERMS if term.occurs(trace)), key=lambda term: term.word.casefold())
    return (Facts(rows=tuple((term.word, term.means) for term in found)),)


MODE = Mode(rank=90, title="Glossary", purpose="The words this run uses.", tell=tell)
