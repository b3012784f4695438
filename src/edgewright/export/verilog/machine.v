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
