"""Variants of the candidates for `run --search`: other widths, depths, learning rates and sizes of models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import msgspec
import numpy as np

from edgewright.core.records.config import ModelConfig, PipelineConfig
from edgewright.models.architecture import width_of, with_width
from edgewright.race.pipeline_end import VARIANT_SEPARATOR, Entrant

# Values of the size settings by kind of model; the defaults take part as the candidates themselves.
_SIZES: dict[str, dict[str, tuple[int, ...]]] = {
    "forest": {"trees": (10, 25, 50, 100), "size_bytes": (4_000, 16_000, 64_000, 256_000)},
    "extra_trees": {"trees": (10, 25, 50, 100), "size_bytes": (4_000, 16_000, 64_000, 256_000)},
    "boosting": {"rounds": (10, 30, 60, 120), "leaves": (4, 8, 16, 32)},
    "kernel_machine": {"size_bytes": (4_000, 16_000, 64_000, 256_000)},
}
_WIDTH_FACTORS = (0.25, 0.5, 1.0, 2.0)
_LAYERS_REMOVED = (0, 1)
_RATE_FACTORS = (0.5, 1.0, 2.0)
# Every variant is measured after the candidates, so a search with little time still compares all candidates.
_RANK_OFFSET = 1_000


def add_variants(entrants: Sequence[Entrant], count: int, seed: int) -> tuple[Entrant, ...]:
    """Return the entrants, followed by a random sample of their variants.

    Args:
        entrants: candidates with their pipelines.
        count: maximum number of variants of each candidate.
        seed: random seed of the sample.
    """
    rng = np.random.default_rng(seed)
    added: list[Entrant] = []
    for entrant in entrants:
        variants = list(_variants(entrant))
        chosen = np.sort(rng.permutation(len(variants))[:count])
        added += [variants[index] for index in chosen]
    return (*entrants, *added)


def _variants(entrant: Entrant) -> Iterator[Entrant]:
    """Yield all variants of an entrant, without the entrant itself."""
    config = entrant.config
    seen = {msgspec.json.encode((config.model, config.training))}
    pipelines = _networks(config) if config.model.kind == "network" else _sizes(config)
    number = 0
    for pipeline, title in pipelines:
        key = msgspec.json.encode((pipeline.model, pipeline.training))
        if key in seen:
            continue
        seen.add(key)
        number += 1
        own = entrant.candidate
        candidate = replace(own, rank=own.rank + _RANK_OFFSET, title=f"{own.title}, {title}")
        yield Entrant(f"{entrant.name}{VARIANT_SEPARATOR}{number}", candidate, pipeline)


def _sizes(config: PipelineConfig) -> Iterator[tuple[PipelineConfig, str]]:
    settings = _SIZES.get(config.model.kind, {})
    for values in product(*settings.values()):
        changes = dict(zip(settings, values, strict=True))
        title = ", ".join(f"{name.removesuffix('_bytes')} {value:,}" for name, value in changes.items())
        yield msgspec.structs.replace(config, model=msgspec.structs.replace(config.model, **changes)), title


def _networks(config: PipelineConfig) -> Iterator[tuple[PipelineConfig, str]]:
    for removed, width, rate in product(_LAYERS_REMOVED, _WIDTH_FACTORS, _RATE_FACTORS):
        layers = _layers(config.model, width, removed)
        if layers is None:
            continue
        own = config.training
        learning_rate = own.learning_rate * rate
        training = msgspec.structs.replace(own, learning_rate=learning_rate)
        units = "-".join(str(units) for layer in layers if (units := width_of(layer)) is not None)
        model = msgspec.structs.replace(config.model, layers=layers)
        title = f"{units} units, learning rate {learning_rate:.2g}"
        yield msgspec.structs.replace(config, model=model, training=training), title


def _layers(model: ModelConfig, width: float, removed: int) -> tuple[dict[str, Any], ...] | None:
    """Return the layers with other widths, without the last of them; None if no layer with a width would remain."""
    layers = list(model.layers)
    sized = [index for index, layer in enumerate(layers) if width_of(layer) is not None]
    if len(sized) <= removed:
        return None
    for index in reversed(sized[len(sized) - removed :]):
        # A recurrent layer before a removed one returns a sequence, which nothing would read.
        if "sequence" in layers[index - 1]:
            return None
        del layers[index]
    return tuple(
        layer if (units := width_of(layer)) is None else with_width(layer, max(4, round(units * width)))
        for layer in layers
    )
