"""Layers of a neural network, one family a file; the file name is the layer's `kind`."""

from __future__ import annotations

from typing import Any

from edgewright.core.catalogue import find
from edgewright.core.errors import ConfigKeyMissingError
from edgewright.core.toml_tables import convert_table
from edgewright.graph.stage import Layer, LayerConfig


def read_layer(table: dict[str, Any], number: int, within: str = "model.layers") -> tuple[str, LayerConfig, Layer[Any]]:
    """Kind, configuration and definition of the layer a table describes; `number`, from 1, is for messages.

    Raises:
        InputError: no kind, an unknown kind or key, or a wrong value.
    """
    where = f"{within} {number}"
    rest = dict(table)
    if "kind" not in rest:
        raise ConfigKeyMissingError("a key 'kind'", ", ".join(rest) or "an empty table", where)
    kind = str(rest.pop("kind"))
    layer: Layer[Any] = find(__name__, kind, "LAYER", "layer", where)
    config: LayerConfig = convert_table(rest, layer.config, f"{where} ({kind})")
    return kind, config, layer
