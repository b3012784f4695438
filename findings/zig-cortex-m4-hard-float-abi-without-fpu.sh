#!/usr/bin/env bash
# ziglang 0.17.1: `zig cc -target thumb-freestanding-eabihf -mcpu=cortex_m4` compiles a float product to a call of
# __aeabi_fmul, although the ABI passes floats in the registers of a floating-point unit. The unit has to be named as a
# feature: -mcpu=cortex_m4+vfp4d16sp gives one vmul.f32. GCC's -mcpu=cortex-m4 -mfloat-abi=hard needs no more than that.
# Seen: the symbol __aeabi_fmul without the feature, none with it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ziglang==0.17.1
cd "$folder"
export ZIG_GLOBAL_CACHE_DIR=$folder/cache ZIG_LOCAL_CACHE_DIR=$folder/cache
echo 'float product(float a, float b) { return a * b; }' >product.c
for cpu in cortex_m4 cortex_m4+vfp4d16sp; do
    venv/bin/python -m ziglang cc -target thumb-freestanding-eabihf "-mcpu=$cpu" -O2 -c product.c -o "$cpu.o"
    echo "$cpu: $(grep -c __aeabi_fmul "$cpu.o" || true) call of __aeabi_fmul"
done
grep -q __aeabi_fmul cortex_m4.o
! grep -q __aeabi_fmul cortex_m4+vfp4d16sp.o
