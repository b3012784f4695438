"""The files of a network in Verilog: the machine, its memories, a test bench, and a project for the iCE40 UP5K."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from edgewright.core.integer.network import run_integer
from edgewright.core.records.network import IntegerNetwork
from edgewright.export.verilog import program_of
from edgewright.export.verilog._layout import (
    BLOCKS,
    CELLS,
    HUGES,
    MULTIPLIERS,
    Layout,
    blocks,
    cells,
    huges,
    template,
)

# Fields that can be below zero, with their bits.
_SIGNED = {"zero": 9, "target": 9, "low": 9, "high": 9}
_FLAGS = frozenset({"per_channel", "weighted", "lookup", "joined", "maximum", "keeps"})


def machine(layout: Layout, name: str) -> str:
    """Return the module of a network.

    Args:
        layout: of its program.
        name: of the module; its memories are read from NAME_weights.hex and NAME_factors.hex.
    """
    program = layout.program
    levels = layout.taps + 1 + layout.places
    bits = {
        "A": _width(program.activations - 1),
        "W": _width(len(program.weights) - 1),
        "F": _width(len(program.factors) - 1),
        "S": _width(len(program.steps) - 1),
    }
    fields = [layout.fields(index) for index in range(len(program.steps))]
    return template(
        "machine.v",
        {
            "NAME": name,
            "DECLARED": _declared(fields, bits),
            "COUNTERS": _counters(fields, levels),
            "COUNTERS_RESET": "\n".join(f"            at{level} <= 0;" for level in range(levels)),
            "ADVANCE": _advance(layout, levels),
            "TAPS_END": " && ".join(f"at{level} == end{level}" for level in range(layout.taps)),
            "TAPS_START": " && ".join(f"at{level} == 0" for level in range(layout.taps)),
            "ALL_END": " && ".join(f"at{level} == end{level}" for level in range(levels)),
            "AW": bits["A"],
            "WW": bits["W"],
            "FW": bits["F"],
            "SW": bits["S"],
            "ACTIVATIONS": program.activations,
            "WEIGHTS": max(1, len(program.weights)),
            "FACTORS": len(program.factors),
            "ROW": layout.row_bits,
            "MULTIPLIER": layout.chunks * 16,
            **_row(layout.row_fields),
            "PRODUCT_LAST": layout.product_steps - 1,
            "PRODUCT_BITS": _width(layout.product_steps - 1),
            "INPUT_FIRST": program.addresses[program.network.input],
            "INPUT_LAST": program.addresses[program.network.input] + program.inputs - 1,
            "OUTPUT_FIRST": program.addresses[program.network.output],
            "OUTPUT_LAST": program.addresses[program.network.output] + program.outputs - 1,
            "STEP_LAST": len(program.steps) - 1,
            "STYLE": "huge" if layout.huge else "block",
            "WEIGHT_MEMORY": _weight_memory(layout, name, bits["W"]),
            "LOADING": _LOADING.replace("@W@", str(bits["W"])) if layout.loaded else "",
            "FIRST_STATE": "LOAD" if layout.loaded else "TAKE",
            "LOAD_READY": " || state == LOAD" if layout.loaded else "",
            "WEIGHT_LAST": len(program.weights) - 1,
        },
    )


def _row(bits: tuple[int, int, int, int]) -> dict[str, str]:
    """Return where the parts of a row of factors lie."""
    positions, at = {"BIAS": str(bits[0])}, sum(bits)
    for name, width in zip(("BIAS_AT", "MULTIPLIER_AT", "FIRST_AT", "SECOND_AT"), bits, strict=True):
        positions[name], at = f"{at - 1}:{at - width}", at - width
    return positions


def _width(largest: int) -> int:
    return max(1, int(largest).bit_length())


def _declared(fields: list[dict[str, int]], bits: dict[str, int]) -> str:
    """Return what a step knows: constants where all steps agree, a table of steps where they do not."""
    constant, varying = [], []
    for name in fields[0]:
        values = [step_fields[name] for step_fields in fields]
        width, signed = _field(name, values, bits)
        kind = " signed" if signed else ""
        span = f" [{width - 1}:0]" if width > 1 else ""
        if len(set(values)) == 1:
            constant.append(f"    wire{kind}{span} {name} = {_number(values[0], width, signed)};")
        else:
            varying.append((name, f"    reg{kind}{span} {name};", width, signed))
    lines = [*constant, *(line for _, line, _, _ in varying)]
    if varying:
        lines += ["    always @* begin", "        case (step)"]
        for index, step_fields in enumerate(fields):
            label = "default" if index == len(fields) - 1 else f"{bits['S']}'d{index}"
            lines.append(f"            {label}: begin")
            lines += [
                f"                {name} = {_number(step_fields[name], width, s)};" for name, _, width, s in varying
            ]
            lines.append("            end")
        lines += ["        endcase", "    end"]
    return "\n".join(lines)


def _field(name: str, values: list[int], bits: dict[str, int]) -> tuple[int, bool]:
    """Return the bits of a field, and whether it has a sign."""
    if name in _SIGNED:
        return _SIGNED[name], True
    if name in _FLAGS:
        return 1, False
    if name.startswith("end"):
        return _width(max(values)), False
    return {"weights_first": bits["W"], "factors_first": bits["F"]}.get(name, bits["A"]), False


def _number(value: int, width: int, signed: bool) -> str:
    if signed:
        return f"-{width}'sd{-value}" if value < 0 else f"{width}'sd{value}"
    return f"{width}'d{value % (1 << width)}"


def _counters(fields: list[dict[str, int]], levels: int) -> str:
    lines = []
    for level in range(levels):
        width = _width(max(step_fields[f"end{level}"] for step_fields in fields))
        lines.append(f"    reg [{width - 1}:0] at{level};")
    return "\n".join(lines)


def _advance(layout: Layout, levels: int) -> str:
    """Return how counters and addresses go on: the first level that is not at its end moves, those inside it begin."""
    lines = []
    for level in range(levels):
        test = "else " if level else ""
        lines.append(f"                {test}if (at{level} != end{level}) begin")
        lines += [f"                    at{inner} <= 0;" for inner in range(level)]
        lines += [
            f"                    at{level} <= at{level} + 1'b1;",
            f"                    read_at <= read_at + read{level};",
        ]
        if level >= layout.taps:
            lines.append(f"                    write_at <= write_at + write{level};")
        if level <= layout.taps:
            lines.append("                    if (!lookup) weight_at <= weight_at + 1'b1;")
        if level == layout.taps:
            lines.append("                    if (per_channel) factor_at <= factor_at + 1'b1;")
        if level > layout.taps:
            lines += [
                "                    weight_at <= weights_first;",
                "                    factor_at <= factors_first;",
            ]
        lines.append("                end")
    lines.append("                else begin")
    lines += [f"                    at{level} <= 0;" for level in range(levels)]
    lines += ["                    state <= DRAIN;", "                end"]
    return "\n".join(lines)


def _weight_memory(layout: Layout, name: str, width: int) -> str:
    if layout.loaded:
        return _LOADED_MEMORY.replace("@W@", str(width)).replace("@LAST@", str(len(layout.program.weights) - 1))
    return _ROM.replace("@NAME@", name).replace("@LAST@", str(max(1, len(layout.program.weights)) - 1))


_ROM = """\
    (* ram_style = "block", rom_style = "block" *)
    reg [7:0] weights [0:@LAST@];
    initial $readmemh("@NAME@_weights.hex", weights);
    always @(posedge clk) weight <= weights[weight_from];"""
_LOADED_MEMORY = """\
    (* ram_style = "huge" *)
    reg [7:0] weights [0:@LAST@];
    wire load = state == LOAD && in_valid;
    wire [@W@-1:0] weight_place = state == LOAD ? weight_at : weight_from;
    always @(posedge clk)
        if (load) weights[weight_place] <= in_data;
        else weight <= weights[weight_place];"""
_LOADING = """\
            LOAD: if (in_valid) begin
                weight_at <= weight_at + 1'b1;
                if (weight_at == @W@'d@WEIGHT_LAST@) state <= TAKE;
            end
"""

CLOCK_HZ = 12_000_000


# Pins of the package SG48 that the three connectors of an iCEbreaker lead out, eight each.
_CONNECTORS = (
    ("in_data", (4, 2, 47, 45, 3, 48, 46, 44)),
    ("out_data", (43, 38, 34, 31, 42, 36, 32, 28)),
)
_SINGLE = {"clk": 35, "reset_n": 10, "in_valid": 27, "in_ready": 25, "out_valid": 21, "out_ready": 19}


def constraints() -> str:
    """Return the pins."""
    lines = [
        "# Written by Edgewright. SPDX-License-Identifier: 0BSD",
        "# iCEbreaker; on another board, change the numbers.",
    ]
    lines += [f"set_io {name} {pin}" for name, pin in _SINGLE.items()]
    lines += [f"set_io {name}[{bit}] {pin}" for name, pins in _CONNECTORS for bit, pin in enumerate(pins)]
    return "\n".join([*lines, ""])


def readme(layout: Layout, name: str, count: int, facts: Mapping[str, str]) -> str:
    """Return what a user of the files must know."""
    program, network = layout.program, layout.program.network
    first, last = network.values[network.input], network.values[network.output]
    cycles = layout.cycles()
    loaded = (
        f"\nThe {len(program.weights):,} bytes of weights are more than the block RAM holds, and SPRAM has no\n"
        f"contents after configuration: after each reset, first send the bytes of `{name}_weights.hex` through the\n"
        "same stream.\n"
        if layout.loaded
        else ""
    )
    return template("README.md.in", {
        "LOADED": loaded, "NAME": name,
        "STEPS": len(program.steps), "COUNT": count, "INPUTS": f"{program.inputs:,}", "OUTPUTS": f"{program.outputs:,}",
        "SHAPE": " x ".join(map(str, first.shape)), "FIRST_SCALE": f"{first.scale:.9g}", "FIRST_ZERO": first.zero,
        "LAST_SCALE": f"{last.scale:.9g}", "LAST_ZERO": last.zero, "CELLS": f"{cells(layout):,}",
        "ALL_CELLS": f"{CELLS:,}", "BLOCKS": blocks(layout), "ALL_BLOCKS": BLOCKS, "HUGES": huges(layout),
        "ALL_HUGES": HUGES, "ALL_MULTIPLIERS": MULTIPLIERS, "CYCLES": f"{cycles:,}",
        "MILLISECONDS": f"{cycles / CLOCK_HZ * 1e3:.3g}", "MEGAHERTZ": f"{CLOCK_HZ / 1e6:g}",
        "WEIGHTS": f"{len(program.weights):,}", "FACTORS": f"{len(program.factors):,}", "ROW_BITS": layout.row_bits,
        "ACTIVATIONS": f"{program.activations:,}",
        "ABOUT": "".join(f"- {key}: {text}\n" for key, text in facts.items()),
    })  # fmt: skip


def bench(layout: Layout, name: str, count: int) -> str:
    """Return the bench of a module: `count` samples of NAME_vectors_in.hex against NAME_vectors_out.hex."""
    program, weights = layout.program, len(layout.program.weights)
    limit = 4 * (layout.cycles() + program.inputs + program.outputs) + 2 * weights + 1000
    return template("bench.v", {
        "LOAD_MEMORY": f"    reg [7:0] weights [0:{weights - 1}];\n" if layout.loaded else "",
        "LOAD": _LOAD if layout.loaded else "", "NAME": name, "COUNT": count, "INPUTS": program.inputs,
        "OUTPUTS": program.outputs, "LIMIT": limit, "WEIGHTS": weights,
    })  # fmt: skip


_LOAD = """\
        $readmemh("@NAME@_weights.hex", weights);
        for (i = 0; i < @WEIGHTS@; i = i + 1) send(weights[i]);
"""


# Samples of the test bench where no package has any.
_SAMPLES = 16


def layout_of(network: IntegerNetwork) -> Layout:
    """Return a network on the machine; weights that block RAM cannot hold come through the stream.

    Raises:
        UnknownNameError, InputError: as of `program_of`.
    """
    layout = Layout(program_of(network))
    return layout if blocks(layout) <= BLOCKS else Layout(layout.program, loaded=True)


def design(layout: Layout, name: str) -> dict[str, str]:
    """Return what a simulator needs: the machine, its memories, and a bench without vectors."""
    weights = layout.program.weights.tobytes() or b"\0"
    return {
        f"{name}.v": machine(layout, name),
        f"{name}_bench.v": bench(layout, name, _SAMPLES),
        f"{name}_weights.hex": _lines(f"{byte:02x}" for byte in weights),
        f"{name}_factors.hex": _lines(f"{layout.row(factor):x}" for factor in layout.program.factors),
    }


def verilog_files(
    network: IntegerNetwork, name: str, samples: NDArray[np.int8] | None = None, facts: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return all files of a network.

    Args:
        network: of integers, with a rounding.
        name: of the module, letters, digits and underscores.
        samples: int8 at the network's input for the test bench; made up when None.
        facts: further lines of the README, by what they are about.

    Raises:
        UnknownNameError: for an operator that has no Verilog form.
        InputError: for settings of an operator that have none.
    """
    layout = layout_of(network)
    shape = network.values[network.input].shape
    if samples is None:
        samples = np.random.default_rng(0).integers(-128, 128, (_SAMPLES, *shape)).astype(np.int8)
    answers = run_integer(network, samples)
    return {
        **design(layout, name),
        f"{name}_bench.v": bench(layout, name, len(samples)),
        f"{name}_vectors_in.hex": _bytes(samples),
        f"{name}_vectors_out.hex": _bytes(answers),
        f"{name}_ice40.v": template("top.v", {"NAME": name}),
        f"{name}_ice40.pcf": constraints(),
        "Makefile": template("Makefile.in", {"NAME": name, "MEGAHERTZ": CLOCK_HZ // 1_000_000}),
        "README.md": readme(layout, name, len(samples), facts or {}),
    }


def _bytes(values: NDArray[np.int8]) -> str:
    return _lines(f"{byte:02x}" for byte in np.ascontiguousarray(values, np.int8).tobytes())


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)
