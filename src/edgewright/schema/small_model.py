"""A small language model as its makers published it, and what it needs on a device."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edgewright.schema.profile import Figure

Count = Annotated[int, msgspec.Meta(ge=1, le=10**12)]


class Score(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A published figure: of what, in percent, and where it stands. Figures of other tasks cannot be compared."""

    task: str
    value: Annotated[float, msgspec.Meta(ge=0.0, le=100.0)]
    source: str


class SmallModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One language model.

    Attributes:
        name: as in the file name.
        title: as its makers call it.
        licence: of the weights.
        parameters: all of them, embeddings included, shared ones once.
        layers, hidden: blocks and width.
        heads, kv_heads, head: query heads, key-value heads, and the width of one.
        context: tokens at most.
        source: of the figures above, and what was not looked up again.
        score: published.
    """

    name: str
    title: str
    licence: str
    parameters: Count
    layers: Count
    hidden: Count
    heads: Count
    kv_heads: Count
    head: Count
    context: Count
    source: str
    score: Score


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What a model needs in one form.

    Attributes:
        bits: of a weight.
        weights, cache: bytes.
        devices: profiles whose RAM holds both.
        tokens: a second at most, by profile that says its bandwidth and holds the model.
    """

    bits: int
    weights: int
    cache: int
    devices: tuple[str, ...]
    tokens: dict[str, float]


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """A model with its needs at a context of so many tokens; `bandwidths` are the figures the tokens rest on."""

    model: SmallModel
    context: int
    needs: tuple[Need, ...]
    bandwidths: dict[str, Figure] = {}
