"""Detectors in generated C: code that is drawn, on which coefficients are fitted, and every kind that is shipped.

Nothing is fitted on a shipped detector: what is drawn computes nothing of use, in the idioms that such code has.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_detectors import Score, floats, mean_of_rows
from edgewright.export.c99_detectors._source import Form, checked, detector_form, form_files
from edgewright.export.detector_program import detector_program
from edgewright.export.emulator import Entry, run_on_device
from edgewright.profiles.footprint import program_footprint
from edgewright.schema.footprint import Footprint, Program
from edgewright.schema.profile import Profile
from edgewright.workflows.detection.fit import configured, learn
from edgewright.workflows.detection.rows import Stretch
from edgewright.workflows.estimation.workflow import Truth

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
# Rows of a stream on which instructions are counted, after it was seen twice; and every how many microseconds.
_ROWS, _EVERY = 64, 600_000_000
_LEARNT = 1_500
# Blocks of what is drawn: most detectors take few.
_SIZES = (0, 1, 1, 1, 2, 2, 3, 4, 6)


@dataclass(frozen=True)
class DetectorSubject:
    """A detector.

    Attributes:
        name: of it.
        form: its code.
        rows: to count on, shape (`_ROWS`, channels).
        blocks: sorts of code that it was drawn from.
    """

    name: str
    form: Form
    rows: NDArray[np.float32]
    blocks: tuple[str, ...] = ()

    def exactly(self, _core: str) -> Program:
        """Return the program that is compiled."""
        return detector_program(self.form)

    def before(self, _core: str) -> Program:
        """Return the same: nothing of a detector is calibrated later."""
        return detector_program(self.form)

    def estimate(self, profile: Profile) -> Footprint:
        """Return the estimate of that program."""
        return program_footprint(profile, self.before(""), form="float")

    def truth(self, core: str) -> Truth:
        """Return what it takes, compiled and counted: instructions of a row, the mean over a stream."""
        channels = self.form.channels
        time = f"m_detect_time(&context, INT64_C({_EVERY}) * i); " if self.form.score.season else ""
        call = f"static m_detect_context context; static m_anomaly told; for (int i = 0; i < {len(self.rows)}; ++i) {{ "
        call += f"{time}*(int *)out = m_detect(&context, (const float *)in + {channels} * i, &told); }}"
        entry = Entry("m_detect.h", call, 4 * self.rows.size, 4)
        stream = self.rows.reshape(1, -1)
        done = run_on_device(form_files(self.form, "m"), entry, core, stream, timeout=300.0, counted=3e7, tools="qemu")
        each = round(done.instructions / len(self.rows))
        return Truth(flash=done.flash, static=done.ram, stack=done.stack, instructions=each)


def shipped_detectors() -> Iterator[DetectorSubject]:
    """Every kind that has a form in C, with its default settings unless said, on public data where it is there."""
    chosen: tuple[tuple[str, str, dict[str, object]], ...] = (
        ("robust", "occupancy", {}), ("robust", "nab", {"season": 86_400.0, "mean": 4}), ("pca", "skab", {}),
        ("pca", "occupancy", {"mean": 8}), ("k_means", "occupancy", {}), ("var", "skab", {}),
        ("k_means", "skab", {}), ("own_past", "nab", {}), ("spectral_residual", "nab", {}),
        ("autoencoder", "skab", {}),
    )  # fmt: skip
    for name, data, settings in chosen:
        if not (DATA / data).exists():
            continue
        values = _DATA[data]()
        time = 1.4e9 + 300.0 * np.arange(float(len(values)))
        learnt = learn(name, configured(name, settings), (Stretch(data, values[:_LEARNT], time[:_LEARNT]),))
        columns = tuple(f"column{n}" for n in range(values.shape[1]))
        form = detector_form(name, learnt, columns=columns, threshold=1e6)
        yield DetectorSubject(f"{name} of {data}", form, values[_LEARNT : _LEARNT + _ROWS])


def _read(path: Path, separator: str, columns: slice) -> NDArray[np.float32]:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text("utf-8")
    lines = [line.split(separator)[columns] for line in text.splitlines()[1 : _LEARNT + _ROWS + 1]]
    return np.asarray(lines, np.float32)


_DATA: dict[str, Callable[[], NDArray[np.float32]]] = {
    "occupancy": lambda: _read(DATA / "occupancy" / "datatraining.txt", ",", slice(2, 7)),
    "skab": lambda: _read(DATA / "skab" / "anomaly-free" / "anomaly-free.csv.gz", ";", slice(1, 9)),
    "nab": lambda: _read(
        DATA / "nab" / "data" / "realKnownCause" / "machine_temperature_system_failure.csv.gz", ",", slice(1, 2)
    ),
}


def drawn_detectors(count: int, seed: int) -> Iterator[DetectorSubject]:
    """So many, each of up to six blocks of code over one to twelve channels."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        channels = int(rng.integers(1, 13))
        code = _Code(rng, channels)
        blocks = [_BLOCKS[block] for block in rng.integers(0, len(_BLOCKS), int(rng.choice(_SIZES)))]
        for block in blocks:
            block(code)
        form = Form("drawn", code.score(), tuple(f"c{n}" for n in range(channels)), 1e30, 0, None, own_windows=True)
        rows = rng.normal(0.0, 1.0, (_ROWS, channels)).astype(np.float32)
        yield DetectorSubject(f"detector {seed}.{number}", checked(form), rows, tuple(b.__name__ for b in blocks))


