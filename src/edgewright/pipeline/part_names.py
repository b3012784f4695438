"""What a configuration names, looked for before the data is read: a slip of the pen costs no training."""

from __future__ import annotations

from edgewright.data.load import find_kind
from edgewright.models.architecture import read_layer
from edgewright.pipeline.parts import model_config, model_of
from edgewright.profiles.catalogue import load_profile
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import located
from edgewright.training.augment import prepare
from edgewright.training.program import optimiser_named


def check_names(config: PipelineConfig) -> None:
    """Looks up the kind of data, the model, its layers, the optimiser, the augmentations and the device.

    Raises:
        UnknownNameError: for a name that nothing answers to, with the known ones.
        InputError: for a key or value of a layer or an augmentation that is not right.
    """
    kind = config.data.get("kind")
    if isinstance(kind, str) and kind:
        find_kind(kind, f"{config.name} [data]")
    model_of(config)
    compared = config.scaling.architectures.values() if config.scaling is not None else ()
    with located(f"{config.name}.toml"):
        for layers in (model_config(config).layers, *compared):
            for number, table in enumerate(layers, start=1):
                read_layer(dict(table), number)
    optimiser_named(config.training.optimiser)
    prepare(tuple(dict(table) for table in config.training.augment))
    load_profile(config.device.profile)
