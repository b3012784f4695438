"""A pipeline as blocks: each with its shape, a drawing of the chosen sample, its settings and its problem."""

from __future__ import annotations

import base64
import copy
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from markupsafe import Markup

from edgewright.core.errors import EdgewrightError, InputError, UnknownNameError
from edgewright.core.formatting import number, plural, shape_text
from edgewright.core.input.pictures import png
from edgewright.core.records.config import (
    AdaptConfig,
    CompressionConfig,
    DecisionConfig,
    DeviceConfig,
    ModelConfig,
    PipelineConfig,
    ScalingConfig,
    SplitConfig,
    TrainingConfig,
    WindowConfig,
)
from edgewright.core.records.trace import BudgetRow
from edgewright.core.toml_tables import convert_table
from edgewright.data.load import find_kind
from edgewright.graph.stage import Context
from edgewright.pipeline.config import checked
from edgewright.pipeline.plan import ROOMS, find_stage, model_of, resolve
from edgewright.studio.frame import error_text
from edgewright.studio.settings import (
    Entry,
    Field,
    Group,
    Table,
    config_of,
    data_kinds,
    described,
    entries_of,
    fields_of,
    first_table,
    kinds_of,
    label_of,
)
from edgewright.studio.view.pipeline_document import Output, Preview, Previews, value_at
from edgewright.trace.blocks.charts import budget_bar
from edgewright.trace.blocks.flow_picture import HEIGHT, WIDTH, branches, budgets, curve, network, sticks, svg

_MODEL, _DEVICE = ("model", "training", "scaling", "architecture"), ("device", "compression", "decision", "adapt")
_CHANNELS, _VALUES, _LISTED = 3, 80, 6
# So many settings of a stage are shown at once.
_FEW = 6
_GAP = 7.0
_UNNAMED = "pipeline"


@dataclass(frozen=True)
class Problem:
    """What is wrong: the block, the key of the setting where one is known, and the message."""

    block: str
    key: str
    text: str


@dataclass(frozen=True)
class Block:
    """A block of the picture.

    Attributes:
        key: 'data', 'stages.0', 'model' or 'device'.
        title: name of the block; `kind` of the stage where that says more.
        shape: of what leaves it, or its size.
        drawing: of the chosen sample.
        problem: what is wrong with it, empty where nothing is.
    """

    key: str
    title: str
    shape: str
    drawing: Markup
    problem: str = ""
    kind: str = ""

    @property
    def index(self) -> int | None:
        """Which of the stages it is; None for another block."""
        return int(self.key.partition(".")[2]) if self.key.startswith("stages.") else None


@dataclass(frozen=True)
class Side:
    """The chosen sample before or after a block: its drawing, shape, and some of its values by name."""

    title: str
    drawing: Markup
    shape: str
    values: tuple[tuple[str, str], ...]
    more: int


@dataclass(frozen=True)
class View:
    """A pipeline as a page shows it.

    Attributes:
        blocks: in order.
        problems: of all blocks.
        config: that a run would take; None where its settings are wrong.
        preview: on a few samples.
        row: number of the chosen sample.
    """

    blocks: tuple[Block, ...]
    problems: tuple[Problem, ...]
    config: PipelineConfig | None
    preview: Preview
    row: int

    def sides(self, key: str) -> list[Side]:
        """Return what arrives at a block and what leaves it, as far as it is known."""
        outputs = self.preview.outputs
        index = int(key[7:]) + 1 if key.startswith("stages.") else len(outputs)
        pair = [("arrives", index - 1), ("leaves", index)]
        named = {"data": [("a sample", 0)], "device": []}.get(key, pair)
        return [_side(title, outputs[i], self.row) for title, i in named if 0 <= i < len(outputs)]

    def why(self, key: str) -> str:
        """Return what a stage did to the samples, in a sentence."""
        index = int(key[7:]) + 1 if key.startswith("stages.") else 0
        return self.preview.outputs[index].why if 0 < index < len(self.preview.outputs) else ""


def view_of(table: Table, where: str, previews: Previews, sample: int) -> View:
    """Return a pipeline as blocks, with every block's first problem.

    Args:
        table: as its TOML gives it.
        where: name of the file, for messages.
        previews: of the studio.
        sample: number of the sample to show, among those of the preview.
    """
    config, usable, added, problems = _checked(table, where)
    preview = Preview()
    if usable is not None and not any(problem.block == "data" for problem in problems):
        preview = previews.of(usable, added, measured=not problems)
    if preview.failed is not None:
        block, error = preview.failed
        problems.append(
            Problem(block, _key(error, where, str(table.get("name"))) if block == "model" else block, error_text(error))
        )
    row = sample if any(sample == index for index, _ in preview.choices) else next(iter(dict(preview.choices)), 0)
    blocks = tuple(_blocks(table, preview, row, {problem.block: problem.text for problem in reversed(problems)}))
    return View(blocks, tuple(problems), config, preview, row)


