"""Detectors in generated C as programs: rows with their times and gaps in, scores and anomalies out."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from c99_examples import WARNINGS, call

Floats = NDArray[np.float32]
# clang traps instead of speaking: its library of sanitizers is a package of its own.
COMPILERS: dict[str, tuple[str, ...]] = {
    "gcc": ("-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all"),
    "clang": ("-fsanitize=undefined", "-fsanitize-trap=all"),
}


@dataclass(frozen=True)
class Rows:
    """A stream: values (n, channels), seconds (n,), and whether rows are missing before each, (n,)."""

    values: Floats
    time: NDArray[np.float64]
    gap: NDArray[np.bool_]

    def records(self) -> bytes:
        """As the programs read them."""
        kind = np.dtype([("time", "<i8"), ("gap", "<i4"), ("row", "<f4", (self.values.shape[1],))])
        records = np.zeros(len(self.values), kind)
        records["time"], records["gap"], records["row"] = np.round(self.time * 1e6), self.gap, self.values
        return records.tobytes()


def built(files: Mapping[str, str], main: str, compiler: str, folder: Path) -> Path:
    """Compile generated files with a main function; all warnings are errors, sanitizers are on."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "main.c").write_text(main)
    sources = [name for name in files if name.endswith(".c")]
    for name in sources:
        call(folder, compiler, *WARNINGS, "-O1", "-ffp-contract=off", "-g1", *COMPILERS[compiler], "-c", name)
    objects = [name.removesuffix(".c") + ".o" for name in sources]
    call(folder, compiler, "-std=c99", "-O1", "-g1", *COMPILERS[compiler], "main.c", *objects, "-lm", "-o", "run")
    return folder / "run"


def output_of(program: Path, given: bytes) -> bytes:
    """Return what a program writes; fails with it."""
    done = subprocess.run([str(program)], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout


def threshold_of(scores: NDArray[np.float64]) -> float:
    """Between two scores that are far apart: neither changes its side with the last digit."""
    known = np.unique(scores[np.isfinite(scores)])
    index = min(int(np.searchsorted(known, np.nanquantile(scores, 0.96))), len(known) - 2)
    index += int(np.diff(known[index : index + 12]).argmax())
    return float(known[index : index + 2].mean())


def rows_main(name: str, files: Mapping[str, str]) -> str:
    """Read rows; write for each a float, the score, and an int32, the channel of the anomaly or -2 for none.

    A detector of rows is asked twice, by a copy of the stream, for scores and for anomalies.
    """
    header = files[f"{name}_detect.h"]
    timed = f"{name}_detect_time(&context, time);" if f"{name}_detect_time" in header else "(void)time;"
    gap = f"if (gap) {{ {name}_detect_gap(&context); }}" if f"{name}_detect_gap" in header else "(void)gap;"
    score = f"{name}_detect_score(&context, row)" if f"{name}_detect_score" in header else "0.0f"
    return (
        _MAIN.replace("$TIME", timed).replace("$GAP", gap).replace("$SCORE", score)
        .replace("$$", name.upper()).replace("$", name)
    )  # fmt: skip


_MAIN = """\
#include "$_detect.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
enum { SIZE = 12 + 4 * $$_DETECT_CHANNELS, MOST = 1 << 25 };
int main(void) {
    static $_detect_context context;
    char *all = malloc(MOST);
    const size_t bytes = all ? fread(all, 1, MOST, stdin) : 0;
    for (int pass = 0; pass < 2; ++pass) {
        $_detect_init(&context);
        for (size_t at = 0; at + SIZE <= bytes; at += SIZE) {
            int64_t time;
            int32_t gap, told = -2;
            float row[$$_DETECT_CHANNELS];
            $_anomaly anomaly;
            memcpy(&time, all + at, 8);
            memcpy(&gap, all + at + 8, 4);
            memcpy(row, all + at + 12, sizeof row);
            $TIME
            $GAP
            if (pass == 0) {
                const float score = $SCORE;
                fwrite(&score, 4, 1, stdout);
                continue;
            }
            if ($_detect(&context, row, &anomaly)) {
                told = anomaly.channel;
            }
            fwrite(&told, 4, 1, stdout);
        }
    }
    free(all);
    return 0;
}
"""


def windows_main(name: str) -> str:
    """Read windows, channel after channel; write a float for each, its score."""
    return _WINDOWS.replace("$$", name.upper()).replace("$", name)


_WINDOWS = """\
#include "$_detect.h"
#include <stdio.h>
int main(void) {
    static $_detect_context context;
    static float window[$$_DETECT_CHANNELS * $$_DETECT_WINDOW];
    while (fread(window, sizeof window, 1, stdin) == 1) {
        const float score = $_detect_window_score(&context, window);
        fwrite(&score, 4, 1, stdout);
    }
    return 0;
}
"""
