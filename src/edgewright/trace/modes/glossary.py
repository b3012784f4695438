"""Mode 'glossary': the words that this run uses."""

from __future__ import annotations

from msgspec import UnsetType

from edgewright.schema.lesson import Block, Facts
from edgewright.schema.trace import Trace
from edgewright.trace.modes import Mode, config_table

TERMS: dict[str, dict[str, str]] = {
    "classes": {
        "accuracy": "The share of test samples that are classified correctly.",
        "confidence": "The probability the model gives to its answer.",
        "confusion matrix": "A table that counts how often each class was predicted for each true class.",
        "F1": "The harmonic mean of precision and recall; macro-F1 is its mean over the classes.",
        "precision": "Of the samples predicted as a class, the share that belongs to it.",
        "recall": "Of the samples that belong to a class, the share predicted as it.",
    },
    "layers": {
        "activation": "The value a unit of a layer gives for one sample.",
        "bias": "A number a unit adds to its weighted sum, learned like a weight.",
        "multiply-accumulate": "One multiplication and one addition: the unit of a layer's work.",
        "parameter": "A number the network learns: a weight or a bias.",
        "weight": "A number an input is multiplied by on its way into a unit.",
    },
    "training": {
        "batch": "The samples after which training changes the weights once.",
        "epoch": "One pass over all training samples.",
        "learning rate": "How large a step training takes along the gradient.",
        "loss": "What training minimises: how far the answers are from the truth.",
        "optimiser": "The rule by which gradients become changes of the weights.",
        "training samples": "Samples from which stages and network learn.",
    },
    "t interval": {
        "t interval": "An interval from how much the figure differs from person to person, or group to group."
    },
    "calibrated": {"calibration error": "The mean gap between confidence and accuracy over ten bins."},
    "convolution": {"convolution": "A layer that slides one small set of weights along time."},
    "entropy": {
        "cross entropy": "The loss of classifiers: the negative logarithm of the probability of the true class."
    },
    "data hash": {"data hash": "A fingerprint of the samples: equal samples have equal hashes."},
    "layer dense": {"dense layer": "A layer in which a weight connects every input to every unit."},
    "layer dropout": {"dropout": "Dropping random values in training, so that the model relies on none alone."},
    "patience": {"early stopping": "Ending training when the validation loss has not improved for some epochs."},
    "scaling": {"exponent of growth": "The power with which a cost rises with the rows; 1 is in proportion."},
    "always": {
        "feature": "A value the network takes as input: a column, or something computed from it.",
        "seed": "The number that determines all random choices of a run.",
        "stage": "One step of the pipeline, with a shape that comes in and one that goes out.",
    },
    "device": {
        "flash": "The memory of a device that keeps its program and the weights without power.",
        "profile": "What a device can do: its memory, clock and instruction set.",
        "RAM": "The memory a device works in while it computes an answer.",
    },
    "form int8": {
        "flip": "A sample for which a smaller form predicts a different class than float.",
        "int8": "Weights and activations as whole numbers of one byte with a scale.",
        "quantisation": "Keeping values with fewer bits: q = round(x / scale) + zero point.",
    },
    "stage impute": {"imputation": "Replacing a missing value, for example with the median."},
    "interval": {"interval, 95 %": "A range that contains the true value in 95 of 100 repetitions."},
    "regression": {
        "mean absolute error": "The mean distance between answer and truth, in the unit of the target.",
        "r2": "The share of the target's variance that the answers explain.",
    },
    "min-max": {"min-max scaling": "Scaling a column so that its training values range from 0 to 1."},
    "stage select": {"mutual information": "How much a column reveals about the target, linear or not."},
    "validated": {
        "overfitting": "Memorising the training data: validation loss rises while training loss falls.",
        "validation samples": "Samples held back from training that choose the epoch and calibrate confidence.",
    },
    "stage package": {
        "package": "The one file a device takes: models, labels, units, ranges, test vectors and hashes."
    },
    "stage pca": {"PCA": "The few directions that explain most of the variance."},
    "compression": {"percentile, p99": "The latency that 99 of 100 answers stay below; p50 is the median."},
    "stage polynomial": {"polynomial features": "Products and powers of columns as additional columns."},
    "activation relu": {"ReLU": "An activation function: max(0, z)."},
    "activation sigmoid": {"sigmoid": "1 / (1 + exp(-z)): turns a sum into a probability."},
    "activation softmax": {"softmax": "Turns the sums of the output layer into probabilities that add up to 1."},
    "grouped": {"split by group": "Keeping all samples of a person or machine on one side of the split."},
    "temperature": {
        "temperature": "A factor that divides the sums so that confidences are calibrated; fitted on validation "
        "samples."
    },
    "objects": {
        "centre": "Where an object is said to be: found where it is at most one cell of the map from a true one.",
        "F1 of centres": "2 hits / (found + true centres): 1 where all are found and nothing else is.",
    },
    "anomalies": {
        "AUROC": "The chance that an odd picture scores above a good one: 0.5 by guessing, 1 where all do.",
        "odd": "Unlike the good pictures of training, wherever it is.",
    },
    "evaluation": {"test samples": "Samples evaluated once, at the end, for the figures that are reported."},
    "windows": {"window": "A fixed number of consecutive samples of all channels, with one answer."},
}
"""What a record has, see `marks` -> the words that it uses then, with what they mean."""