def _checked(table: Table, where: str) -> tuple[PipelineConfig | None, PipelineConfig | None, int, list[Problem]]:
    """Check all blocks.

    Returns:
        The configuration, None where something is wrong; one with stages up to the first wrong one; how many stages
        were put before those of the table; and the first problem of each block.
    """
    problems: list[Problem] = []
    attempt = copy.deepcopy(table)
    for _ in range(len(attempt) + 4):
        try:
            config = checked(attempt, where)
            added = len(config.stages) - len(attempt.get("stages", ()))
            with_added = _resolved(config, where)
        except EdgewrightError as error:
            key = _key(error, where, str(table.get("name")))
            number = re.match(r"stages\.(\d+)", key)
            if number:
                key = f"stages.{max(0, int(number[1]) - _added(attempt, where))}{key[number.end() :]}"
            problem = Problem(_block_of(key), key, error_text(error))
            if any(problem.block == known.block for known in problems):
                break
            problems.append(problem)
            _without(attempt, problem)
        else:
            return (None if problems else config), with_added, added, problems
    return None, None, 0, problems


def _resolved(config: PipelineConfig, where: str) -> PipelineConfig:
    kind = config.data.get("kind")
    struct = find_kind(str(kind), f"{where} data.kind").config
    own = {key for key in config.data if key in ("kind", "resample", "near_duplicates", "label_errors", "without")}
    convert_table({k: v for k, v in config.data.items() if k not in own}, struct, f"{where} data")
    resolve(config)
    return config


def _added(table: Table, where: str) -> int:
    """Return how many stages a run puts before those of a table whose stages may be wrong."""
    try:
        return len(checked(table, where).stages) - len(table.get("stages", ()))
    except EdgewrightError:
        return 0


def _without(attempt: Table, problem: Problem) -> None:
    """Leave out what is wrong: a stage with all that come after it, or the tables of a block."""
    block, name = problem.block, attempt.get("name", _UNNAMED)
    if block.startswith("stages."):
        attempt["stages"] = attempt["stages"][: int(block[7:])] if isinstance(attempt.get("stages"), list) else []
    elif block == "data":
        for key in [key for key in attempt if key not in (*_MODEL, *_DEVICE, "stages")]:
            del attempt[key]
        if not isinstance(attempt.get("stages", []), list):
            del attempt["stages"]
        attempt |= {"name": _UNNAMED if problem.key == "name" else name, "data": {"kind": "machine"}}
    else:
        for key in _MODEL if block == "model" else _DEVICE:
            attempt.pop(key, None)


def _key(error: EdgewrightError, where: str, name: str) -> str:
    """Return the key that a message is about: 'stages.1.k', 'model.layers.0.units', or empty where it names none."""
    if isinstance(error, UnknownNameError) and error.kind in ("device profile", "optimiser"):
        return "device.profile" if error.kind == "device profile" else "training.optimiser"
    files = "|".join(map(re.escape, (where.removesuffix(".toml"), name, _UNNAMED)))
    text = re.sub(rf"^({files})(\.toml)?(?![\w.])", "", error.where).strip()
    text = re.sub(r"\s*\([^)]*\)", "", text)
    text = re.sub(r"layers (\d+)", lambda match: f"layers.{int(match[1]) - 1}", text)
    text = re.sub(r"\[(\w+)\]", r".\1", text).replace(" ", ".").strip(".")
    missing = re.match(r"the key `(\w+)`", error.expected)
    return re.sub(r"\.+", ".", f"{text}.{missing[1]}" if missing else text).strip(".")


def _block_of(key: str) -> str:
    first, _, rest = key.partition(".")
    if first == "stages":
        return f"stages.{rest.partition('.')[0]}" if rest else "data"
    return "model" if first in _MODEL else "device" if first in _DEVICE else "data"


