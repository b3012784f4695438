"""What a device can do."""

from __future__ import annotations

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number of a profile with its unit and the source it was taken from."""

    value: float
    unit: str
    source: str


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device.

    Attributes:
        name: as in the file name.
        description: in a sentence.
        flash: bytes for program and model; ram: bytes for data; package: largest package file, bytes.
        clock: hertz.
        macs_float, macs_int8: cycles a multiply-accumulate, float32 and int8.
        overhead: cycles an inference beside multiply-accumulates.
        instruction_set: 'armv7e-m', 'x86-64', ...
        error: relative half-width of the estimate's error bar (0.5: from half to one and a half).
        bandwidth: bytes a second that memory gives at most; None where no language model fits anyway.
    """

    name: str
    description: str
    instruction_set: str
    flash: Figure
    ram: Figure
    package: Figure
    clock: Figure
    macs_float: Figure
    macs_int8: Figure
    overhead: Figure
    error: Figure
    bandwidth: Figure | None = None
