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
    always @(negedge clk) if (trace_valid) $fwrite(trace, "%02x\n", trace_data);
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
            $fwrite(file, "\n");
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
