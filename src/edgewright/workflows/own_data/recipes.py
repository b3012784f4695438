"""Stages, model and training of a pipeline that won the race, as the tables of a TOML file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from edgewright.core.records.config import ModelConfig, TrainingConfig
from edgewright.race.pipeline_end import Entrant

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
    table: Table = msgspec.to_builtins(kept)
    return table


def with_selection(entrant: Entrant, count: int) -> Entrant | None:
    """Return an entrant whose model takes so many features, those that differ most with the target.

    None where its model takes signals, not features.
    """
    config = entrant.config
    kept = [stage for stage in config.stages if stage["kind"] != "scale"]
    if not kept or {layer["kind"] for layer in config.model.layers} - _OF_FEATURES:
        return None
    stages = (*kept, {**SELECT, "k": count}, *config.stages[len(kept) :])
    return replace(entrant, config=msgspec.structs.replace(config, stages=stages))
