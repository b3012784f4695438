// Written by Edgewright. SPDX-License-Identifier: 0BSD
//
// The network on a board with an iCE40 UP5K and a clock of 12 MHz. The other side of the stream shares the clock.
module @NAME@_ice40 (
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
    @NAME@ network (
        .clk(clk), .reset(reset), .in_valid(in_valid), .in_ready(in_ready), .in_data(in_data),
        .out_valid(out_valid), .out_ready(out_ready), .out_data(out_data),
        .trace_valid(), .trace_step(), .trace_data()
    );
endmodule
