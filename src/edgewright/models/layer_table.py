"""A table of `model.layers`, read by the layer that its `kind` names."""

from __future__ import annotations

from typing import Any

from edgewright.core.catalogue import find
from edgewright.core.toml_tables import convert_table
from edgewright.graph.layer import Layer, LayerConfig
from edgewright.schema.errors import InputError

PACKAGE = "edgewright.models.nn"


def read_layer(table: dict[str, Any], number: int, within: str = "model.layers") -> tuple[str, LayerConfig, Layer[Any]]:
    """Kind, configuration and definition of the layer a table describes; `number`, from 1, is for messages.

    Raises:
        InputError: no kind, an unknown kind or key, or a wrong value.
    """
    where = f"{within} {number}"
    rest = dict(table)
    if "kind" not in rest:
        raise InputError("a key 'kind'", ", ".join(rest) or "an empty table", where)
    kind = str(rest.pop("kind"))
    layer: Layer[Any] = find(PACKAGE, kind, "LAYER", "layer", where)
    config: LayerConfig = convert_table(rest, layer.config, f"{where} ({kind})")
    return kind, config, layer
