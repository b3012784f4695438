"""The data flow of a run as a row of tiles, each with its shape and a small drawing made of the run's own record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
from markupsafe import Markup

from edgewright.core.formatting import amount, number, percent, plural, shape_text
from edgewright.core.records.trace import BudgetRow, StageRecord, Statistics, Trace
from edgewright.trace.blocks.charts import drawing, sampled, svg_text
from edgewright.trace.sentences.facts import config_table, parameter_count, ranked

WIDTH, HEIGHT = 132.0, 84.0
_MIDDLE, _ARROW = WIDTH / 2, 7.0
# Columns, values, layers, bars with a name and letters of it that a small drawing tells apart.
_COLUMNS, _VALUES, _LAYERS, _METERS, _NAME = 32, 60, 6, 3, 14
_ENDS = frozenset({"data", "split", "model", "package", "predict", "architecture"})
Values = Sequence[float | None]


@dataclass(frozen=True)
class Tile:
    """A stage of the data flow on the first screen.

    Attributes:
        title: title of the stage.
        shape: of one sample that leaves it, or what stands for it.
        drawing: made of the record; empty where it holds nothing to draw.
        anchor: where the page says more.
        words: what the drawing shows, for views without pictures; empty where only a picture says it.
    """

    title: str
    shape: str
    drawing: Markup
    anchor: str
    words: str = ""


def tiles(trace: Trace) -> list[Tile]:
    """Return the tiles from the data to the answer; stages that the record lacks are left out."""
    shown = [*_stages(trace)]
    if trace.layers:
        shown.append(_network(trace))
    if trace.training is not None and len(trace.training.epochs) > 1:
        shown.append(_training(trace))
    if trace.device is not None and trace.device.rows:
        fits = "fits" if trace.device.fits else "does not fit"
        shown.append(Tile(trace.device.profile, fits, *budgets(trace.device.rows)))
    if trace.predictions and trace.predictions[0].answer:
        shown.append(_answer(trace))
    return shown


def _stages(trace: Trace) -> Iterator[Tile]:
    """Yield the data, and what prepares them in at most two tiles."""
    numbered = list(enumerate(trace.stages, 1))
    data = [(step, stage) for step, stage in numbered if stage.kind == "data"][:1]
    for step, stage in data:
        samples = f"{stage.shape_out[0]:,} x {_shape(stage.shape_out)}" if stage.shape_out else ""
        yield Tile(stage.name, samples, _data(stage), f"data_flow-{step}")
    between = [(step, stage) for step, stage in numbered if stage.kind not in _ENDS]
    names = data[0][1].names_after if data else ()
    parts = [between[:-1], between[-1:]] if len(between) > 1 else [between]
    for part in parts:
        if part:
            (step, first), (_, last) = part[0], part[-1]
            more = f" and {len(part) - 1} more" if len(part) > 1 else ""
            flow = _shape(last.shape_out)
            if _shape(first.shape_in) != flow:
                flow = f"{shape_text(first.shape_in[1:])} → {flow}"
            earlier = trace.stages[step - 2] if step > 1 else first
            drawing, words = _change(earlier, first, last, names)
            yield Tile(first.name + more, flow, drawing, f"data_flow-{step}", words)
            names = last.names_after or names


def _shape(shape: Sequence[int]) -> str:
    return "" if len(shape) < 2 else plural(shape[1], "column") if len(shape) == 2 else shape_text(shape[1:])


def _data(stage: StageRecord) -> Markup:
    return svg(_side(stage, stage.sample_after, stage.shape_out, 0, WIDTH, "series-1"), f"{stage.name}: a sample")


def _change(earlier: StageRecord, first: StageRecord, last: StageRecord, names: Sequence[str]) -> tuple[Markup, str]:
    """Draw what came in beside what went on; of chosen columns all, those that stay in colour."""
    scores = () if last.scores is msgspec.UNSET else last.scores
    # A later stage of the same card may have named its columns anew.
    if scores and set(last.names_after) <= {name for name, _ in scores}:
        return _chosen(last, [score for _, score in scores], [name for name, _ in scores])
    fewer = len(last.names_after) < len(names) and set(last.names_after) <= set(names)
    if fewer and first is last and len(names) <= _COLUMNS:
        return _chosen(last, [1.0] * len(names), names)
    end = _MIDDLE - _ARROW
    before = _side(earlier, first.sample_before, first.shape_in, 0, end, "quiet")
    after = _side(last, last.sample_after, last.shape_out, _MIDDLE + _ARROW, WIDTH, "series-1")
    x, y = _MIDDLE, HEIGHT / 2
    arrow = f'<path d="M{x - 4:g} {y:g}h7m-3 -3l3 3l-3 3" fill="none" stroke="var(--quiet)"/>'
    return svg([*before, arrow, *after], f"{last.name}: a sample before and after"), ""


def _side(
    stage: StageRecord, samples: Sequence[Values], shape: Sequence[int], left: float, right: float, colour: str
) -> list[str]:
    """Draw samples of one place: a window as a curve, rows as the ranges of their columns, else as bars."""
    if len(shape) > 2:
        return curve(samples[0][:_VALUES], left, right, colour) if samples else []
    if stage.columns_after and len(stage.columns_after) > 1:
        return _ranges(stage.columns_after[:_COLUMNS], left, right, colour)
    return sticks(samples[0][:_COLUMNS], left, right, colour) if samples else []


def curve(values: Values, left: float, right: float, colour: str) -> list[str]:
    """Return a window's values as a line between two places; a missing value breaks it."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return []
    low, span = min(known), (max(known) - min(known)) or 1.0
    step, path, pen = (right - left) / (len(values) - 1), [], "M"
    for i, value in enumerate(values):
        if value is None or not math.isfinite(value):
            pen = "M"
            continue
        path.append(f"{pen}{left + i * step:.1f} {HEIGHT - 6 - (HEIGHT - 12) * (value - low) / span:.1f}")
        pen = "L"
    return [f'<path d="{"".join(path)}" fill="none" stroke="var(--{colour})" stroke-width="1.5"/>']