def _blocks(table: Table, preview: Preview, row: int, problems: dict[str, str]) -> Iterator[Block]:
    outputs = preview.outputs
    data = table.get("data")
    kind = str(data.get("kind", "data")) if isinstance(data, dict) else "data"
    shape = _shape(outputs[0]) if outputs else "reading" if preview.reading else ""
    first = _sample(outputs[0], row, 0, WIDTH, "series-1") if outputs else []
    yield Block("data", label_of(kind), shape, svg(first, "A sample"), problems.get("data", ""))
    for index, stage in enumerate(stages_of(table)):
        key, drawing, shape = f"stages.{index}", Markup(), ""
        if index + 1 < len(outputs):
            drawing = _change(outputs[index], outputs[index + 1], row)
            shape = _shape(outputs[index + 1])
        title, kind = stage_title(stage), str(stage.get("kind", "")).replace("_", " ")
        kind = "" if kind.lower() == title.lower() else kind
        yield Block(key, title, shape, drawing, problems.get(key, ""), kind)
    model, device = (part if isinstance(part := table.get(key), dict) else {} for key in ("model", "device"))
    kind = str(model.get("kind", "network"))
    drawing = Markup()
    if preview.sizes or preview.nodes:
        drawing = network(preview.sizes, "Network")[0] if preview.sizes else branches(preview.nodes)
    size = f"{preview.parameters:,} parameters" if preview.sizes else plural(preview.nodes, "node")
    shown = size if preview.sizes or preview.nodes else ""
    yield Block("model", label_of(kind), shown, drawing, problems.get("model", ""))
    over = [line.name for line in preview.rows if 0 < line.available < line.used]
    fits = f"{' and '.join(over)} too small" if over else "fits" if preview.rows else ""
    profile = str(device.get("profile", DeviceConfig().profile))
    yield Block("device", profile, fits, budgets(preview.rows)[0], problems.get("device", ""))


def stages_of(table: Table) -> list[Table]:
    """Return the stages of a table that may be wrong."""
    stages = table.get("stages")
    return [stage if isinstance(stage, dict) else {} for stage in stages] if isinstance(stages, list) else []


def stage_title(stage: Table) -> str:
    """Return what a stage is called."""
    kind = str(stage.get("kind", "stage"))
    title = find_stage(kind, "").title if config_of("stages", kind) else ""
    return str(stage.get("title") or title or label_of(kind))


def _shape(output: Output) -> str:
    return plural(output.shape[0], "column") if len(output.shape) == 1 else shape_text(output.shape)


