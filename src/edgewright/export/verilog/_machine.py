"""The machine as Verilog: one multiply-accumulate a cycle, and a requantiser that works beside it."""

from __future__ import annotations

from edgewright.export.verilog._layout import Layout

_BYTE = 8
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
    fields = [layout.fields(place) for place in range(len(program.steps))]
    text = _TEXT
    for word, value in {
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
    }.items():
        text = text.replace(f"@{word}@", str(value))
    return text


def _row(bits: tuple[int, int, int, int]) -> dict[str, str]:
    """Return where the parts of a row of factors lie."""
    made, at = {"BIAS": str(bits[0])}, sum(bits)
    for name, width in zip(("BIAS_AT", "MULTIPLIER_AT", "FIRST_AT", "SECOND_AT"), bits, strict=True):
        made[name], at = f"{at - 1}:{at - width}", at - width
    return made


def _width(largest: int) -> int:
    return max(1, int(largest).bit_length())


def _declared(fields: list[dict[str, int]], bits: dict[str, int]) -> str:
    """Return what a step knows: constants where all steps agree, a table of steps where they do not."""
    constant, varying = [], []
    for name in fields[0]:
        values = [one[name] for one in fields]
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
        for place, one in enumerate(fields):
            label = "default" if place == len(fields) - 1 else f"{bits['S']}'d{place}"
            lines.append(f"            {label}: begin")
            lines += [f"                {name} = {_number(one[name], width, s)};" for name, _, width, s in varying]
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
        width = _width(max(one[f"end{level}"] for one in fields))
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
_TEXT = """\
// Written by Edgewright. SPDX-License-Identifier: 0BSD
//
// An int8 network: bytes of a sample in, bytes of the answer out, each taken in the cycle in which valid and ready are
// both high. trace_* show every byte of a layer as it is written; leave them open on a board.
module @NAME@ (
    input wire clk,
    input wire reset,
    input wire in_valid,
    output wire in_ready,
    input wire [7:0] in_data,
    output wire out_valid,
    input wire out_ready,
    output wire [7:0] out_data,
    output wire trace_valid,
    output wire [15:0] trace_step,
    output wire [7:0] trace_data
);
    localparam [2:0] TAKE = 0, SETUP = 1, RUN = 2, DRAIN = 3, FETCH = 4, GIVE = 5, LOAD = 6;
    localparam [2:0] IDLE = 0, MULTIPLY = 1, SHIFT = 2, WRITE = 3;

    reg [2:0] state;
    reg [@SW@-1:0] step;

    // What this step does.
@DECLARED@

    // Loops: counters, and addresses of the next read, weight, row of factors and output.
@COUNTERS@
    reg [@AW@-1:0] read_at, write_at;
    reg [@WW@-1:0] weight_at;
    reg [@FW@-1:0] factor_at;
    wire ends = @TAPS_END@;
    wire starts = @TAPS_START@;

    // The requantiser's state; see below.
    reg [2:0] phase;
    reg [@AW@-1:0] result_at;
    wire [7:0] result;
    wire writing = phase == WRITE;

    // One output is requantised at a time: its last tap waits until the one before it is written.
    reg valid1, valid2, starts1, starts2, ends1, ends2, ends3, digit1, digit2;
    wire free = phase == IDLE && !ends1 && !ends2 && !ends3;
    wire issue = state == RUN && !writing && (!ends || free);

    // Activations: one port.
    (* ram_style = "@STYLE@" *)
    reg [7:0] activations [0:@ACTIVATIONS@-1];
    reg signed [7:0] activation;
    wire taking = state == TAKE && in_valid;
    wire [@AW@-1:0] place = writing ? result_at : read_at;
    wire [7:0] stored = writing ? result : in_data;
    always @(posedge clk)
        if (writing || taking) activations[place] <= stored;
        else if (issue || state == FETCH) activation <= activations[place];

    assign in_ready = state == TAKE@LOAD_READY@;
    assign out_valid = state == GIVE;
    assign out_data = activation;
    assign trace_valid = writing;
    assign trace_step = step;
    assign trace_data = result;

    always @(posedge clk)
        if (reset) begin
            state <= @FIRST_STATE@;
            step <= 0;
            read_at <= @AW@'d@INPUT_FIRST@;
            weight_at <= 0;
@COUNTERS_RESET@
        end
        else case (state)
@LOADING@            TAKE: if (in_valid) begin
                read_at <= read_at + 1'b1;
                if (read_at == @AW@'d@INPUT_LAST@) state <= SETUP;
            end
            SETUP: begin
                read_at <= source;
                write_at <= result_first;
                weight_at <= weights_first;
                factor_at <= factors_first;
                state <= RUN;
            end
            RUN: if (issue) begin
@ADVANCE@
            end
            DRAIN: if (free && !valid1 && !valid2) begin
                if (step == @SW@'d@STEP_LAST@) begin
                    step <= 0;
                    read_at <= @AW@'d@OUTPUT_FIRST@;
                    state <= FETCH;
                end
                else begin
                    step <= step + 1'b1;
                    state <= SETUP;
                end
            end
            FETCH: state <= GIVE;
            GIVE: if (out_ready) begin
                if (read_at == @AW@'d@OUTPUT_LAST@) begin
                    read_at <= @AW@'d@INPUT_FIRST@;
                    state <= TAKE;
                end
                else begin
                    read_at <= read_at + 1'b1;
                    state <= FETCH;
                end
            end
            default: state <= @FIRST_STATE@;
        endcase

    // Stage 1: the activation is there; its weight is read, and the row of factors.
    reg [@WW@-1:0] weight_at1;
    reg [@FW@-1:0] factor_at1;
    reg signed [8:0] operand;
    reg signed [7:0] weight;
    reg [@ROW@-1:0] row;
    wire [7:0] entry = activation ^ 8'h80;
    wire [10:0] entry_from = joined ? {entry, 3'b000} : lookup ? {3'b000, entry} : 11'd0;
    wire [@WW@-1:0] weight_from = weight_at1 + entry_from;
@WEIGHT_MEMORY@
    (* ram_style = "block", rom_style = "block" *)
    reg [@ROW@-1:0] factors [0:@FACTORS@-1];
    initial $readmemh("@NAME@_factors.hex", factors);
    always @(posedge clk) begin
        row <= factors[factor_at1];
        operand <= activation - zero;
        weight_at1 <= weight_at;
        factor_at1 <= factor_at;
        starts1 <= starts;
        starts2 <= starts1;
        digit1 <= at0 == 0;
        digit2 <= digit1;
        if (reset) begin
            {valid1, valid2, ends1, ends2, ends3} <= 0;
        end
        else begin
            valid1 <= issue;
            valid2 <= valid1;
            ends1 <= issue && ends;
            ends2 <= ends1;
            ends3 <= ends2;
        end
        if (issue && ends) result_at <= write_at;
    end

    // Stage 2: the product is added; of two inputs that are joined, digits of 8 bits, the highest first.
    reg signed [31:0] sum;
    wire signed [@BIAS@-1:0] bias = row[@BIAS_AT@];
    wire signed [16:0] product = operand * weight;
    wire signed [31:0] addend = starts2 ? bias : sum;
    wire signed [31:0] wide = operand;
    always @(posedge clk)
        if (valid2)
            if (lookup) sum <= weight;
            else if (joined) sum <= (starts2 ? 32'sd0 : digit2 ? sum <<< 8 : sum) + weight;
            else if (maximum) sum <= starts2 || wide > sum ? wide : sum;
            else if (weighted) sum <= addend + product;
            else sum <= addend + wide;

    // The requantiser: magnitude times multiplier, 16 by 16 bits a cycle; over 2**first, halves up; over 2**second,
    // halves away from zero; the zero point; the limits.
    reg negative, sticky, upwards;
    reg [31:0] magnitude;
    reg [@MULTIPLIER@-1:0] multiplier;
    reg [5:0] shift, second;
    reg [63:0] value;
    reg [@PRODUCT_BITS@-1:0] part;
    wire [15:0] left = part[0] ? magnitude[31:16] : magnitude[15:0];
    wire [15:0] right = multiplier[15:0];
    wire [31:0] partial = left * right;
    wire [2:0] position = part[0] + (part >> 1);
    // Halves go up: for a negative number towards zero, unless something was shifted out below them.
    wire up = value[0] && !(upwards && negative && !sticky);
    always @(posedge clk)
        if (reset) phase <= IDLE;
        else case (phase)
            IDLE: if (ends2) begin
                multiplier <= row[@MULTIPLIER_AT@];
                shift <= row[@FIRST_AT@];
                second <= row[@SECOND_AT@];
            end
            else if (ends3) begin
                negative <= sum[31];
                magnitude <= sum[31] ? -sum : sum;
                value <= keeps ? {32'd0, sum[31] ? -sum : sum} : 64'd0;
                part <= 0;
                phase <= keeps ? WRITE : MULTIPLY;
            end
            MULTIPLY: begin
                value <= value + ({32'd0, partial} << {position, 4'd0});
                if (part[0]) multiplier <= multiplier >> 16;
                part <= part + 1'b1;
                sticky <= 0;
                upwards <= shift != 0;
                if (part == @PRODUCT_BITS@'d@PRODUCT_LAST@) phase <= SHIFT;
            end
            SHIFT: if (shift > 16) begin
                value <= value >> 16;
                sticky <= sticky || value[15:0] != 0;
                shift <= shift - 6'd16;
            end
            else if (shift > 4) begin
                value <= value >> 4;
                sticky <= sticky || value[3:0] != 0;
                shift <= shift - 6'd4;
            end
            else if (shift > 1) begin
                value <= value >> 1;
                sticky <= sticky || value[0];
                shift <= shift - 6'd1;
            end
            else if (shift == 1) begin
                value <= (value >> 1) + up;
                shift <= 0;
            end
            else if (upwards || second != 0) begin
                shift <= second;
                second <= 0;
                upwards <= 0;
            end
            else phase <= WRITE;
            default: phase <= IDLE;
        endcase

    wire [9:0] bounded = value > 511 ? 10'd511 : value[9:0];
    wire signed [11:0] moved = (negative ? -$signed({2'b0, bounded}) : $signed({2'b0, bounded})) + target;
    assign result = moved < low ? low[7:0] : moved > high ? high[7:0] : moved[7:0];
endmodule
"""
