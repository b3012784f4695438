"""Stages, model and training for each kind of decision, as the tables of a pipeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from edgewright.schema.data import DataSet
from edgewright.schema.errors import InputError
from edgewright.workflows.own_data.framing import Framing
from edgewright.workflows.own_data.motion import gravity_axes, motion_stages

Table = dict[str, Any]
_NETWORK = {"epochs": 40, "batch": 32, "optimiser": "adamw", "learning_rate": 0.003, "schedule": "one_cycle",
            "weight_decay": 0.01}  # fmt: skip
SELECT: Table = {"kind": "select", "score": "anova"}
"""The stage that keeps some of the features, without their number `k`."""


@dataclass(frozen=True)
class Recipe:
    """One way to a model.

    Attributes:
        name: as shown in a comparison.
        why: what it is good for, a sentence.
        tables: `stages`, `model` and, of a network, `training`.
    """

    name: str
    why: str
    tables: Table


def recipes(dataset: DataSet, framing: Framing) -> tuple[Recipe, ...]:
    """Return ways to a model for these data, the simplest first; several are compared on validation samples."""
    if framing.kind == "row":
        return _rows(framing.task)
    if framing.kind == "sound":
        return (_sound(float(dataset.rate or 0.0)),)
    if framing.kind == "picture":
        return (_picture(),)
    return (_recording(),) if framing.kind == "recording" else (_motion(dataset, framing),)


def feature_stages(recipe: Recipe) -> list[Table]:
    """Return the stages that make the features of a recipe; empty where its model takes signals, not features."""
    kinds = {layer.get("kind") for layer in recipe.tables["model"].get("layers", ())}
    return [] if kinds & {"conv1d", "conv2d"} else [one for one in recipe.tables["stages"] if one["kind"] != "scale"]


def selected(recipe: Recipe, count: int) -> Recipe:
    """Return a recipe whose model takes so many features, those that differ most with the target.

    Raises:
        InputError: its model takes signals, not features.
    """
    made, stages = feature_stages(recipe), recipe.tables["stages"]
    if not made:
        raise InputError("rows or windows that features are made of", f"data for {recipe.name}", "features",
                         "Leave it out: the model takes whole signals")  # fmt: skip
    chosen = [*made, {**SELECT, "k": count}, *stages[len(made) :]]
    return replace(recipe, tables={**recipe.tables, "stages": chosen})


def _rows(task: str) -> tuple[Recipe, ...]:
    fill = {"kind": "impute"}
    network: Table = {
        "stages": [fill, {"kind": "scale", "method": "standard", "clip": 5.0}],
        "model": {"layers": [_dense(32), _dense(32)]},
        "training": _NETWORK,
    }
    trees = Recipe("boosted trees", "trees need no scaling and take sudden limits well",
                   {"stages": [fill], "model": {"kind": "boosting", "rounds": 30}})  # fmt: skip
    net = Recipe("a small network", "a network takes smooth dependencies well", network)
    cut = Recipe("one column with thresholds", "nothing simpler looks at the data, and nothing else was better",
                 {"stages": [fill], "model": {"kind": "threshold"}})  # fmt: skip
    if task == "regression":
        return cut, trees, net
    rules = Recipe("a list of rules", "rules can be read, and take products and ratios of columns into account",
                   {"stages": [fill], "model": {"kind": "rules"}})  # fmt: skip
    return cut, rules, trees, net


def _dense(units: int) -> Table:
    return {"kind": "dense", "units": units}


def _convolution(kernel: int, filters: int) -> Table:
    return {"kind": "conv1d", "kernel": kernel, "filters": filters, "stride": 2}


def _separable(filters: int) -> Table:
    return {"kind": "depthwise_separable", "kernel": 5, "filters": filters, "stride": 2}


def _recording() -> Recipe:
    layers = [_convolution(7, 16), _convolution(5, 32), _convolution(5, 32),
              {"kind": "flatten"}, {"kind": "dropout", "rate": 0.2}]  # fmt: skip
    return Recipe("convolutions", "convolutions see the shape of the whole recording", {
        "stages": [{"kind": "fill"}, {"kind": "scale", "method": "standard"}],
        "model": {"layers": layers}, "training": _NETWORK,
    })  # fmt: skip


def _picture() -> Recipe:
    # Whole convolutions: on a desk they train in a fifth of the time of inverted residuals of the same accuracy.
    sizes = ((16, 5, 2), (24, 3, 2), (32, 3, 1), (48, 3, 2), (64, 3, 1), (96, 3, 2))
    layers: list[Table] = [{"kind": "conv2d", "filters": f, "kernel": k, "stride": s} for f, k, s in sizes]
    layers += [{"kind": "global_average_pool"}, {"kind": "dropout", "rate": 0.2}]
    changes = [{"kind": "crop"}, {"kind": "flip"}, {"kind": "colour"}]
    training = {**_NETWORK, "weight_decay": 0.02, "label_smoothing": 0.1, "mixup": 0.2, "augment": changes}
    return Recipe("convolutions over pixels", "convolutions find the same thing wherever in the picture it is",
                  {"stages": [], "model": {"layers": layers}, "training": training})  # fmt: skip


def _sound(rate: float) -> Recipe:
    # Copies that are slower, faster, softer and louder stand for voices and microphones that nobody recorded.
    # Frames of 32 ms, the power of two of samples that lies next.
    fft = 2 ** max(6, round(0.032 * rate).bit_length() - 1)
    # The largest over the window: the same sound counts wherever in the window it lies, and however long it lasts.
    layers = [{**_convolution(5, 32), "stride": 1}, _separable(48), _separable(64),
              {"kind": "global_max_pool"}, {"kind": "dropout", "rate": 0.3}]  # fmt: skip
    mel = {"kind": "log_mel", "mels": 16, "frame": fft / rate, "hop": fft / rate / 2, "fft": fft}
    return Recipe("log-mel and convolutions", "16 bands of loudness over time are what speech and machines differ in", {
        "stages": [mel, {"kind": "scale", "method": "standard"}],
        "model": {"layers": layers},
        "training": {**_NETWORK, "epochs": 30, "label_smoothing": 0.1,
                     "augment": [{"kind": "stretch", "spread": 0.2}, {"kind": "noise", "level": 0.2},
                                 {"kind": "gain", "spread": 0.8, "together": True, "copies": 2}]},
    })  # fmt: skip


def _motion(dataset: DataSet, framing: Framing) -> Recipe:
    samples = framing.window.samples if framing.window else 0
    layers = [_dense(32), {"kind": "dropout", "rate": 0.2}]
    training = {**_NETWORK, "epochs": 9, "batch": 128, "learning_rate": 0.004, "weight_decay": 0.03,
                "dropout": 0.1}  # fmt: skip
    if framing.task == "classification":
        training["label_smoothing"] = 0.05
    if triple := gravity_axes(dataset, samples):
        training["augment"] = [{"kind": "remount", "copies": 4, "groups": [list(triple)]}]
    stages = [{"kind": "fill"}, *motion_stages(dataset, samples), {"kind": "scale", "method": "standard", "clip": 5.0}]
    return Recipe(
        "features and a small network", "how strong, how often and which way up are what motions differ in",
        {"stages": stages, "model": {"layers": layers}, "training": training},
    )  # fmt: skip