def _ranges(columns: Sequence[Statistics], left: float, right: float, colour: str) -> list[str]:
    """Draw a line from the smallest to the largest value of each column, by the order of magnitude, and its mean."""
    ends = [(_magnitude(c.minimum), _magnitude(c.mean), _magnitude(c.maximum)) for c in columns]
    # The same scale on every tile: columns between 0 and 1 stay small beside those of thousands.
    low, high = min(0.0, *(end[0] for end in ends)), max(_magnitude(10), *(end[2] for end in ends))
    step = (right - left) / len(ends)

    def height_of(value: float) -> float:
        return HEIGHT - 5 - (HEIGHT - 10) * (value - low) / (high - low)

    lines = "".join(
        f"M{left + (i + 0.5) * step:.1f} {height_of(a):.1f}V{min(height_of(c), height_of(a) - 1):.1f}"
        for i, (a, _, c) in enumerate(ends)
    )
    width = max(1.0, min(4.0, step * 0.6))
    starts = [left + (i + 0.5) * step - width / 2 for i in range(len(ends))]
    dots = "".join(f"M{x:.1f} {height_of(mean):.1f}h{width:.1f}" for x, (_, mean, _) in zip(starts, ends, strict=True))
    return [
        f'<path d="{lines}" stroke="var(--{colour})" stroke-width="{width:.1f}" opacity=".45"/>',
        f'<path d="{dots}" stroke="var(--{colour})" stroke-width="2"/>',
    ]


def _magnitude(value: float) -> float:
    return math.copysign(math.log10(1 + abs(value)), value)


