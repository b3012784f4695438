"""Mode 'glossary': the words that this run uses."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from msgspec import UnsetType

from edgewright.schema.lesson import Block, Facts
from edgewright.schema.trace import Trace
from edgewright.trace.modes import Mode, config_table

TERMS: dict[str, dict[str, str]] = tomllib.loads((files(__package__) / "glossary.toml").read_text("utf-8"))
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
