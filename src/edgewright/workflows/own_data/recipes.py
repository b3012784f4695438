"""Stages, model and training of a pipeline that won the race, as the tables of a TOML file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from edgewright.race.pipeline_end import Entrant
from edgewright.schema.config import ModelConfig, TrainingConfig
from edgewright.schema.errors import InputError

Table = dict[str, Any]
SELECT: Table = {"kind": "select", "score": "anova"}
"""The stage that keeps some of the features, without their number `k`."""
# Layers of a network that takes features; all others take signals.
_OF_FEATURES = {"dense", "dropout"}


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


def recipe_of(entrant: Entrant) -> Recipe:
    """Return the tables of a pipeline of the race, without keys that have their defaults."""
    config = entrant.config
    tables: Table = {"stages": [dict(stage) for stage in config.stages], "model": changed(config.model, ModelConfig())}
    if config.training != TrainingConfig():
        tables["training"] = changed(config.training, TrainingConfig())
    return Recipe(entrant.name, entrant.candidate.why, tables)


def changed(config: msgspec.Struct, usual: msgspec.Struct) -> Table:
    """Return the keys of a table that differ from their defaults; the layers of a network always."""
    values = {key: getattr(config, key) for key in config.__struct_fields__}
    always = ("layers",) if values.get("kind") == "network" else ()
    kept = {key: value for key, value in values.items() if value != getattr(usual, key) or key in always}
    made: Table = msgspec.to_builtins(kept)
    return made


def feature_stages(recipe: Recipe) -> list[Table]:
    """Return the stages that make the features of a recipe; empty where its model takes signals, not features."""
    kinds = {layer.get("kind") for layer in recipe.tables["model"].get("layers", ())}
    return [] if kinds - _OF_FEATURES else [one for one in recipe.tables["stages"] if one["kind"] != "scale"]


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