def sticks(values: Values, left: float, right: float, colour: str) -> list[str]:
    """Return values as bars from a common base line between two places."""
    known = [0.0 if value is None or not math.isfinite(value) else float(value) for value in values]
    top, bottom = max([0.0, *known]), min([0.0, *known])
    span, step = (top - bottom) or 1.0, (right - left) / max(1, len(known))
    scale, width = (HEIGHT - 10) / span, max(0.8, step * 0.7)
    base = 5 + scale * top
    path = "".join(
        f"M{left + i * step:.1f} {base:.1f}v{-scale * value or -1:.1f}h{width:.1f}V{base:.1f}z"
        for i, value in enumerate(known)
    )
    return [f'<path d="{path}" fill="var(--{colour})"/>']


def _chosen(stage: StageRecord, scores: Sequence[float], names: Sequence[str]) -> tuple[Markup, str]:
    """Draw the score of each column, the highest first; those that stay are in colour."""
    kept = set(stage.names_after)
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:_COLUMNS]
    largest, step = max(*scores, 1e-30), WIDTH / max(1, len(order))
    bars: dict[bool, list[str]] = {True: [], False: []}
    for column, i in enumerate(order):
        height = max(1.0, (HEIGHT - 8) * max(0.0, scores[i]) / largest)
        bar = f"M{column * step:.1f} {HEIGHT - 4:g}v{-height:.1f}h{step * 0.7:.1f}v{height:.1f}z"
        bars[names[i] in kept].append(bar)
    paths = [
        f'<path d="{"".join(path)}" fill="var(--{colour})"/>'
        for path, colour in ((bars[True], "series-1"), (bars[False], "line")) if path
    ]  # fmt: skip
    count = sum(name in kept for name in names)
    words = f"{names[order[0]]} scores highest"
    return svg(paths, f"{stage.name}: {words}; {count} of {len(scores)} columns stay"), words


def _network(trace: Trace) -> Tile:
    """Draw the values between layers as columns, linked where a layer lies; of trees their branches."""
    parameters = parameter_count(trace.layers)
    nodes = sum(layer.nodes for layer in trace.layers)
    if not parameters:
        return Tile("Model", f"{nodes:,} nodes" if nodes else trace.layers[0].kind, branches(nodes), "model")
    inner = next((stage.shape_in for stage in trace.stages if stage.kind == "model"), ())
    sizes = [math.prod(inner[1:]), *(math.prod(layer.shape_out) for layer in trace.layers)]
    title = str(config_table(trace, "model").get("kind", "network")).replace("_", " ").capitalize()
    drawing, words = network(sizes, title)
    return Tile(title, f"{parameters:,} parameters", drawing, "model", words)


def network(sizes: Sequence[int], title: str) -> tuple[Markup, str]:
    """Draw the numbers of values between layers as columns; return the drawing and its words."""
    sizes = sampled(sizes, _LAYERS)
    heights = [10 + (HEIGHT - 14) * math.log(max(1, size)) / math.log(max(3, *sizes)) for size in sizes]
    step, parts = (WIDTH - 10) / max(1, len(sizes) - 1), []
    for i, (a, b) in enumerate(pairwise(heights)):
        x = i * step + 5
        corners = f"{x:.1f},{(HEIGHT - a) / 2:.1f} {x + step:.1f},{(HEIGHT - b) / 2:.1f} "
        corners += f"{x + step:.1f},{(HEIGHT + b) / 2:.1f} {x:.1f},{(HEIGHT + a) / 2:.1f}"
        parts.append(f'<polygon points="{corners}" fill="var(--tint)"/>')
    for i, height in enumerate(heights):
        parts.append(
            f'<rect x="{i * step + 2:.1f}" y="{(HEIGHT - height) / 2:.1f}" width="6" height="{height:.1f}" rx="3" '
            'fill="var(--series-1)"/>'
        )
    words = f"{' → '.join(f'{size:,}' for size in sizes)} values"
    return svg(parts, f"{title}: {words}"), words