def _sample(output: Output, row: int, left: float, right: float, colour: str) -> list[str]:
    """Draw a sample between two places: channels of a window as lines, columns as bars, a picture as itself."""
    values = output.X[min(row, len(output.X) - 1)]
    if values.ndim == 1:
        shown = values[:_VALUES]
        return sticks([float(v) for v in np.sign(shown) * np.log10(1 + np.abs(shown))], left, right, colour)
    if values.ndim > 2:
        low, span = float(np.nanmin(values)), float(np.nanmax(values) - np.nanmin(values)) or 1.0
        shown = values[: 3 if len(values) >= len("rgb") else 1]
        text = base64.b64encode(png((shown - low) / span * 255)).decode()
        side = min(right - left, HEIGHT)
        return [f'<image href="data:image/png;base64,{text}" x="{left:g}" y="0" width="{side:g}" height="{side:g}"/>']
    colours = [colour, *(["series-2", "series-3"] if colour == "series-1" else [colour] * 2)]
    step = max(1, values.shape[1] // _VALUES)
    lines = zip(values[:_CHANNELS, ::step], colours, strict=False)
    return [path for line, shade in lines for path in curve([float(v) for v in line], left, right, shade)]


def _change(before: Output, after: Output, row: int) -> Markup:
    middle = WIDTH / 2
    arrow = f'<path d="M{middle - 4:g} {HEIGHT / 2:g}h7m-3 -3l3 3l-3 3" fill="none" stroke="var(--quiet)"/>'
    parts = [*_sample(before, row, 0, middle - _GAP, "quiet"), arrow]
    return svg([*parts, *_sample(after, row, middle + _GAP, WIDTH, "series-1")], "The sample before and after")


def _side(title: str, output: Output, row: int) -> Side:
    drawing = svg(_sample(output, row, 0, WIDTH, "quiet" if title == "arrives" else "series-1"), f"The sample: {title}")
    values = output.X[min(row, len(output.X) - 1)]
    if values.ndim > 2:
        return Side(title, drawing, _shape(output), (), 0)
    figures = values if values.ndim == 1 else np.nanmean(values, axis=1)
    named = zip(output.names, figures.tolist(), output.units, strict=False)
    listed = tuple((name, f"{number(value)} {unit}".strip() if math.isfinite(value) else "missing")
                   for name, value, unit in list(named)[:_LISTED])  # fmt: skip
    return Side(title, drawing, _shape(output), listed, max(0, len(output.names) - _LISTED))


def groups_of(table: Table, key: str, view: View) -> list[Group]:
    """Return the settings of a block, with what is wrong at the setting that is wrong."""
    groups = settings_of(table, key, view.preview.outputs)
    for problem in view.problems:
        if problem.block == key:
            groups = [replace(group, fields=_marked(group.fields, problem)) for group in groups]
    return groups


def settings_of(table: Table, key: str, outputs: Sequence[Output] = ()) -> list[Group]:
    """Return the settings of a block; what the stages before it give says how large some numbers can be."""
    if key == "data":
        return _data_groups(table)
    if key == "model":
        return _model_groups(table)
    if key == "device":
        sections = (("Device", "device", DeviceConfig, ("profile",)),
                    ("Compression", "compression", CompressionConfig, ("int8",)))  # fmt: skip
        groups = [_group(table, *section) for section in sections]
        groups += [_group(table, "Decisions", "decision", DecisionConfig)] if table.get("window") else []
        return groups + ([_group(table, "Learning on the device", "adapt", AdaptConfig)] if table.get("adapt") else [])
    index = int(key[7:])
    return [_stage_group(stages_of(table)[index], key, outputs[: index + 1])]


def without_strange_keys(table: Table) -> None:
    """Remove the keys that another kind of data or of model does not take."""
    data, model = table.get("data"), table.get("model")
    if isinstance(data, dict):
        known = {info.encode_name for info, _ in described(find_kind(str(data.get("kind")), "").config)}
        table["data"] = {key: value for key, value in data.items() if key in (known | {"kind"})}
    if isinstance(model, dict):
        known = {"kind", "layers", *_settings(str(model.get("kind", "network")))}
        table["model"] = {key: value for key, value in model.items() if key in known}


def _settings(kind: str) -> tuple[str, ...]:
    """Return the keys of [model] that a kind of model alone takes."""
    try:
        return model_of(PipelineConfig(name="pipeline", data={}, model=ModelConfig(kind=kind))).settings
    except InputError:
        return ()


def _group(table: Table, title: str, name: str, struct: type, basic: Sequence[str] = ()) -> Group:
    inner = table.get(name)
    return Group(title, fields_of(struct, f"{name}.", inner if isinstance(inner, dict) else {}, basic))


def _data_groups(table: Table) -> list[Group]:
    data = table["data"] if isinstance(table.get("data"), dict) else {}
    kind = str(data.get("kind", ""))
    kinds = Field(
        "data.kind", "Kind", "choice", "Where the rows come from.", kind, data_kinds(), step="text", basic=True
    )
    fields: tuple[Field, ...] = ()
    with suppress(InputError):
        fields = fields_of(find_kind(kind, "").config, "data.", {k: v for k, v in data.items() if k != "kind"})
    known = {field.key for field in fields}
    others = tuple(
        Field(f"data.{name}", label_of(name), "text", "", str(value), basic=True)
        for name, value in data.items() if name != "kind" and f"data.{name}" not in known
    )  # fmt: skip
    top = fields_of(PipelineConfig, "", table, ("name",))
    windows = _group(table, "Windows", "window", WindowConfig, ("samples", "step"))
    return [
        Group("Data", (kinds, *fields, *others)),
        replace(windows, opened=bool(table.get("window"))),
        replace(_group(table, "Split", "split", SplitConfig), opened=False),
        Group(
            "Run",
            tuple(f for f in top if f.key in ("name", "title", "task", "seed", "refit", "need", "keep_samples")),
            False,
        ),
    ]


def _model_groups(table: Table) -> list[Group]:
    inner = table["model"] if isinstance(table.get("model"), dict) else {}
    kind, chosen = str(inner.get("kind", "network")), str(table.get("architecture") or "")
    architectures = value_at(table, "scaling.architectures")
    settings, fields = _settings(kind), []
    for field in fields_of(ModelConfig, "model.", inner, ("kind", "layers", *(() if kind == "network" else settings))):
        name = field.key.removeprefix("model.")
        if name == "layers" and kind == "network" and isinstance(architectures, dict) and "." not in chosen:
            top = next(f for f in fields_of(PipelineConfig, "", table) if f.key == "architecture")
            fields.append(replace(top, kind="choice", choices=("", *architectures), basic=True))
            if chosen:
                path = f"scaling.architectures.{chosen}"
                field = replace(field, key=path, entries=entries_of(path, architectures.get(chosen)))
        if name in ("kind", *settings) or name in inner or (name == "layers" and kind == "network"):
            fields.append(field)
    groups = [Group("Model", tuple(fields))]
    if kind == "network":
        basic = ("epochs", "batch", "learning_rate", "optimiser")
        groups.append(_group(table, "Training", "training", TrainingConfig, basic))
    if table.get("scaling"):
        sizes = _group(table, "Data sizes", "scaling", ScalingConfig)
        shown = tuple(field for field in sizes.fields if field.key != "scaling.architectures")
        groups.append(Group("Data sizes", shown, opened=False))
    return groups


def _stage_group(stage: Table, key: str, outputs: Sequence[Output]) -> Group:
    struct = config_of("stages", stage.get("kind"))
    rest = {name: value for name, value in stage.items() if name != "kind"}
    ends = dict.fromkeys(("k", "components"), outputs[-1].shape[0]) if outputs else {}
    own = {name: value for name, value in rest.items() if name != "title"}
    fields = fields_of(struct, f"{key}.", own, ends=ends) if struct else ()
    if len(fields) <= _FEW:
        fields = tuple(replace(field, basic=True) for field in fields)
    title = Field(f"{key}.title", "Title", "text", "Name of the block.", str(stage.get("title", "")), step="text")
    return Group(label_of(str(stage.get("kind", ""))), (*fields, title))


def _marked(fields: tuple[Field, ...], problem: Problem) -> tuple[Field, ...]:
    """Return the fields with the problem at that which it is about, or at the entry of a list."""
    marked = []
    for field in fields:
        entries = tuple(
            Entry(entry.kind, entry.summary, _marked(entry.fields, problem),
                  problem.text if problem.key == f"{field.key}.{index}" else "")
            for index, entry in enumerate(field.entries)
        )  # fmt: skip
        about = problem.key == field.key or (problem.key.startswith(f"{field.key}.") and not field.entries)
        marked.append(replace(field, entries=entries, error=problem.text if about else field.error))
    return tuple(marked)


def stage_kinds(arriving: Output | None) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the kinds of stages by room with the first sentence of each; those that do not take the samples last."""
    listed: dict[str, list[tuple[str, str]]] = {"Preparation": [], "Features": [], "For other samples": []}
    for room, title in zip(ROOMS, list(listed)[:2], strict=True):
        for kind in kinds_of("stages"):
            stage = find_stage(kind, "")
            if stage.config.__module__.startswith(room):
                text = (stage.config.__doc__ or "").partition("\n")[0].rstrip(".").replace("`", "")
                listed[title if _takes(kind, arriving) else "For other samples"].append((kind, text))
    return [(title, kinds) for title, kinds in listed.items() if kinds]


def _takes(kind: str, arriving: Output | None) -> bool:
    """Return whether a kind of stage takes samples of a shape, as far as that is known."""
    if arriving is None:
        return True
    stage, table = find_stage(kind, ""), first_table("stages", kind)
    names = (*arriving.names, *(f"column {i}" for i in range(len(arriving.names), 3)))
    table |= {"gravity": {"acceleration": list(names[:3])}, "posture": {"of": list(names[:3])}}.get(kind, {})
    context = Context(arriving.shape, arriving.names, arriving.units, 50.0, "classification", 0)
    try:
        config = convert_table({k: v for k, v in table.items() if k != "kind"}, stage.config, "")
        takes: Any = getattr(stage.build(config, context), "takes", ())
    except (EdgewrightError, ValueError) as error:
        return "samples of shape" not in getattr(error, "got", "")
    return not takes or len(arriving.shape) in takes


def bars(rows: Sequence[BudgetRow], before: Sequence[BudgetRow]) -> list[tuple[BudgetRow, Markup, float]]:
    """Return each figure of the device with its bar, and by how much it changed since the state before."""
    known = {row.name: row.used for row in before}
    return [(row, budget_bar(row) if row.available else _scale(row), row.used - known.get(row.name, row.used))
            for row in rows]  # fmt: skip


def _scale(row: BudgetRow) -> Markup:
    """Draw a figure without a limit on a scale of nine powers of ten."""
    share = min(100.0, max(2.0, 100 * (math.log10(max(row.used, 1e-3)) + 3) / 10))
    return Markup(
        '<svg class="budget free" role="img" aria-label="{}: no limit" viewBox="0 0 100 10" preserveAspectRatio="none">'
        '<rect class="all" width="100" height="10"/><rect class="used" width="{:.1f}" height="10"/></svg>'
    ).format(row.name, share)
