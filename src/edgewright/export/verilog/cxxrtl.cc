// Written by Edgewright. SPDX-License-Identifier: 0BSD
//
// Runs a network that Yosys wrote as C++ (write_cxxrtl): samples in, answers, cycles and the bytes of each layer out.
// The test bench in Verilog has the same protocol: inputs change while the clock is low.
#include "@NAME@_model.cc"
#include <cstdio>

static cxxrtl_design::p_@NAME_MANGLED@ machine;
static FILE *trace;
static long cycle;

static void tick() {
    machine.p_clk.set<bool>(true);
    machine.step();
    machine.p_clk.set<bool>(false);
    machine.step();
    cycle++;
    if (trace && machine.p_trace__valid.get<bool>()) fprintf(trace, "%02x\n", machine.p_trace__data.get<unsigned>());
}

static void send(unsigned byte) {
    machine.p_in__valid.set<bool>(true);
    machine.p_in__data.set<unsigned>(byte);
    machine.step();
    while (!machine.p_in__ready.get<bool>()) tick();
    tick();
    machine.p_in__valid.set<bool>(false);
}

static bool read_byte(FILE *file, unsigned &byte) { return fscanf(file, "%x", &byte) == 1; }

int main() {
    unsigned byte;
    FILE *given = fopen("@NAME@_in.hex", "r"), *answers = fopen("@NAME@_out.txt", "w");
    if (@TRACED@) trace = fopen("@NAME@_trace.txt", "w");
    machine.p_clk.set<bool>(false);
    machine.p_reset.set<bool>(true);
    for (int i = 0; i < 4; i++) tick();
    machine.p_reset.set<bool>(false);
    tick();
    if (@LOADED@) {
        FILE *weights = fopen("@NAME@_weights.hex", "r");
        while (read_byte(weights, byte)) send(byte);
        fclose(weights);
    }
    for (long n = 0; n < @SAMPLES@; n++) {
        for (int i = 0; i < @INPUTS@; i++) {
            if (!read_byte(given, byte)) return 1;
            send(byte);
        }
        long started = cycle;
        for (int i = 0; i < @OUTPUTS@; i++) {
            while (!machine.p_out__valid.get<bool>())
                if (tick(), cycle - started > @LIMIT@) return 1;
            if (i == 0) fprintf(answers, "%ld", cycle - started);
            machine.p_out__ready.set<bool>(true);
            machine.step();
            fprintf(answers, " %u", machine.p_out__data.get<unsigned>());
            tick();
            machine.p_out__ready.set<bool>(false);
        }
        fprintf(answers, "\n");
    }
    fclose(answers);
    if (trace) fclose(trace);
    return 0;
}
