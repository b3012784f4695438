"""A configuration resolved once: its names become the parts themselves, before any data is read."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from edgewright.core.catalogue import find, listing, offered
from edgewright.core.errors import PipelineError, UnknownNameError, located
from edgewright.core.records.config import ModelConfig, PipelineConfig, SplitConfig, TrainingConfig, WindowConfig
from edgewright.core.toml_tables import convert_table
from edgewright.data.load import find_kind, simulated_title
from edgewright.graph.stage import Context, Stage, StageConfig
from edgewright.models.base import Model
from edgewright.models.nn import read_layer
from edgewright.pipeline.config import config_hash, with_backbone
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.records import Profile

ROOMS = ("edgewright.preprocessing", "edgewright.features")
MODELS = "edgewright.models"


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
    """Return the definition of a stage.

    Raises:
        UnknownNameError: listing the stages of all rooms.
    """
    for room in ROOMS:
        stage: Stage[Any] | None = offered(room, kind, "STAGE")
        if stage is not None:
            return stage
    raise UnknownNameError("stage", kind, [name for room in ROOMS for name in listing(room, "STAGE")], where)


def parts(tables: Sequence[dict[str, Any]], where: str) -> tuple[Part, ...]:
    """Check the `[[stages]]` of a configuration.

    Raises:
        InputError: a stage without a kind, an unknown kind or key, a wrong value; each with its place.
    """
    stages: list[Part] = []
    for number, table in enumerate(tables):
        rest = dict(table)
        kind = rest.pop("kind", None)
        title = rest.pop("title", "")
        location = f"{where} stages[{number}]"
        if not isinstance(kind, str):
            raise PipelineError(
                "a `kind`",
                "none" if kind is None else repr(kind),
                location,
                "Set the stage kind, such as kind = 'scale'",
            )
        if not isinstance(title, str):
            raise PipelineError("text", repr(title), f"{location} title")
        stage = find_stage(kind, location)
        config = convert_table(rest, stage.config, f"{location} ({kind})")
        same_kind = sum(part.kind == kind for part in stages)
        name = kind if not same_kind else f"{kind}-{same_kind + 1}"
        stages.append(
            Part(name, kind, title or stage.title or kind.replace("_", " ").capitalize(), stage, config, dict(table))
        )
    return tuple(stages)


def build(part: Part, context: Context) -> Any:  # noqa: ANN401 - any scikit-learn estimator
    """Return the unfitted estimator of a part for what arrives at it."""
    return part.stage.build(part.config, context)


def model_of(config: PipelineConfig) -> Model:
    """Return the definition of the pipeline's model, found by its kind."""
    return _model(config.model.kind, f"{config.name} [model] kind")


def _model(kind: str, where: str = "") -> Model:
    model: Model = find(MODELS, kind, "MODEL", "model", where)
    return model


def build_model(config: PipelineConfig, task: str) -> Any:  # noqa: ANN401 - any model of the room
    """Return the unfitted model of a pipeline.

    Raises:
        InputError: for keys of another kind of model.
    """
    return model_of(config).build(_model_table(config), config.training, task, config.seed)


def _model_table(config: PipelineConfig) -> ModelConfig:
    """Return the model's table, with the layers of the chosen architecture where one is chosen.

    Raises:
        UnknownNameError: the chosen architecture is not in `scaling.architectures`.
        InputError: keys of boosted trees; layers stay where a pipeline is tried with another kind of model.
    """
    for key in set(ModelConfig.__struct_fields__) - {"kind", "layers", *model_of(config).settings}:
        if getattr(config.model, key) != getattr(ModelConfig(), key):
            takers = " or ".join(repr(kind) for kind in listing(MODELS, "MODEL") if key in _model(kind).settings)
            raise PipelineError(
                f"the key {key} with kind = {takers}", f"kind = {config.model.kind!r}", f"{config.name} [model]",
                f"Remove {key}, or set kind = {takers}",
            )  # fmt: skip
    if not config.architecture:
        return with_backbone(config.model, config.model.layers != ModelConfig().layers)
    known = config.scaling.architectures if config.scaling is not None else {}
    if config.architecture not in known:
        raise UnknownNameError("architecture", config.architecture, known, f"{config.name} architecture")
    return ModelConfig(kind=config.model.kind, layers=known[config.architecture])


