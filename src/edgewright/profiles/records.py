"""Properties of a device, each with its source."""

from __future__ import annotations

import msgspec

PROFILE_VERSION = 1


class Figure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number of a profile with its unit and the source it was taken from."""

    value: float
    unit: str
    source: str


class Region(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A region of memory: its name ('flash', 'DTCM', 'PSRAM'), bytes, cycles that a read waits, and the source."""

    name: str
    bytes: int
    source: str
    wait: float = 0.0


class Accelerator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hardware or a library that runs a network instead of generated code.

    Attributes:
        name: name of the accelerator.
        serves: execution provider of ONNX Runtime, delegate of LiteRT or compiler that reaches it.
        rules: name of a file of `profiles/rules` by which a model is checked.
        source: where what is said is from.
        configuration: of its compiler, where one can be run here ('ethos-u55-128'); empty for rules alone.
    """

    name: str
    serves: str
    rules: str
    source: str
    configuration: str = ""


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device.

    Attributes:
        version: version of the format; a file of one's own may leave it out. A newer one is refused by name.
        name: as in the file name.
        description: in a sentence.
        flash: bytes for program and model; ram: bytes for data.
        package: largest package file, bytes; None for a device that runs a program made of it.
        clock: hertz.
        macs_float, macs_int8: cycles a multiply-accumulate, float32 and int8, of an engine on a system.
        overhead: cycles an inference beside multiply-accumulates.
        instruction_set: 'armv7e-m', 'x86-64', ...
        error: relative half-width of the bar around cycles (0.5: from half to one and a half).
        bandwidth: bytes a second that memory gives at most; None where no language model fits anyway.
        inherits: name of the profile it was completed from, empty for none.
        core: name of the core, whose past misses make the error bars.
        estimated_as: core whose coefficients are taken; the core's own when empty.
        cycles: cycles an instruction of generated code takes on average, waiting for memory included.
        wait_states: cycles that a read of flash waits at this clock, without cache.
        cache: bytes of cache before the flash.
        regions: of memory.
        accelerators: in the order in which they are worth trying.
        active, sleep: watts while it computes, and between answers.
        price: US dollars a piece.
        cells: logic cells of an FPGA.
    """

    version: int = PROFILE_VERSION
    name: str
    description: str
    instruction_set: str
    flash: Figure
    ram: Figure
    clock: Figure
    macs_float: Figure
    macs_int8: Figure
    overhead: Figure
    error: Figure
    package: Figure | None = None
    bandwidth: Figure | None = None
    inherits: str = ""
    core: str = ""
    estimated_as: str = ""
    cycles: Figure | None = None
    wait_states: Figure | None = None
    cache: Figure | None = None
    regions: tuple[Region, ...] = ()
    accelerators: tuple[Accelerator, ...] = ()
    active: Figure | None = None
    sleep: Figure | None = None
    price: Figure | None = None
    cells: Figure | None = None