def marks(trace: Trace) -> set[str]:
    """Return what a record has: its parts, kinds of stages and layers, and facts of its training and evaluation."""
    evaluation, training = trace.evaluation, trace.training
    accuracy = None if evaluation is None else evaluation.accuracy
    kinds = [(stage, kind) for stage in trace.stages for kind in stage.kind.split("+")]
    classes = evaluation is not None and bool(evaluation.labels)
    validated = training is not None and training.validation_samples > 0
    parts = ("layers", "training", "evaluation", "compression", "device", "scaling")
    odd = evaluation is not None and not isinstance(evaluation.anomalies, UnsetType)
    facts = {
        "always": True,
        "classes": classes,
        "validated": validated,
        "temperature": classes and validated and not odd,
        "patience": validated and bool(config_table(trace, "training").get("patience")),
        "regression": evaluation is not None and "rmse" in evaluation.regression,
        "objects": evaluation is not None and "f1" in evaluation.regression,
        "anomalies": odd,
        "grouped": evaluation is not None and evaluation.split_by == "group",
        "calibrated": evaluation is not None and evaluation.calibration_error is not None,
        "interval": accuracy is not None,
        "t interval": accuracy is not None and "t interval" in accuracy.method,
        "entropy": training is not None and "entropy" in training.loss_name,
        "data hash": bool(trace.provenance.data_hash),
        "min-max": any(stage.settings.get(f"{kind}.method") == "minmax" for stage, kind in kinds),
        "windows": any(len(stage.shape_out) == 3 for stage in trace.stages),
        "convolution": any(layer.kind in ("conv1d", "depthwise_separable") for layer in trace.layers),
    }
    names = {name for name in parts if getattr(trace, name)} | {name for name, there in facts.items() if there}
    names |= {f"stage {kind}" for _, kind in kinds}
    names |= {name for layer in trace.layers for name in (f"layer {layer.kind}", f"activation {layer.activation}")}
    return names | {f"form {form.name}" for form in (trace.compression.variants if trace.compression else ())}


def mode_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return terms that occur in the record, in alphabetical order, with their definitions."""
    known = marks(trace)
    terms_here = [term for mark, terms in TERMS.items() if mark in known for term in terms.items()]
    return (Facts(rows=tuple(sorted(terms_here, key=lambda term: term[0].casefold()))),)


MODE = Mode(rank=90, title="Glossary", purpose="The words this run uses.", blocks=mode_blocks)
