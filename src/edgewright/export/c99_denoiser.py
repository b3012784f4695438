"""The header and source file of a denoiser: static memory, no heap, integers inside, the state of every layer kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.export._c_files import stream_source
from edgewright.export._c_graph import layer_names
from edgewright.export._c_network_stream import Kept, write_steps
from edgewright.export._c_text import guarded, identifier, number, template_comment
from edgewright.export._c_unit import Unit
from edgewright.graph.denoising import DenoiserFile
from edgewright.graph.streaming import Steps, steps_of

_HEADER = """\
/* %(title)s: %(rate)s samples a second of %(channels)s; the network is int8 (rounding %(rounding)s).
 *
 * @_step takes %(hop)d samples and gives %(hop)d, which are those of %(delay)d samples before. It works in float32
 * outside of the network; @_network is the network alone, bytes in and bytes out, for targets without floats:
 * in = value / %(in_scale).9g + %(in_zero)d, noise = (out - %(out_zero)d) * %(out_scale).9g, both in deviations.
 *
 * Memory: %(ram)d bytes of RAM in the caller's context, no heap: %(remembered)d that the layers remember, %(late)d of
 * samples that wait, %(arena)d for values; %(flash)d bytes of constants. A context is one stream.
 */
""" + guarded(
    "@@_H",
    "<stdint.h>",
    """\
#define @@_CHANNELS %(width)d
/* Samples of a step. */
#define @@_HOP %(hop)d
/* Samples that the answer is late. */
#define @@_DELAY %(delay)d

/* What the network remembers, and its memory of a call. */
typedef struct {
%(lines)s} @_network_context;

/* That of the network, samples that wait, and a step's bytes. */
typedef struct {
    @_network_context network;
    int next;
    float late[%(waiting)d];
    int8_t bytes[2][@@_HOP * @@_CHANNELS];
} @_context;

/* Call it first. A later call forgets everything. */
void @_init(@_context *context);

/* @@_HOP samples, the channels of each side by side, in and out; NAN passes through. */
void @_step(@_context *context, const float *in, float *out);

/* The same for the network alone. */
void @_network_init(@_network_context *context);

/* The network alone, one step: @@_HOP * @@_CHANNELS bytes in and out, which must not overlap. Gives 0. */
int @_network(@_network_context *context, const int8_t *in, int8_t *out);
""",
)
_STEP = """\

void @_network_init(@_network_context *context) {
    memset(context, 0, sizeof *context);
%(clear)s}

void @_init(@_context *context) {
    memset(context, 0, sizeof *context);
    @_network_init(&context->network);
}

/* x in deviations on the network's grid: divided in float, halves away from zero; not a number is the mean. */
static int8_t @_to_byte(float x) {
    float q = x > -%(limit)s ? x : -%(limit)s;
    q = q < %(limit)s ? q : %(limit)s;
    q = roundf(q / %(in_scale)s);
    q = x != x ? %(in_zero)s : q + %(in_zero)s;
    return (int8_t)(q < -128.0f ? -128.0f : q > 127.0f ? 127.0f : q);
}

void @_step(@_context *context, const float *in, float *out) {
    int8_t *const bytes = context->bytes[0], *const made = context->bytes[1];
    for (int i = 0; i < @@_HOP * @@_CHANNELS; ++i) {
        const int c = i %% @@_CHANNELS;
        bytes[i] = @_to_byte((in[i] - @_mean[c]) * @_unit[c]);
    }
    (void)@_network(&context->network, bytes, made);
    for (int i = 0; i < @@_HOP * @@_CHANNELS; ++i) {
        const float noise = (%(out_scale)s * (float)(made[i] - (%(out_zero)d))) * @_deviation[i %% @@_CHANNELS];
%(wait)s    }
}"""
_WAIT = """\
        const float then = context->late[context->next];
        context->late[context->next] = in[i];
        context->next = context->next + 1 < %d ? context->next + 1 : 0;
        out[i] = then - noise;
"""


@dataclass(frozen=True)
class DenoiserCode:
    """What was written.

    Attributes:
        files: text by name.
        ram: bytes of static memory.
        constants: bytes of tables.
    """

    files: dict[str, str]
    ram: int
    constants: int


def write_denoiser_c99(made: DenoiserFile, *, name: str) -> DenoiserCode:
    """NAME.h and NAME.c, proven equal to the Python runtime byte by byte (docs/adr/0039-denoising.md).

    Args:
        made: the denoiser.
        name: of the files, and prefix of every name in them.

    Raises:
        InputError: a name that C does not take, or a network that is no stream.
    """
    unit = Unit(identifier(name))
    steps = steps_of(made.network)
    first, last, kept = write_steps(unit, steps, layer_names(made.network))
    constants = unit.table_bytes + 4 * 3 * steps.channels
    tail = [_tail(made, steps, kept)]
    late = max(made.spec.delay * steps.channels, 1)
    ends = (first.leaves[0].buffer, last.leaves[0].buffer)
    text, arena = stream_source(unit, ends, _floats(made), tail)
    lines = sum(one.size for one in kept)
    steps_bytes = 2 * steps.hop * steps.channels
    ram = -(-(arena + lines) // 4) * 4 + 4 * late + -(-steps_bytes // 4) * 4 + 4
    fields = [f"int32_t arena[{max(arena // 4, 1)}];", *(one.field for one in kept)]
    head = _HEADER % {
        **_numbers(made, steps), "ram": ram, "remembered": lines, "late": 4 * late, "flash": constants,
        "arena": arena, "waiting": late,
        "lines": "".join(f"    {line}\n" for line in fields),
    }  # fmt: skip
    files = {f"{name}.h": head, f"{name}.c": text}
    named = {file: written.replace("@@", name.upper()).replace("@", name) for file, written in files.items()}
    return DenoiserCode(named, ram, constants)


def _floats(made: DenoiserFile) -> list[str]:
    """Return means and deviations of the channels as tables."""
    deviation = np.asarray(made.spec.deviation, np.float32)
    tables = {"mean": np.asarray(made.spec.mean, np.float32), "unit": np.float32(1.0) / deviation,
              "deviation": deviation}  # fmt: skip
    return [
        f"static const float @_{word}[@@_CHANNELS] = {{{', '.join(number(float(v)).strip('()') for v in values)}}};"
        for word, values in tables.items()
    ]


def _tail(made: DenoiserFile, steps: Steps, kept: Sequence[Kept]) -> str:
    numbers, spec = _numbers(made, steps), made.spec
    clear = "".join(one.clear for one in kept)
    wait = _WAIT % (spec.delay * steps.channels) if spec.delay else "        out[i] = in[i] - noise;\n"
    taken, given = (made.network.values[place] for place in (made.network.input, made.network.output))
    floats = {"in_scale": number(taken.scale), "out_scale": number(given.scale)}
    return _STEP % {
        **numbers, **floats, "clear": clear, "wait": wait, "limit": number(spec.limit),
        "in_zero": number(float(taken.zero)),
    }  # fmt: skip


def _numbers(made: DenoiserFile, steps: Steps) -> dict[str, float | int | str]:
    spec, network = made.spec, made.network
    taken, given = network.values[network.input], network.values[network.output]
    return {
        "title": template_comment(spec.name), "rate": f"{spec.rate:g}",
        "channels": template_comment(", ".join(spec.columns)),
        "rounding": spec.rounding, "hop": spec.hop, "delay": spec.delay, "width": steps.channels,
        "in_scale": taken.scale, "in_zero": taken.zero, "out_scale": given.scale, "out_zero": given.zero,
    }  # fmt: skip
