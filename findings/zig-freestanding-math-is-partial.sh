#!/usr/bin/env bash
# ziglang 0.17.1: for a target without an operating system and without libc, zig links part of math.h from compiler_rt.
# Which functions exist cannot be told from a header: a model with a softmax links, one with a tanh does not.
# Seen: expf, logf, sinf, sqrtf, roundf and fmodf link; tanhf, powf, rintf and ldexpf do not link.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ziglang==0.17.1
cd "$folder"
export ZIG_GLOBAL_CACHE_DIR=$folder/cache ZIG_LOCAL_CACHE_DIR=$folder/cache
links() {
    local name=$1 second=${2:-}
    echo "float $name(float${second:+, $second}); float start(float x) { return $name(x${second:+, 2}); }" >"$name.c"
    venv/bin/python -m ziglang cc -target thumb-freestanding-eabi -mcpu=cortex_m0plus -O2 -fno-builtin \
        -Wl,-e,start -o "$name.elf" "$name.c" 2>/dev/null
}
for name in expf logf sinf sqrtf roundf; do links "$name" && echo "$name links"; done
links fmodf float && echo "fmodf links"
for name in tanhf rintf; do ! links "$name" && echo "$name does not link"; done
! links powf float && echo "powf does not link"
! links ldexpf int && echo "ldexpf does not link"
