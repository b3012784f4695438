"""What `edgewright estimate` tells of a model on a device."""

from __future__ import annotations

import msgspec

from edgewright.schema.budget import Budget
from edgewright.schema.footprint import Footprint


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A stage of the model with its share: bytes of constants, bytes of its largest value, multiply-accumulates."""

    name: str
    constants: int
    values: int
    macs: int


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A model on a device.

    Attributes:
        name: of the model.
        device: name of the profile; description: of it.
        found: with compiled sizes and counted instructions where there are any.
        before: the estimate that they replaced; equal to `found` where nothing was compiled.
        limits: of the device and of the budget asked for, the smaller of both.
        over: by how much it is beyond them, a sentence each.
        helps: what would help, where something is beyond.
        parts: stages, in order.
        notes: what was left out and why.
    """

    name: str
    device: str
    description: str
    found: Footprint
    before: Footprint
    limits: Budget
    over: tuple[str, ...]
    helps: tuple[str, ...]
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()
