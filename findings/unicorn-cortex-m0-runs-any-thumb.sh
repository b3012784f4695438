#!/usr/bin/env bash
# unicorn 2.1.4: the CPU model chosen for an M-profile core does not limit its instruction set. The model of a Cortex-M0
# (Armv6-M: no division, no DSP, no floating point, no unaligned access) executes all four, without a fault. A program that
# runs here may fault on the chip.
# Seen: udiv 14, smlad 7, vadd.f32 2.0, unaligned load 0x11111111.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet unicorn==2.1.4
"$folder/venv/bin/python" - <<'PYTHON'
import struct

from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, Uc
from unicorn.arm_const import UC_ARM_REG_R0, UC_ARM_REG_R1, UC_ARM_REG_R2, UC_CPU_ARM_CORTEX_M0


def run(code, **registers):
    core = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
    core.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M0)
    core.mem_map(0, 4096)
    core.mem_map(0x20000000, 4096)
    core.mem_write(0, bytes.fromhex(code))
    core.mem_write(0x20000000, b"\x11" * 16)
    for name, value in registers.items():
        core.reg_write({"r0": UC_ARM_REG_R0, "r1": UC_ARM_REG_R1, "r2": UC_ARM_REG_R2}[name], value)
    core.emu_start(1, len(bytes.fromhex(code)))
    return core.reg_read(UC_ARM_REG_R0)


one = struct.unpack("<I", struct.pack("<f", 1.0))[0]
seen = {
    "udiv r0, r0, r1": run("b0fbf1f0", r0=100, r1=7),
    "smlad r0, r0, r1, r2": run("20fb0120", r0=2, r1=3, r2=1),
    "vadd.f32": struct.unpack("<f", struct.pack("<I", run("00ee100a30ee000a10ee100a", r0=one)))[0],
    "unaligned ldr": run("0868", r1=0x20000001),
}
print(seen)
assert list(seen.values()) == [14, 7, 2.0, 0x11111111]
PYTHON