def branches(nodes: int) -> Markup:
    """Draw a model of so many nodes."""
    levels, parts = min(5, max(2, round(math.log2(nodes + 1)))), list[str]()
    for level in range(levels):
        y, count = 8 + level * (HEIGHT - 16) / (levels - 1), 2**level
        for i in range(count):
            x = WIDTH * (i + 0.5) / count
            if level:
                above = WIDTH * (i // 2 + 0.5) / (count / 2)
                parts.append(f"M{above:.1f} {y - (HEIGHT - 16) / (levels - 1):.1f}L{x:.1f} {y:.1f}")
    path = f'<path d="{"".join(parts)}" fill="none" stroke="var(--series-1)" stroke-width="1.5"/>'
    return svg([path], f"Branches of {nodes:,} nodes")


def _training(trace: Trace) -> Tile:
    assert trace.training is not None  # noqa: S101 - asked before
    epochs = trace.training.epochs
    curves: list[Values] = [[epoch.loss for epoch in epochs], [epoch.validation_loss for epoch in epochs]]
    known = [value for curve in curves for value in curve if value is not None and math.isfinite(value)] or [0.0]
    low, span, step = min(known), (max(known) - min(known)) or 1.0, (WIDTH - 4) / (len(epochs) - 1)
    parts = []
    for curve, style in zip(curves, ('"var(--series-1)"', '"var(--series-2)" stroke-dasharray="4 2"'), strict=True):
        points = " ".join(
            f"{2 + i * step:.1f},{HEIGHT - 5 - (HEIGHT - 10) * (value - low) / span:.1f}"
            for i, value in enumerate(curve) if value is not None and math.isfinite(value)
        )  # fmt: skip
        parts.append(f'<polyline points="{points}" fill="none" stroke={style} stroke-width="1.8"/>' if points else "")
    words = f"from {number(epochs[0].loss)} to {number(epochs[-1].loss)}"
    label = f"Loss over {len(epochs)} epochs, {words}"
    return Tile("Loss", f"{len(epochs)} epochs", svg(parts, label), "training", words)


def budgets(rows: Sequence[BudgetRow]) -> tuple[Markup, str, str]:
    """Draw what is used of each budget with a limit; return the drawing, its anchor and its words."""
    limited = [row for row in rows if row.available > 0][:_METERS]
    meters = [
        (
            row.name,
            amount(row.used, row.unit),
            row.used / row.available,
            "bad" if row.used > row.available else "series-1",
        )
        for row in limited
    ]
    limits = ", ".join(
        f"{row.name} {amount(row.used, row.unit)} of {amount(row.available, row.unit)}" for row in limited
    )
    words = ", ".join(f"{name} {figure}" for name, figure, _, _ in meters)
    return svg(_meters(meters), f"Budgets: {limits}"), "device", words


def _answer(trace: Trace) -> Tile:
    prediction = trace.predictions[0]
    shares = ranked(prediction)[:_METERS]
    names = [label if len(label) <= _NAME else f"{label[: _NAME - 1]}…" for label, _ in shares]
    meters = [(name, percent(share), share, "series-1") for name, (_, share) in zip(names, shares, strict=True)]
    known = "" if prediction.right is None else ": right" if prediction.right else ": wrong"
    shape = f"{prediction.answer}{known}"
    words = ", ".join(f"{name} {figure}" for name, figure, _, _ in meters[:2])
    return Tile("An answer", shape, svg(_meters(meters), f"An answer: {shape}"), "prediction", words)


def _meters(meters: Sequence[tuple[str, str, float, str]]) -> list[str]:
    parts = []
    for i, (name, figure, share, colour) in enumerate(meters):
        y = 4 + 27 * i
        parts.append(svg_text(0, y + 8, name, colour="ink") + svg_text(WIDTH, y + 8, figure, "end", "ink"))
        for width, fill in ((WIDTH, "line"), (min(WIDTH, max(1.5, WIDTH * share)), colour)):
            parts.append(f'<rect y="{y + 12}" width="{width:.4g}" height="6" rx="2" fill="var(--{fill})"/>')
    return parts


def svg(parts: Sequence[str], label: str) -> Markup:
    """Return a small drawing with its name for who does not see it; empty without parts."""
    return drawing(parts, label, WIDTH, HEIGHT, kind="mini") if parts else Markup("")
