"""A fitted detector as C99: rows in, anomalies out, with the channel to blame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgewright.export._c_text import TYPES, comment, entries, identifier, number, smallest
from edgewright.export.c99_detectors import Learnt, Score, writer
from edgewright.schema.errors import InputError

_FINITE = """\
static int @_finite(float x) {
    return x >= -FLT_MAX && x <= FLT_MAX;
}"""
_MOST = 2**31 - 1


def write_detector_c99(
    kind: str,
    learnt: Learnt,
    *,
    name: str,
    columns: Sequence[str],
    threshold: float,
    refractory: int = 0,
) -> dict[str, str]:
    """A detector of `runtime/detectors` as a header and a source file, in float32.

    Args:
        kind: of the detector.
        learnt: what it learnt.
        name: of the files, and prefix of every name in them.
        columns: channels in the order of a row.
        threshold: a score from here on is odd.
        refractory: rows after an anomaly in which no other is told; with 0, a run of odd rows is one.

    Returns:
        File name -> text: NAME_detect.h and NAME_detect.c.

    Raises:
        InputError: for a name that C does not take, a threshold or a count that is none, or what the code cannot hold.
        UnknownNameError: for a detector that has no form in C, listing those that have.
    """
    if not np.isfinite(np.float32(threshold)) or not 0 <= refractory <= _MOST or not columns:
        raise InputError(
            "columns, a threshold and rows from 0 on",
            f"{len(columns)}, {threshold:g} and {refractory}",
            "detector in C",
        )
    score = writer(kind).write(learnt)
    made = {
        f"{identifier(name)}_detect.h": _header(kind, score, columns, threshold, refractory),
        f"{name}_detect.c": _source(score, len(columns), threshold, refractory),
    }
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in made.items()}


def _ram(score: Score, channels: int) -> int:
    """Bytes of the state: rows, a count for what is quiet or odd, parts, and what the detector remembers."""
    return 4 * (2 + channels + sum(score.state.values()) + len(score.counts))


def _header(kind: str, score: Score, columns: Sequence[str], threshold: float, refractory: int) -> str:
    pause = f"{refractory} rows at least lie between two" if refractory else "a run of odd rows is one"
    tables = sum(smallest_of(table).nbytes for table in score.tables.values())
    return f"""\
#ifndef @@_DETECT_H
#define @@_DETECT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

/*
 * Rows in, anomalies out: detector {kind} over {comment(", ".join(columns)).replace("@", " at ")}.
 * A score from {np.float32(threshold):.9g} on is odd; {pause}. NAN stands for a missing number.
 *
 * Memory: {_ram(score, len(columns))} bytes of RAM, static, no heap; {tables} bytes of constants. Not reentrant.
 */
#define @@_DETECT_CHANNELS {len(columns)}

typedef struct {{
    float score;
    int channel;  /* the one to blame most, from 0 */
    uint32_t row; /* number of the row, from 0 */
}} @_anomaly;

/* Takes the next row; 1 and the anomaly that begins there, or 0 and it untouched. */
int @_detect(const float row[@@_DETECT_CHANNELS], @_anomaly *anomaly);
/* Takes the next row, too, and gives its score only: the higher, the odder; NAN while still learning. */
float @_detect_score(const float row[@@_DETECT_CHANNELS]);
/* Forgets what was seen, not what was learnt. */
void @_detect_reset(void);

#ifdef __cplusplus
}}
#endif

#endif
"""


def smallest_of(table: np.typing.NDArray[np.generic]) -> np.typing.NDArray[np.generic]:
    """A table as it is stored."""
    return table if table.dtype.kind == "f" else smallest(table)


def _source(score: Score, channels: int, threshold: float, refractory: int) -> str:
    fields = [
        "    uint32_t rows;",
        f"    uint32_t {'quiet' if refractory else 'odd'};",
        f"    float parts[{channels}];",
    ]
    fields += [f"    float {name}[{count}];" for name, count in score.state.items()]
    fields += [f"    uint32_t {name};" for name in score.counts]
    tables = [
        f"static const {TYPES[stored.dtype.name]} @_{name}[{stored.size}] = {{\n{entries(stored)}\n}};"
        for name, stored in ((name, smallest_of(table)) for name, table in score.tables.items())
    ]
    lines = [f"    {line}" for line in score.lines]
    blocks = [
        '#include "@_detect.h"\n\n#include <float.h>\n#include <math.h>\n#include <string.h>',
        *tables,
        "\n".join(["static struct {", *fields, "} @_now;"]),
        _FINITE,
        "\n".join(["static float @_score(const float *row) {", *lines, "}"]),
        _SCORE % channels,
        _detect(channels, threshold, refractory),
        "void @_detect_reset(void) {\n    memset(&@_now, 0, sizeof @_now);\n}",
    ]
    return "\n\n".join(blocks) + "\n"


_SCORE = """\
float @_detect_score(const float row[@@_DETECT_CHANNELS]) {
    int some = 0;
    ++@_now.rows;
    for (int i = 0; i < %d; ++i) {
        some |= @_finite(row[i]);
    }
    /* A row without any number is not odd, and leaves everything as it is. */
    return some ? @_score(row) : 0.0f;
}"""


def _detect(channels: int, threshold: float, refractory: int) -> str:
    wait = (
        [
            "    if (@_now.quiet > 0u) {",
            "        --@_now.quiet;",
            "        return 0;",
            "    }",
            "    if (!odd) {",
            "        return 0;",
            "    }",
            f"    @_now.quiet = {refractory}u;",
        ]
        if refractory
        else [
            "    const uint32_t before = @_now.odd;",
            "    @_now.odd = odd ? 1u : 0u;",
            "    if (!odd || before != 0u) {",
            "        return 0;",
            "    }",
        ]
    )
    lines = [
        "int @_detect(const float row[@@_DETECT_CHANNELS], @_anomaly *anomaly) {",
        "    const float score = @_detect_score(row);",
        f"    const int odd = score >= {number(threshold)};",
        *wait,
        "    int channel = 0;",
        f"    for (int i = 1; i < {channels}; ++i) {{",
        "        if (@_now.parts[i] > @_now.parts[channel]) {",
        "            channel = i;",
        "        }",
        "    }",
        "    anomaly->score = score;",
        "    anomaly->channel = channel;",
        "    anomaly->row = @_now.rows - 1u;",
        "    return 1;",
        "}",
    ]
    return "\n".join(lines)
