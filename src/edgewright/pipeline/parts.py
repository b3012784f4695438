"""Building the stages of a configuration, each found by its `kind`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgewright.core.catalogue import find, listing
from edgewright.graph.stage import Context, Stage, StageConfig
from edgewright.graph.tables import convert_table
from edgewright.models.contract import Model
from edgewright.schema.config import ModelConfig, PipelineConfig
from edgewright.schema.errors import InputError, UnknownNameError

ROOMS = ("edgewright.preprocessing", "edgewright.features")


@dataclass(frozen=True)
class Part:
    """A stage as configured: its name in the pipeline, kind, card title, definition and configuration."""

    name: str
    kind: str
    title: str
    stage: Stage[Any]
    config: StageConfig
    table: dict[str, Any]


def find_stage(kind: str, where: str) -> Stage[Any]:
    """The definition of a stage.

    Raises:
        UnknownNameError: listing the stages of all rooms.
    """
    for room in ROOMS:
        if kind in listing(room, "STAGE"):
            found: Stage[Any] = find(room, kind, "STAGE", "stage", where)
            return found
    raise UnknownNameError("stage", kind, [name for room in ROOMS for name in listing(room, "STAGE")], where)


def parts(tables: Sequence[dict[str, Any]], where: str) -> tuple[Part, ...]:
    """Checks the `[[stages]]` of a configuration.

    Raises:
        InputError: a stage without a kind, an unknown kind or key, a wrong value; each with its place.
    """
    made: list[Part] = []
    for number, table in enumerate(tables):
        rest = dict(table)
        kind = rest.pop("kind", None)
        title = rest.pop("title", "")
        place = f"{where} stages[{number}]"
        if not isinstance(kind, str):
            raise InputError(
                "a `kind`", "none" if kind is None else repr(kind), place, "Name a stage, e.g. kind = 'scale'"
            )
        if not isinstance(title, str):
            raise InputError("text", repr(title), f"{place} title")
        stage = find_stage(kind, place)
        config = convert_table(rest, stage.config, f"{place} ({kind})")
        taken = sum(part.kind == kind for part in made)
        name = kind if not taken else f"{kind}-{taken + 1}"
        made.append(
            Part(name, kind, title or stage.title or kind.replace("_", " ").capitalize(), stage, config, dict(table))
        )
    return tuple(made)


def build(part: Part, context: Context) -> Any:  # noqa: ANN401 - any scikit-learn estimator
    """The unfitted estimator of a part for what arrives at it."""
    return part.stage.build(part.config, context)


def model_config(config: PipelineConfig) -> ModelConfig:
    """The model's table, with the layers of the chosen architecture where one is chosen.

    Raises:
        UnknownNameError: the chosen architecture is not in `scaling.architectures`.
    """
    if not config.architecture:
        return config.model
    known = config.scaling.architectures if config.scaling is not None else {}
    if config.architecture not in known:
        raise UnknownNameError("architecture", config.architecture, known, f"{config.name} architecture")
    return ModelConfig(kind=config.model.kind, layers=known[config.architecture])


def model_of(config: PipelineConfig) -> Model:
    """The definition of the pipeline's model, found by its kind."""
    found: Model = find("edgewright.models", config.model.kind, "MODEL", "model", f"{config.name} [model] kind")
    return found


def _refuse_other_keys(config: PipelineConfig) -> None:
    """Keys of boosted trees; layers stay where a pipeline is tried with another kind of model."""
    for key in ("rounds", "leaves"):
        if config.model.kind != "boosting" and getattr(config.model, key) != getattr(ModelConfig(), key):
            raise InputError(
                f"the key {key} with kind = 'boosting'", f"kind = {config.model.kind!r}", f"{config.name} [model]",
                f"Leave {key} out, or take kind = 'boosting'",
            )  # fmt: skip


def build_model(config: PipelineConfig, task: str, architecture: ModelConfig | None = None) -> Any:  # noqa: ANN401
    """The unfitted model of a pipeline, with other layers where an architecture is given.

    Raises:
        InputError: for keys of another kind of model.
    """
    _refuse_other_keys(config)
    return model_of(config).build(architecture or model_config(config), config.training, task, config.seed)