@dataclass(frozen=True)
class DataPlan:
    """What a configuration says of its samples: how they are read, cut, split and copied.

    Attributes:
        name: of the pipeline.
        table: of `[data]`.
        task, seed: as they were written.
        window, split: the tables of these names; `window` is None for rows.
        augment, synthetic: of `[training]`: tables of augmentations, and a folder of synthetic recordings.
        model: kind of the model that learns from the samples.
        whole: what needs all samples in memory; empty where nothing does.
        card: name of the card of the raw samples.
    """

    name: str
    table: dict[str, Any]
    task: str
    seed: int
    window: WindowConfig | None
    split: SplitConfig
    augment: tuple[dict[str, Any], ...]
    synthetic: str
    model: str
    whole: str
    card: str


def data_plan(config: PipelineConfig) -> DataPlan:
    """Return what a configuration says of its samples."""
    training = {"training.augment": config.training.augment, "training.synthetic": config.training.synthetic}
    given = {"[window]": config.window, **training, "[scaling]": config.scaling}
    network = {"a model that is no network": config.model.kind != "network"}
    return DataPlan(
        name=config.name,
        table=config.data,
        task=config.task,
        seed=config.seed,
        window=config.window,
        split=config.split,
        augment=config.training.augment,
        synthetic=config.training.synthetic,
        model=config.model.kind,
        whole=next((name for name, value in {**given, **network}.items() if value), ""),
        card=config.cards.data,
    )


@dataclass(frozen=True)
class Plan:
    """A checked configuration with the parts that it names.

    Attributes:
        config: as it was written.
        data: what it says of the samples.
        title: of the run; it begins with "Simulated data" where no sensor measured the rows.
        stages: in order.
        model: definition of the model, and `table` its settings with the layers of the chosen architecture.
        profile: of the device.
    """

    config: PipelineConfig
    data: DataPlan
    title: str
    stages: tuple[Part, ...]
    model: Model
    table: ModelConfig
    profile: Profile

    @cached_property
    def sha256(self) -> str:
        """Hash of the configuration, see `config_hash`."""
        return config_hash(self.config)

    def build_model(self, task: str, training: TrainingConfig | None = None, table: ModelConfig | None = None) -> Any:  # noqa: ANN401
        """Return the unfitted model, with another training or other layers where they are given."""
        return self.model.build(table or self.table, training or self.config.training, task, self.config.seed)


def _training(module: str) -> Any:  # noqa: ANN401 - a module
    """Return a module of the training room when it is needed: JAX takes a second, and lists of pages need none."""
    return importlib.import_module(f"edgewright.training.{module}")


def _check_augmentations(config: PipelineConfig) -> None:
    tables = tuple(dict(table) for table in config.training.augment)
    stages = [table.get("kind") for table in config.stages]
    for table, (augmentation, _) in zip(tables, _training("contract").prepare(tables), strict=True):
        for kind in augmentation.unlike:
            if kind in stages:
                raise PipelineError(
                    f"stages whose values {table['kind']!r} can change",
                    f"{kind!r}",
                    f"{config.name}.toml training.augment",
                    "Leave one of them out, or take another stage",
                )


def resolve(config: PipelineConfig, profile: Profile | None = None) -> Plan:
    """Find every part that a configuration names: data, stages, model, layers, optimiser, augmentations, device.

    Args:
        config: configuration.
        profile: of its device; read by its name when None.

    Raises:
        UnknownNameError: for a name that nothing answers to, with the known ones.
        InputError: for a key or value of a part that is wrong.
    """
    kind = config.data.get("kind")
    if isinstance(kind, str) and kind:
        find_kind(kind, f"{config.name} [data]")
    stages, model, table = parts(config.stages, f"{config.name}.toml"), model_of(config), _model_table(config)
    compared = config.scaling.architectures.values() if config.scaling is not None else ()
    with located(f"{config.name}.toml"):
        for layers in (table.layers, *compared):
            for number, layer in enumerate(layers, start=1):
                read_layer(dict(layer), number)
    _training("program").optimiser_named(config.training.optimiser)
    _check_augmentations(config)
    title = simulated_title(config.title, config.data)
    return Plan(config, data_plan(config), title, stages, model, table, profile or load_profile(config.device.profile))
