"""The header and source file of a denoiser: static memory, no heap, integers inside, the state of every layer kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.export.c99_code.files import stream_source
from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.text import guarded, identifier, number, template_comment
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_graph.graph import layer_names
from edgewright.export.c99_stream.network import Kept, write_steps
from edgewright.graph.denoising import DenoiserFile
from edgewright.graph.streaming import Steps, steps_of

C = parts(__file__, "denoiser.c")
_H = parts(__file__, "denoiser.h")
HEADER = _H["title"] + guarded("@@_H", "<stdint.h>", _H["header"])


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


def write_denoiser_c99(denoiser: DenoiserFile, *, name: str) -> DenoiserCode:
    """NAME.h and NAME.c, proven equal to the Python runtime byte by byte (docs/adr/0039-denoising.md).

    Args:
        denoiser: the denoiser.
        name: of the files, and prefix of every name in them.

    Raises:
        InputError: a name that C does not take, or a network that is no stream.
    """
    unit = Unit(identifier(name))
    steps = steps_of(denoiser.network)
    first, last, kept = write_steps(unit, steps, layer_names(denoiser.network))
    constants = unit.table_bytes + 4 * 3 * steps.channels
    tail = [_tail(denoiser, steps, kept)]
    late = max(denoiser.spec.delay * steps.channels, 1)
    ends = (first.leaves[0].buffer, last.leaves[0].buffer)
    text, arena = stream_source(unit, ends, _floats(denoiser), tail)
    lines = sum(memory.size for memory in kept)
    steps_bytes = 2 * steps.hop * steps.channels
    ram = -(-(arena + lines) // 4) * 4 + 4 * late + -(-steps_bytes // 4) * 4 + 4
    fields = [f"int32_t arena[{max(arena // 4, 1)}];", *(memory.field for memory in kept)]
    head = filled(HEADER, **{
        **_numbers(denoiser, steps), "ram": ram, "remembered": lines, "late": 4 * late, "flash": constants,
        "arena": arena, "waiting": late,
        "lines": "".join(f"    {line}\n" for line in fields),
    })  # fmt: skip
    files = {f"{name}.h": head, f"{name}.c": text}
    named = {file: written.replace("@@", name.upper()).replace("@", name) for file, written in files.items()}
    return DenoiserCode(named, ram, constants)


def _floats(denoiser: DenoiserFile) -> list[str]:
    """Return means and deviations of the channels as tables."""
    deviation = np.asarray(denoiser.spec.deviation, np.float32)
    tables = {"mean": np.asarray(denoiser.spec.mean, np.float32), "unit": np.float32(1.0) / deviation,
              "deviation": deviation}  # fmt: skip
    return [
        f"static const float @_{word}[@@_CHANNELS] = {{{', '.join(number(float(v)).strip('()') for v in values)}}};"
        for word, values in tables.items()
    ]


def _tail(denoiser: DenoiserFile, steps: Steps, kept: Sequence[Kept]) -> str:
    numbers, spec = _numbers(denoiser, steps), denoiser.spec
    clear = "".join(memory.clear for memory in kept)
    wait = filled(C["wait"], waiting=spec.delay * steps.channels) if spec.delay else "        out[i] = in[i] - noise;\n"
    first, last = (
        denoiser.network.values[number_of] for number_of in (denoiser.network.input, denoiser.network.output)
    )
    floats = {"in_scale": number(first.scale), "out_scale": number(last.scale)}
    return "\n" + filled(C["step"], **{
        **numbers, **floats, "clear": clear, "wait": wait, "limit": number(spec.limit),
        "in_zero": number(float(first.zero)),
    })  # fmt: skip


def _numbers(denoiser: DenoiserFile, steps: Steps) -> dict[str, float | int | str]:
    spec, network = denoiser.spec, denoiser.network
    first, last = network.values[network.input], network.values[network.output]
    return {
        "title": template_comment(spec.name), "rate": f"{spec.rate:g}",
        "channels": template_comment(", ".join(spec.columns)),
        "rounding": spec.rounding, "hop": spec.hop, "delay": spec.delay, "width": steps.channels,
        "in_scale": f"{first.scale:.9g}", "in_zero": first.zero, "out_scale": f"{last.scale:.9g}",
        "out_zero": last.zero,
    }  # fmt: skip
