"""A network of integers as C, a step of a stream at a time: what its layers remember lies in a struct of the caller.

What is remembered can be copied out, with a mark of the model and a checksum, and in again after a power cut.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgewright.export.c99_code.files import stream_source
from edgewright.export.c99_code.parts import filled, parts, written
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_code.text import guarded, identifier, template_comment
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_graph.graph import layer_names
from edgewright.export.c99_operators import Site, recurrence, write_integer
from edgewright.graph.streaming import Moment, Steps, steps_of
from edgewright.schema.integer import IntegerNetwork

# Of what a saved state holds; it changes where the same bytes come to mean something else.
_VERSION = 1
_H = parts(__file__, "network_stream.h")
HEADER = _H["title"] + guarded("@@_H", "<stdint.h>", _H["header"])


@dataclass(frozen=True)
class Kept:
    """Bytes of the context that stay from step to step: their name, how many, and what each begins as."""

    name: str
    size: int
    first: str

    @property
    def field(self) -> str:
        """The field of the struct."""
        return f"int8_t {self.name}[{self.size}];"

    @property
    def clear(self) -> str:
        """The line that sets it back."""
        return f"    memset(context->{self.name}, {self.first}, sizeof context->{self.name});\n"


def write_steps(unit: Unit, steps: Steps, names: Mapping[int, str]) -> tuple[Source, Source, list[Kept]]:
    """Append the code of one step; give its input, its output and what is kept.

    Args:
        unit: where code goes.
        steps: of the network.
        names: of layers, by the number of what they give.
    """
    first = unit.fresh((1, steps.hop, steps.channels), "int8")
    values: dict[int, Source] = {steps.source: first}
    kept: list[Kept] = []
    for moment in steps.moments:
        unit.layer = names.get(moment.operator.output, "")
        values[moment.operator.output] = _write(unit, moment, values, kept)
    return first, values[steps.target], kept


def _write(unit: Unit, moment: Moment, values: dict[int, Source], kept: list[Kept]) -> Source:
    sources = tuple(values[i] for i in moment.operator.inputs)
    if moment.operator.kind in recurrence.known:
        return _state(Site(unit, moment.operator, moment.values, sources), moment, kept)
    if moment.kept:
        width = moment.values[0].shape[-1]
        old, fresh = moment.kept * width, moment.fresh * width
        own = Kept(f"line{len(kept)}", old + fresh, str(moment.values[0].zero))
        line = unit.buffer(own.size, "int8", name=f"context->{own.name}")
        kept.append(own)
        source = sources[0].leaves[0].buffer.name
        unit.step(
            [f"memmove({line.name}, {line.name} + {fresh}, {old});",
             f"memcpy({line.name} + {old}, {source}, {fresh});"],
            sources, (),
        )  # fmt: skip
        sources = (unit.source(line, moment.values[0].shape),)
    return write_integer(Site(unit, moment.operator, moment.values, sources))


def _state(site: Site, moment: Moment, kept: list[Kept]) -> Source:
    """Write the samples of a step into a state that stays."""
    kind = site.unit.work = moment.operator.kind
    parts = [
        Kept(f"{part.name}{len(kept) + index}", part.size, part.first)
        for index, part in enumerate(recurrence.known[kind].parts(site))
    ]
    kept += parts
    site.step(recurrence.known[kind].lines(site, [f"context->{part.name}" for part in parts], moment.fresh))
    return site.output


def write_network_stream_c99(network: IntegerNetwork, *, name: str) -> dict[str, str]:
    """NAME.h and NAME.c: the network alone, a step at a time, its state in a struct that can be saved.

    Args:
        network: with a rounding; of causal convolutions, LSTM and what works on single samples.
        name: of the files, and prefix of every name in them.

    Raises:
        InputError: a name that C does not take, or a network that is no stream.
    """
    unit, steps = Unit(identifier(name)), steps_of(network)
    first, last, kept = write_steps(unit, steps, layer_names(network))
    ends = (first.leaves[0].buffer, last.leaves[0].buffer)
    # A state belongs to these weights in this layout: another model's is refused, and one of another version.
    tables = sorted(unit.contents().items())
    layout = f"{_VERSION} {network.rounding} {[(memory.name, memory.size) for memory in kept]}".encode()
    mark = zlib.crc32(layout + b"".join(np.ascontiguousarray(array).tobytes() for _, array in tables))
    text, arena = stream_source(unit, ends, [], [_tail(kept, mark)])
    input_value, output_value = network.values[network.input], network.values[network.output]
    head = filled(HEADER, **{
        "title": template_comment(network.name), "hop": steps.hop, "width": steps.channels, "outputs": steps.outputs,
        "in_scale": f"{input_value.scale:.9g}", "in_zero": input_value.zero, "out_scale": f"{output_value.scale:.9g}",
        "out_zero": output_value.zero,
        "remembered": sum(memory.size for memory in kept), "arena": max(arena // 4, 1),
        "fields": "".join(f"    {memory.field}\n" for memory in kept),
    })  # fmt: skip
    files = {f"{name}.h": head, f"{name}.c": text}
    return {file: written.replace("@@", name.upper()).replace("@", name) for file, written in files.items()}


def _tail(kept: list[Kept], mark: int) -> str:
    fields = [(f"context->{memory.name}", memory.size) for memory in kept]
    out = "".join(f"    memcpy(at, {field}, {size});\n    at += {size};\n" for field, size in fields)
    back = "".join(f"    memcpy({field}, at, {size});\n    at += {size};\n" for field, size in fields)
    clear, state = "".join(memory.clear for memory in kept), parts(__file__, "network_stream.c")["state"]
    return "\n" + filled(state, clear=clear, out=out, back=back, mark=f"0x{mark:08X}")


def write_replay_c99(name: str, **numbers: int) -> str:
    """Return C that takes windows through a network step by step, with a power cut in each; for a proof.

    Args:
        name: of the network.
        numbers: its hop, channels and outputs; count of steps in a window, and of damaged copies of the state.
    """
    sizes = " || ".join(f"@@_{key.upper()} != {numbers[key]}" for key in ("hop", "channels", "outputs"))
    head = f'#include "@.h"\n#include "steps_replay.h"\n#include <string.h>\n\n#if {sizes}\n'
    head += '#error "the steps of another network"\n#endif\n\n'
    return written(head + parts(__file__, "replay.c")["steps"], name, **numbers)