class _Code:
    """A score that grows block by block; `z` holds a number a channel, `total` what is returned."""

    def __init__(self, rng: np.random.Generator, channels: int) -> None:
        self.rng, self.channels, self.blocks = rng, channels, 0
        self.lines: list[str] = []
        self.helpers: list[str] = []
        self.tables: dict[str, NDArray[Any]] = {"mean": self.numbers(channels), "unit": self.numbers(channels)}
        rows = int(rng.choice([1, 1, 4, 10]))
        lines, state, self.counts = mean_of_rows(rows, channels, "(x - @_mean[i]) / @_unit[i]")
        self.state = dict(state)
        self.whole: dict[str, tuple[str, int]] = {}
        self.lines += [*lines, "float total = 0.0f;"]

    def numbers(self, count: int) -> NDArray[np.float32]:
        """Return a table of numbers that are not zero."""
        return floats(self.rng.uniform(0.5, 2.0, count) * self.rng.choice([-1.0, 1.0], count))

    def name(self, word: str) -> str:
        """Return a name that this block alone has."""
        return f"{word}{self.blocks}"

    def pick(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""
        return int(self.rng.integers(low, high + 1))

    def block(self, *lines: str) -> None:
        """Add lines in a scope of their own."""
        self.lines += ["{", *(f"    {line}" for line in lines), "}"]
        self.blocks += 1

    def formula(self, names: tuple[str, ...], terms: int) -> str:
        """Return an expression of floats, of the first and of others of these."""
        expression = names[0]
        for _ in range(terms):
            other = names[self.pick(min(1, len(names) - 1), len(names) - 1)]
            form = self.pick(0, 6)
            if form == 6:
                expression = f"({expression} > {other} ? {expression} : {other} * {self.rng.uniform(0.1, 0.9):.3f}f)"
            else:
                operation = ("+", "-", "*", "+", "*", "/")[form]
                expression = f"({expression} {operation} {f'(fabsf({other}) + 0.5f)' if operation == '/' else other})"
        return expression

    def score(self) -> Score:
        """Return the whole."""
        ending = [
            "float most = 0.0f;",
            f"for (int i = 0; i < {self.channels}; ++i) {{",
            "    context->parts[i] = fabsf(z[i]);",
            "    most = context->parts[i] > most ? context->parts[i] : most;",
            "}",
            "return most + total;",
        ]
        season = None
        if self.pick(0, 3) == 0:
            season, parts = (86_400_000_000, 24), 24
            self.tables["day"] = self.numbers(parts)
            self.lines.append("total += context->part > 0u ? @_day[context->part - 1u] : 0.0f;")
        return Score((*self.lines, *ending), self.tables, self.state, self.counts, self.whole,
                     "\n\n".join(self.helpers), season)  # fmt: skip


def _products(code: _Code) -> None:
    """Write a matrix multiplied by the channels."""
    name, rows, c = code.name("weights"), code.pick(2, 12), code.channels
    code.tables[name] = code.numbers(rows * c)
    code.block(
        f"for (int k = 0; k < {rows}; ++k) {{",
        f"    const float *const axis = @_{name} + {c} * k;",
        "    float along = 0.0f;",
        f"    for (int i = 0; i < {c}; ++i) {{",
        "        along += axis[i] * z[i];",
        "    }",
        f"    total += {code.formula(('along', 'total'), code.pick(1, 3))};",
        "}",
    )


def _nearest(code: _Code) -> None:
    """Write the smallest of several sums of squares."""
    name, rows, c = code.name("places"), code.pick(2, 16), code.channels
    code.tables[name] = code.numbers(rows * c)
    code.block(
        "float low = FLT_MAX;",
        "int at = 0;",
        f"for (int k = 0; k < {rows}; ++k) {{",
        "    float sum = 0.0f;",
        f"    for (int i = 0; i < {c}; ++i) {{",
        f"        const float far = z[i] - @_{name}[{c} * k + i];",
        "        sum += @_finite(row[i]) ? far * far : 0.0f;" if code.pick(0, 1) else "        sum += far * far;",
        "    }",
        "    if (sum < low) {",
        "        low = sum;",
        "        at = k;",
        "    }",
        "}",
        f"total += {'sqrtf(low)' if code.pick(0, 1) else 'low'} + (float)at;",
    )


def _averages(code: _Code) -> None:
    """Exponential means of every channel, and what is computed of them."""
    one, two, c = code.name("fast"), code.name("slow"), code.channels
    code.state |= {one: c, two: c}
    lines = [
        f"context->{one}[i] += {code.rng.uniform(0.01, 0.5):.3f}f * (z[i] - context->{one}[i]);",
        f"const float apart = fabsf(z[i] - context->{two}[i]);",
        f"context->{two}[i] += {code.rng.uniform(0.01, 0.5):.3f}f * (apart - context->{two}[i]);",
        f"const float shift = {code.formula(('apart', 'z[i]', f'context->{one}[i]'), code.pick(1, 6))};",
        f"total = {'sqrtf(shift * shift + total)' if code.pick(0, 2) == 0 else 'shift > total ? shift : total'};",
    ]
    if code.pick(0, 1):
        lines = ["if (!@_finite(row[i])) {", "    continue;", "}", *lines]
    code.block(f"for (int i = 0; i < {c}; ++i) {{", *(f"    {line}" for line in lines), "}")


def _called(code: _Code) -> None:
    """Write a function of the detector's own, called for every channel."""
    name, c, wide = code.name("step"), code.channels, code.pick(2, 4)
    code.state[name] = wide * c
    own = tuple(f"own[{n}]" for n in range(wide))
    body = [f"    own[{n}] += {code.rng.uniform(0.01, 0.3):.3f}f * (x - {own[n - 1]});" for n in range(wide)]
    code.helpers.append(
        "\n".join([
            f"static float @_{name}(float *own, float x) {{",
            *body,
            f"    const float made = {code.formula((*own, 'x'), code.pick(1, 6))};",
            f"    return {'sqrtf(fabsf(made))' if code.pick(0, 1) else 'made > 0.0f ? made : 0.0f'};",
            "}",
        ])
    )  # fmt: skip
    more = code.pick(0, 1)
    others = ("near", "total") if more else ("total",)
    code.block(
        f"for (int i = 0; i < {c}; ++i) {{",
        f"    const float far = @_{name}(context->{name} + {wide} * i, z[i]);",
        *([f"    const float near = @_{name}(context->{name} + {wide} * i, far - total);"] if more else []),
        f"    total += {code.formula(('far', *others), code.pick(1, 3))};",
        "}",
    )


def _curves(code: _Code) -> None:
    """Logarithms and powers of values that are remembered."""
    name, count = code.name("values"), code.pick(4, 60)
    function = ("logf(fabsf({}) + 1.0f)", "expf(-fabsf({}))", "sqrtf(fabsf({}))")[code.pick(0, 2)]
    code.state[name] = count
    code.block(
        f"for (int k = 0; k < {count}; ++k) {{",
        f"    context->{name}[k] = {function.format(f'0.5f * context->{name}[k] + z[0]')};",
        f"    total += {code.formula((f'context->{name}[k]', 'total'), code.pick(0, 2))};",
        "}",
    )


def _waves(code: _Code) -> None:
    """Sum of products with a wave, by whole numbers that turn round."""
    kept, wave, count, bins = code.name("held"), code.name("wave"), code.pick(12, 72), code.pick(4, 40)
    code.state[kept] = count
    code.tables[wave] = floats(np.cos(2 * np.pi * np.arange(count) / count))
    two = code.pick(0, 1)
    code.block(
        f"memmove(context->{kept}, context->{kept} + 1, {count - 1}u * sizeof *context->{kept});",
        f"context->{kept}[{count - 1}] = z[0];",
        f"for (int f = 0; f < {bins}; ++f) {{",
        "    float real = 0.0f, turned = 0.0f;",
        f"    for (int k = 0, place = 0; k < {count}; ++k) {{",
        f"        real += context->{kept}[k] * @_{wave}[place];",
        *([f"        turned -= context->{kept}[k] * @_{wave}[{count - 1} - place];"] if two else []),
        f"        place += place + f < {count} ? f : f - {count};",
        "    }",
        "    total += real * real + turned * turned;",
        "}",
    )


def _walks(code: _Code) -> None:
    """Walk through trees of whole numbers and limits."""
    cuts, splits, trees, depth = code.name("cuts"), code.name("splits"), code.pick(2, 30), code.pick(2, 6)
    inner = 2**depth - 1
    code.tables[cuts] = code.numbers(trees * inner)
    code.tables[splits] = code.rng.integers(0, code.channels, trees * inner)
    counted, first = code.pick(0, 1), code.pick(0, 1)
    at = "first + node" if first else f"{inner} * tree + node"
    if counted:
        code.whole[code.name("visits")] = ("uint16_t", trees * inner)
    code.block(
        f"for (int tree = 0; tree < {trees}; ++tree) {{",
        "    int node = 0;",
        *([f"    const int first = {inner} * tree;"] if first else []),
        f"    for (int level = 0; level < {depth}; ++level) {{",
        f"        const int channel = @_{splits}[{at}];",
        "        const float x = @_finite(row[channel]) ? row[channel] : 0.0f;",
        *([f"        ++context->{code.name('visits')}[{at}];"] if counted else []),
        f"        node = 2 * node + 1 + (x >= @_{cuts}[{at}] ? 1 : 0);",
        "    }",
        f"    total += 1.0f / (1.0f + {'(float)node' if code.pick(0, 1) else '(float)(node << 2) * 0.5f'});",
        "}",
    )


def _ranges(code: _Code) -> None:
    """Write the range of the stored values, and values in units of it."""
    name, count = code.name("range"), code.pick(8, 64)
    code.state[name] = count
    code.counts = (*code.counts, code.name("turn"))
    turn = f"context->{code.name('turn')}"
    code.block(
        f"{turn} = {turn} + 1u < {count}u ? {turn} + 1u : 0u;",
        f"context->{name}[{turn}] = z[0];",
        f"float low = context->{name}[0], high = context->{name}[0], mean = 0.0f;",
        f"for (int k = 1; k < {count}; ++k) {{",
        f"    low = context->{name}[k] < low ? context->{name}[k] : low;",
        f"    high = context->{name}[k] > high ? context->{name}[k] : high;",
        "}",
        "if (!(high > low)) {",
        "    return 0.0f;",
        "}",
        f"for (int k = 0; k < {count}; ++k) {{",
        f"    mean += {code.formula((f'context->{name}[k]', 'low', 'high'), code.pick(1, 3))};",
        "}",
        f"mean /= {count}.0f;",
        "total += mean;",
    )


def _history(code: _Code) -> None:
    """Write the last rows multiplied by a matrix."""
    last, weights, order, c = code.name("last"), code.name("lags"), code.pick(1, 4), code.channels
    wide = order * c
    code.state[last] = wide
    code.tables[weights] = code.numbers(wide * c)
    shift = f"memmove(context->{last} + {c}, context->{last}, {wide - c}u * sizeof *context->{last});"
    code.block(
        f"for (int i = 0; i < {c}; ++i) {{",
        "    float ahead = 0.0f;",
        f"    for (int k = 0; k < {wide}; ++k) {{",
        f"        ahead += @_{weights}[{wide} * i + k] * context->{last}[k];",
        "    }",
        f"    total += {code.formula(('ahead', 'z[i]'), code.pick(1, 3))};",
        "}",
        *([shift] if order > 1 else []),
        f"memcpy(context->{last}, z, sizeof z);",
    )


def _columns(code: _Code) -> None:
    """Write some numbers of every channel, and sums of them."""
    c, wide = code.channels, code.pick(1, 3)
    names = [f"{word}{code.blocks}" for word in ("inside", "outside", "beside")[:wide]]
    own = tuple(f"{name}[i]" for name in names)
    whole = "(" + " - ".join(own) + ")"
    code.block(
        "".join(["float ", ", ".join(f"{name}[{c}]" for name in names), ";"]),
        f"for (int i = 0; i < {c}; ++i) {{",
        *(f"    {one} = {code.formula(('z[i]', 'row[i]', *own[:n]), code.pick(1, 4))};" for n, one in enumerate(own)),
        "}",
        f"for (int i = 0; i < {c}; ++i) {{",
        f"    {own[-1]} *= {code.formula(('z[i]', *own), code.pick(0, 2))};",
        f"    total += {code.formula((whole, 'z[i]'), code.pick(0, 2))};",
        "}",
    )


_BLOCKS = (_columns, _products, _nearest, _averages, _called, _curves, _waves, _walks, _ranges, _history)
