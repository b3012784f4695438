"""What a device can do, and what a small language model needs of it."""

from __future__ import annotations

from typing import Annotated

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
