"""A stream of rows as C99: windows, the model, and decisions as `core.decision.Decider` makes them, to the bit."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.core.errors import ExportError
from edgewright.core.prediction.executor import SLACK, check_decision, own_thresholds
from edgewright.core.records.network import IntegerNetwork
from edgewright.export.c99_code.files import stream_source
from edgewright.export.c99_code.parts import filled, named, parts, written
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_code.text import guarded, identifier, number, template_comment
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_graph.frames import Grid, grid_in
from edgewright.export.c99_graph.graph import layer_names
from edgewright.export.c99_operators import Site, recurrence, write_integer
from edgewright.export.c99_stream.detectors import Watchers, note_lines, watch_functions
from edgewright.export.contract import Stream
from edgewright.graph.restoration import DenoiserFile
from edgewright.graph.streaming import Moment, Steps, steps_of

_MOST_ROWS = 2**31 - 1
_NOBODY = Watchers((), {}, {})
# Bytes that wait of an anomaly until it is asked for: score, channel, and whether there is one.
_ANOMALY_BYTES = 12


@dataclass(frozen=True)
class Layout:
    """Numbers of one stream.

    Attributes:
        name: prefix of all names.
        channels, samples, step: of a window; one row of columns has samples and step of 1.
        classes: probabilities of an answer; 0 for a model that gives a number.
        outputs: numbers the model gives; 1 for two classes of one sigmoid.
        smoothing, debounce: windows.
        threshold: float32.
        own: by class, 0 for none.
        alarms: places of the labels.
        quiet: rows after an alarm without another of the same label.
        full_mean: a mean of fewer answers than `smoothing` decides nothing.
        grid: frames that are worked out as they come; None where a window is kept.
        fill_start: copies of the first row come before it.
    """

    name: str
    channels: int
    samples: int
    step: int
    classes: int
    outputs: int
    smoothing: int
    debounce: int
    threshold: float
    own: tuple[float, ...]
    alarms: tuple[int, ...]
    quiet: int
    grid: Grid | None = None
    full_mean: bool = False
    fill_start: bool = False

    @property
    def ram(self) -> int:
        """Bytes of the state; every member takes a multiple of four."""
        window = self.channels * self.samples + 1 if self.samples > 1 else 0
        if self.grid is not None:
            window = self.grid.memory(self.step) // 4 - (self.step > self.samples)
        decision = (self.classes + 3) if self.classes else 0
        kept = self.smoothing * self.classes + 2 if self.smoothing > 1 else 0
        return 4 * (2 + window + (self.step > self.samples) + decision + kept + (len(self.alarms) if self.quiet else 0))


def layout_of(name: str, stream: Stream, shape: tuple[int, ...], outputs: int, grid: Grid | None = None) -> Layout:
    """Return the numbers of a stream, with the frames of its model where it takes them as they come."""
    spec, labels, window = stream.decision, stream.labels, stream.window
    check_decision(spec, labels)
    samples, step = (1, 1) if window is None else (window.samples, window.step)
    wanted = shape[:1] if window is None else (*shape[:1], samples)
    if not 1 <= min(samples, step) <= max(samples, step) <= _MOST_ROWS:
        raise ExportError(f"windows and steps of 1 to {_MOST_ROWS} rows", f"{samples} and {step}", f"model {name}")
    if not shape or tuple(shape) != wanted:
        raise ExportError(f"samples of shape {wanted}, as the stream has them", f"{shape}", f"model {name}")
    if labels and outputs not in (len(labels), 1 if len(labels) == 2 else len(labels)):
        raise ExportError(f"a probability for each of {len(labels)} labels", str(outputs), f"model {name}")
    if not labels and outputs != 1:
        raise ExportError("one number, or probabilities of labels", f"{outputs} numbers", f"model {name}")
    return Layout(
        name=name,
        channels=shape[0],
        samples=samples,
        step=step,
        classes=len(labels),
        outputs=outputs,
        smoothing=spec.smoothing,
        debounce=spec.debounce,
        threshold=float(np.float32(spec.threshold)),
        own=tuple(float(v) for v in own_thresholds(spec, labels)) if spec.thresholds else (),
        alarms=tuple(index for index, label in enumerate(labels) if label in spec.alarms),
        quiet=_quiet(stream) if spec.alarms else 0,
        grid=grid if grid is not None and grid.pays(step) else None,
        full_mean=spec.full_mean is True and spec.smoothing > 1,
        fill_start=window is not None and window.fill_start and samples > 1,
    )


def _quiet(stream: Stream) -> int:
    """Return rows of the refractory time: so many rows after an alarm it is over, as `Decider` counts seconds."""
    seconds = stream.decision.refractory - SLACK
    if seconds <= 0:
        return 0
    rate = None if stream.window is None else stream.window.rate
    if rate is None or not 0 < rate < math.inf:
        raise ExportError(
            "a rate of the rows, in which the refractory time is counted", "none", "decision.refractory",
            "Set it to 0, or give the run a rate",
        )  # fmt: skip
    rows = math.ceil(seconds * rate)
    if rows > _MOST_ROWS:
        raise ExportError(f"at most {_MOST_ROWS} rows", f"{rows}", "decision.refractory")
    return rows


def write_stream_c99(
    stream: Stream,
    shape: Sequence[int],
    outputs: int,
    *,
    name: str,
    columns: Sequence[str] = (),
    watchers: Watchers = _NOBODY,
    turned: bool = False,
    header: str = "",
) -> dict[str, str]:
    """Return the code around a model that `write_c99` wrote under the same name.

    Args:
        stream: how rows become windows and answers become decisions.
        shape: of one sample: (columns,), or (channels, samples) where the stream has windows.
        outputs: probabilities or numbers the model gives.
        name: of the model's files, and prefix of every name in them.
        columns: names of the channels, for the header.
        watchers: detectors of the same rows, whose anomalies are events, too.
        turned: whether NAME_adapt.c swaps and mirrors the axes of a window before the model.
        header: NAME.h of the model, which says whether it takes a window frame by frame; else windows are kept.

    Returns:
        File name -> text: NAME_stream.h and NAME_stream.c, and the files of the detectors.

    Raises:
        InputError: for a name that C does not take, windows of another shape than the model's, a decision that is
            none of the model's, or a refractory time for rows whose rate is not known.
    """
    has_start = stream.window is not None and stream.window.fill_start
    whole = turned or has_start or any(watcher.given for watcher in watchers.all)
    layout = layout_of(identifier(name), stream, tuple(shape), outputs, None if whole else grid_in(header))
    sizes = _sizes(layout, watchers)
    words, code = _header(layout, stream, columns, watchers), _code(layout, watchers)
    texts = {
        f"{name}_stream.h": filled(parts(__file__, "stream.h")["header"], **sizes, **words),
        f"{name}_stream.c": filled(parts(__file__, "stream.c")["source"], **sizes, **code, turned=turned),
    }
    return {**named(texts, name), **watchers.files}


def _sizes(at: Layout, watchers: Watchers) -> dict[str, object]:
    """Return the numbers that header and source are written with."""
    return {
        "channels": at.channels, "samples": at.samples, "step": at.step, "skipped": max(0, at.step - at.samples),
        "classes": at.classes, "smoothing": at.smoothing, "full": at.full_mean, "alarms": len(at.alarms),
        "quiet": at.quiet, "fill_start": at.fill_start, "frames": at.grid is not None,
        "windows": 0 if at.grid is None else at.grid.windows(at.step), "detectors": len(watchers.all),
        "timed": any(watcher.form.score.season for watcher in watchers.all),
    }  # fmt: skip


def _header(at: Layout, stream: Stream, columns: Sequence[str], watchers: Watchers) -> dict[str, object]:
    """Return what the header says besides the numbers."""
    numbers = f"{at.channels} numbers ({template_comment(', '.join(columns))})" if columns else f"{at.channels} numbers"
    rate = stream.window.rate if stream.window is not None else None
    pace = f", {rate:.9g} rows a second" if rate else ""
    cut = f"Windows of {at.samples} rows, one every {at.step}{pace}" if at.samples > 1 else "Every row is answered"
    notes = note_lines(watchers)
    return {
        "row": numbers, "how": "\n * ".join(_how(at, stream)), "notes": len(notes), "note": "\n * ".join(notes),
        "cut": cut,
        "ram": at.ram + _ANOMALY_BYTES * len(watchers.all), "also": " and of the detectors" if watchers.all else "",
        "window": at.channels * at.samples,
        "includes": "\n".join(f'#include "{watcher.prefix}_detect.h"' for watcher in watchers.all),
        "members": "\n".join(f"    {w.prefix}_detect_context detector{n};" for n, w in enumerate(watchers.all)),
    }  # fmt: skip


def _how(at: Layout, stream: Stream) -> list[str]:
    """Return what is decided, in words."""
    if not at.classes:
        return []
    spec, labels = stream.decision, stream.labels
    mean = f"the mean of the last {at.smoothing} answers" if at.smoothing > 1 else "each answer"
    mean += ", never of fewer" if at.full_mean else ""
    row = (
        f"{at.debounce} windows in a row that choose the same label decide" if at.debounce > 1 else "the choice decides"
    )
    lines = [f"A window chooses by {mean}; {row}."]
    limits = [f"{template_comment(label)} {spec.thresholds[label]:.9g}" for label in labels if label in spec.thresholds]
    if at.threshold or limits:
        limits.append(f"{at.threshold:.9g} for the others" if limits else f"{at.threshold:.9g}")
        lines.append(f"Thresholds: {', '.join(limits)}.")
    if at.alarms:
        names = ", ".join(template_comment(labels[index]) for index in at.alarms)
        lines.append(f"Alarms: {names}{f'; {at.quiet} rows or more between two of one label' if at.quiet else ''}.")
    return lines


def _code(at: Layout, watchers: Watchers) -> dict[str, object]:
    """Return what the source says besides the numbers."""
    two = at.classes == 2 and at.outputs == 1
    numbered = list(enumerate(watchers.all))
    given = [watcher.given for watcher in watchers.all]
    return {
        "value": "(i == 0 ? 1.0f - answer->probabilities[0] : answer->probabilities[0])" if two
        else "answer->probabilities[i]",
        "debounce": at.debounce, "threshold": number(at.threshold), "own": bool(at.own),
        "own_thresholds": _constants(at.own), "alarm_labels": ", ".join(map(str, at.alarms)),
        "first_alarm": at.alarms[0] if at.alarms else 0, "kept": max(0, at.samples - at.step), "newest": at.samples - 1,
        "begin": -1 if at.fill_start else 0,
        "rewind": 0 if at.grid is None else at.samples - at.grid.windows(at.step) * at.step,
        "row_detectors": given.count(False), "window_detectors": given.count(True),
        "watched": watch_functions(watchers.all), "limits": _constants(w.form.threshold for w in watchers.all),
        "times": "\n".join(
            f"    {w.prefix}_detect_time(&context->detector{n}, microseconds);"
            for n, w in numbered if w.form.score.season
        ),
        "gaps": "".join(f"    {w.prefix}_detect_gap(&context->detector{n});\n" for n, w in numbered if w.form.cuts),
        "begins": "".join(f"    {w.prefix}_detect_init(&context->detector{n});\n" for n, w in numbered),
    }  # fmt: skip


def _constants(values: Iterable[float]) -> str:
    return ", ".join(number(value).strip("()") for value in values)


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


DENOISER = parts(__file__, "denoiser.c")
_DENOISER_H = parts(__file__, "denoiser.h")
DENOISER_HEADER = _DENOISER_H["title"] + guarded("@@_H", "<stdint.h>", _DENOISER_H["header"])


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
    tail = [_denoiser_tail(denoiser, steps, kept)]
    late = max(denoiser.spec.delay * steps.channels, 1)
    ends = (first.leaves[0].buffer, last.leaves[0].buffer)
    text, arena = stream_source(unit, ends, _floats(denoiser), tail)
    lines = sum(memory.size for memory in kept)
    steps_bytes = 2 * steps.hop * steps.channels
    ram = -(-(arena + lines) // 4) * 4 + 4 * late + -(-steps_bytes // 4) * 4 + 4
    fields = [f"int32_t arena[{max(arena // 4, 1)}];", *(memory.field for memory in kept)]
    head = filled(DENOISER_HEADER, **{
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


def _denoiser_tail(denoiser: DenoiserFile, steps: Steps, kept: Sequence[Kept]) -> str:
    numbers, spec = _numbers(denoiser, steps), denoiser.spec
    clear = "".join(memory.clear for memory in kept)
    wait = (
        filled(DENOISER["wait"], waiting=spec.delay * steps.channels)
        if spec.delay
        else "        out[i] = in[i] - noise;\n"
    )
    first, last = (
        denoiser.network.values[number_of] for number_of in (denoiser.network.input, denoiser.network.output)
    )
    floats = {"in_scale": number(first.scale), "out_scale": number(last.scale)}
    return "\n" + filled(DENOISER["step"], **{
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
