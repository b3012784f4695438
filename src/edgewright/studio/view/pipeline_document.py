"""A pipeline's TOML as it is edited: tables are set, added, moved and removed, and comments stay where they stood."""

from __future__ import annotations

import hashlib
import math
import re
import threading
import tomllib
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillReadingError
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import tomlkit
from numpy.typing import NDArray
from tomlkit.exceptions import TOMLKitError

from edgewright.core.errors import EdgewrightError, InputError, StudioRequestError
from edgewright.core.formatting import number, plural
from edgewright.core.records.config import ModelConfig, PipelineConfig
from edgewright.core.records.data import Floats
from edgewright.core.records.footprint import Footprint
from edgewright.core.records.trace import BudgetRow
from edgewright.core.toml_tables import toml_text
from edgewright.data.targets import encode_target, task_of
from edgewright.models.architecture import architecture
from edgewright.pipeline.fitting import first_context, next_context
from edgewright.pipeline.plan import Plan, find_stage, resolve
from edgewright.profiles.footprint import estimate
from edgewright.race.pipeline_end import PipelineEnd, fit_end, price, untrained_end
from edgewright.race.problem import Part, Problem
from edgewright.race.stage_outputs import StageOutputs
from edgewright.studio.paths import exists
from edgewright.studio.settings import Table, config_of, first_table
from edgewright.studio.view.data_cache import Opened, Shelf, cut_some, stamp
from edgewright.studio.view.data_sources import Origin

# Lines that tables moved away leave empty, and the header of a table that came to stand right below another.
_EMPTY, _HEADER = re.compile(r"\n{3,}"), re.compile(r"(^|\n)([^#\n][^\n]*\n)(\[\[?[\w.\"-]+\]\]?\n)")


def table_of(text: str, where: str) -> Table:
    """Return a text as a table.

    Raises:
        InputError: no TOML, with the line.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise StudioRequestError("valid TOML", " ".join(str(error).split()), where) from None


def value_at(table: Any, key: str) -> Any:  # noqa: ANN401 - TOML values of any type
    """Return the value at a key such as 'stages.1.k'; None where there is none."""
    for name in key.split("."):
        if isinstance(table, list):
            table = table[int(name)] if name.isdecimal() and int(name) < len(table) else None
        else:
            table = table.get(name) if isinstance(table, dict) else None
    return table


def set_value(table: Table, key: str, value: Any) -> None:  # noqa: ANN401 - TOML values of any type
    """Set the value at a key, or remove it for None; a table that has nothing left goes too."""
    *parents, last = key.split(".")
    _with_layers(table, key)
    location: Any = table
    for name in parents:
        if isinstance(location, list):
            location = location[int(name)]
        elif name in location or value is not None:
            location = location.setdefault(name, {})
        else:
            return
    if value is not None:
        location[last] = value
        return
    location.pop(last, None)
    if not location and parents in (["window"], ["scaling"]):
        del table[parents[0]]


def list_at(table: Table, key: str) -> list[Any]:
    """Return the list of tables at a key, made where there is none.

    Raises:
        InputError: something else stands there.
    """
    _with_layers(table, key)
    *parents, last = key.split(".")
    location: Any = table
    for name in parents:
        location = location[int(name)] if isinstance(location, list) else location.setdefault(name, {})
    tables = location.setdefault(last, [])
    if not isinstance(tables, list):
        raise StudioRequestError("a list of tables", type(tables).__name__, key)
    return tables


def _with_layers(table: Table, key: str) -> None:
    """Write out the layers that a network has without any, where a key is about them."""
    if key.startswith("model.layers") and value_at(table, "model.layers") is None:
        table.setdefault("model", {})["layers"] = [dict(layer) for layer in ModelConfig().layers]


def arranged(table: Table, action: str) -> str:
    """Insert, move or remove an entry of a list.

    Args:
        table: that is changed.
        action: 'insert:KEY:INDEX:KIND', 'move:KEY:FROM:TO' or 'remove:KEY:INDEX'.

    Returns:
        The index of the entry afterwards; of a removed one that before it.

    Raises:
        InputError: an entry that is not there, or a kind that is not known.
    """
    verb, key, *rest = action.split(":")
    tables, name = list_at(table, key), key.rpartition(".")[2]
    name = name if name in ("stages", "parts", "augment") else "layers"
    places = [int(text) for text in rest if text.isdecimal()]
    last = len(tables) - (verb != "insert")
    expected = {"insert": (1, 2), "move": (2, 2), "remove": (1, 1)}.get(verb)
    if (len(places), len(rest)) != expected or any(index > last for index in places):
        raise StudioRequestError(f"an entry of {key}", action[:80], "the pipeline")
    if verb == "insert":
        if config_of(name, rest[1]) is None:
            raise StudioRequestError("a known kind", repr(rest[1]), key)
        tables.insert(places[0], first_table(name, rest[1]))
    elif verb == "move":
        tables.insert(places[1], tables.pop(places[0]))
        return str(places[1])
    else:
        del tables[places[0]]
        return str(max(0, places[0] - 1))
    return str(places[0])


def changed_text(text: str, table: Table) -> str:
    """Return the text of a changed table: as it was written, with its comments, where nothing changed."""
    try:
        if tomllib.loads(text) == table:
            return text
        document = tomlkit.parse(text)
        _merge(document, table)
        written = document.as_string()
        for candidate in (_HEADER.sub(r"\1\2\n\3", _EMPTY.sub("\n\n", written)), written):
            if tomllib.loads(candidate) == table:
                return candidate
    except (TOMLKitError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        pass
    return toml_text(table)


def _merge(document: Any, table: Mapping[str, Any]) -> None:  # noqa: ANN401 - tables of tomlkit in any form
    for key in [key for key in document if key not in table]:
        del document[key]
    for key, value in table.items():
        before = document.get(key)
        plain = before.unwrap() if hasattr(before, "unwrap") else before
        if key in document and plain == value and type(plain) is type(value):
            continue
        if isinstance(value, Mapping) and isinstance(plain, Mapping):
            _merge(before, value)
        elif _is_tables(value) and _is_tables(plain):
            _arrange(document, key, plain, value)
        else:
            document[key] = value


def _arrange(document: Any, key: str, before: list[Any], after: list[Any]) -> None:  # noqa: ANN401
    """Give a list of tables its new order: those that stay keep their comments, at most one differs."""
    tables = document[key]
    if len(before) == len(after) and sorted(map(repr, before)) != sorted(map(repr, after)):
        for entry, value in zip(tables, after, strict=True):
            _merge(entry, value)
        return
    kept, rest = list(zip(before, tables, strict=True)), []
    for value in after:
        index = next((i for i, (plain, _) in enumerate(kept) if plain == value), None)
        rest.append(tomlkit.item(value) if index is None else kept.pop(index)[1])
    if isinstance(tables, tomlkit.items.AoT):
        document[key] = tomlkit.items.AoT(rest)
    else:
        array = tomlkit.array()
        array.extend([value.unwrap() if hasattr(value, "unwrap") else value for value in rest])
        document[key] = array.multiline(len(rest) > 1)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, dict) for entry in value)


SAMPLES = 300
"""Samples that stages are fitted on here."""
_DATA_BYTES, _WINDOW_BYTES, _STAGE_BYTES = 512 * 2**20, 48 * 2**20, 64 * 2**20
_MOST_KEPT, _EACH = 6, 4
# Seconds that a page waits for data that are being read.
_PATIENCE = 1.0


@dataclass(frozen=True)
class Output:
    """Some samples at one point of the pipeline.

    Attributes:
        X: their values, shape (n, ...).
        names, units: of the columns or channels.
        why: what the stage before this point did, in a sentence.
    """

    X: Floats
    names: tuple[str, ...]
    units: tuple[str, ...]
    why: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return tuple(int(n) for n in self.X.shape[1:])


@dataclass
class Preview:
    """A pipeline on a few samples.

    Attributes:
        problem: the samples; None where they could not be read, or are still being read.
        outputs: the raw samples, then what each stage gives, up to the first that fails.
        choices: samples that a page shows: index and name.
        sizes: values between the layers of a network.
        parameters, nodes: of the model.
        rows: what the whole takes of the device; a limit of 0 is none.
        notes: what of these figures is uncertain.
        failed: block that does not work on these samples, 'stages.0', with the error.
        reading: the data are still being read.
    """

    problem: Problem | None = None
    outputs: list[Output] = field(default_factory=list)
    choices: tuple[tuple[int, str], ...] = ()
    sizes: tuple[int, ...] = ()
    parameters: int = 0
    nodes: int = 0
    rows: tuple[BudgetRow, ...] = ()
    notes: tuple[str, ...] = ()
    failed: tuple[str, EdgewrightError] | None = None
    reading: bool = False


class Previews:
    """Previews of pipelines, with the data, the samples and the fitted stages that they share."""

    def __init__(self) -> None:
        self._shelf = Shelf(_DATA_BYTES)
        self._pool = ThreadPoolExecutor(2, "data of a pipeline")
        self._reading: dict[str, Future[Opened]] = {}
        self._samples: OrderedDict[str, StageOutputs] = OrderedDict()
        self._footprints: OrderedDict[str, Preview] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, config: PipelineConfig, added: int, *, measured: bool) -> Preview:
        """Return a pipeline on a few samples.

        Args:
            config: checked.
            added: stages that were put before those of its file, to fill missing values.
            measured: whether to say what it takes of the device.
        """
        with self._lock:
            origin = _origin(config)
            mark = stamp(origin)
            key = _digest([config, added, measured, mark])
            known = self._footprints.get(key)
            if known is None:
                known = self._new(config, added, measured, origin, mark)
                if not known.reading and not (known.failed and known.failed[0] == "data"):
                    self._footprints[key] = known
                    while len(self._footprints) > 20 * _MOST_KEPT:
                        self._footprints.popitem(last=False)
            return known

    def _new(
        self, config: PipelineConfig, added: int, measured: bool, origin: Origin, mark: tuple[int, ...]
    ) -> Preview:
        preview = Preview()
        block = "data"
        try:
            kept = self._outputs(config, origin, mark)
            problem = preview.problem = kept.problem
            preview.choices = _choices(problem)
            plain = msgspec.structs.replace(config, training=msgspec.structs.replace(config.training, augment=()))
            every = np.arange(len(problem.y), dtype=np.int64)
            part = Part(problem.samples.X, (), every, None, problem.y[:0], (), problem)
            context = first_context(problem.samples, problem.task, config.seed)
            preview.outputs.append(Output(problem.samples.X, context.names, context.units))
            for count in range(1, len(config.stages) + 1):
                block = f"stages.{max(0, count - 1 - added)}"
                part = kept.part(msgspec.structs.replace(plain, stages=config.stages[:count]), every)
                context = next_context(context, part.steps[-1][1], part.X.shape[1:])
                if count > added:
                    stage, fitted = find_stage(str(config.stages[count - 1]["kind"]), ""), part.steps[-1][1]
                    preview.outputs.append(Output(part.X, context.names, context.units, stage.why(fitted)))
            block = "model"
            if measured:
                _measure(preview, part, plain)
        except StillReadingError:
            preview.reading = True
        except EdgewrightError as error:
            preview.failed = (block, error)
        except (ValueError, MemoryError, OSError) as error:
            preview.failed = (block, StudioRequestError("samples that fit", str(error) or type(error).__name__))
        return preview

    def _outputs(self, config: PipelineConfig, origin: Origin, mark: tuple[int, ...]) -> StageOutputs:
        """Return the stages' outputs for a few samples of the data; data are read once, and windows cut once."""
        key = _digest([origin.options, mark, config.window, config.task])
        if key not in self._samples:
            self._samples[key] = StageOutputs(_few(self._opened(origin), config), _STAGE_BYTES)
            while len(self._samples) > _MOST_KEPT:
                self._samples.popitem(last=False)
        self._samples.move_to_end(key)
        return self._samples[key]

    def _opened(self, origin: Origin) -> Opened:
        name = repr(origin.options)
        future = self._reading.get(name) or self._pool.submit(self._shelf.open, origin)
        self._reading[name] = future
        try:
            return future.result(_PATIENCE)
        finally:
            if future.done():
                del self._reading[name]


def _digest(key: object) -> str:
    return hashlib.sha256(msgspec.json.encode(key)).hexdigest()[:40]


def _origin(config: PipelineConfig) -> Origin:
    """Return the data of a pipeline; a change of their files is noticed where they have a path."""
    location = config.data.get("path")
    path = str(location) if location and exists(Path(str(location))) else None
    return Origin(
        "draft", f"{config.name} [data]", dict(config.data), path,
        seed=config.seed, window=config.window, task=config.task,
        options=(("draft", _digest([config.data, config.seed])),),
    )  # fmt: skip


def _few(opened: Opened, config: PipelineConfig) -> Problem:
    """Return some samples of each class, cut from the data as a run cuts them."""
    dataset = opened.dataset
    samples, _ = cut_some(dataset, config.window, _WINDOW_BYTES)
    task = task_of(samples.y, config.task)
    rng = np.random.default_rng(config.seed)
    chosen = set(rng.permutation(len(samples.y))[:SAMPLES].tolist())
    if task == "classification":
        chosen |= {int(i) for label in np.unique(samples.y) for i in np.flatnonzero(samples.y == label)[:_EACH]}
    every = Problem(
        name=dataset.name, dataset=dataset, samples=samples, y=encode_target(samples.y, task), task=task,
        window=config.window, by="row", units=np.arange(len(samples.y), dtype=np.int64),
    )  # fmt: skip
    return every.subset(np.asarray(sorted(chosen), np.int64))


def _choices(problem: Problem) -> tuple[tuple[int, str], ...]:
    """Return samples to look at: some of each class, or from the smallest to the largest amount."""
    y: NDArray[Any] = np.asarray(problem.y)
    if problem.task == "classification":
        firsts = [(label, np.flatnonzero(y == label)[:_EACH].tolist()) for label in np.unique(y)[:12]]
        return tuple((i, f"{label} {n}") for label, indices in firsts for n, i in enumerate(indices, 1))
    if y.dtype.kind not in "fiu":
        return tuple((i, f"sample {i + 1}") for i in range(min(_EACH, len(y))))
    order = np.argsort(y, kind="stable")[np.linspace(0, len(y) - 1, 8).astype(np.int64)]
    return tuple((int(i), number(float(y[i]))) for i in dict.fromkeys(order.tolist()))


def _measure(preview: Preview, part: Part, config: PipelineConfig) -> None:
    """Add what the model takes of the device.

    Raises:
        InputError: the layers do not fit behind the stages, with the layer.
    """
    plan = resolve(config)
    problem = part.problem
    if problem.task not in ("classification", "regression"):
        preview.notes = (f"What a model for {problem.task} takes is known after training.",)
        return
    if config.model.kind == "network":
        _check_layers(plan, part)
        end = untrained_end(part, config)
        records = end.model.layer_records()
        preview.sizes = (math.prod(part.X.shape[1:]), *(math.prod(row.shape_out) for row in records))
    else:
        end = fit_end(part, config)
        records = end.model.layer_records() if hasattr(end.model, "layer_records") else ()
        preview.notes = (f"This {config.model.kind.replace('_', ' ')} learned from "
                         f"{plural(len(problem.y), 'sample')}; from all it can become larger.",)  # fmt: skip
    preview.parameters, preview.nodes = (sum(getattr(row, key) for row in records) for key in ("parameters", "nodes"))
    preview.rows = _rows(plan, end, problem)


def _check_layers(plan: Plan, part: Part) -> None:
    """Raise the error of the first layer that does not fit what arrives at it."""
    layers = plan.table.layers
    for count in range(1, len(layers) + 1):
        try:
            architecture(layers[:count], part.X.shape[1:], 1)
        except InputError as error:
            # The output layer, which takes rows, fits behind all layers alone.
            if count == len(layers) or "output" not in error.where:
                raise InputError(
                    error.expected, error.got, f"model.layers {count}", error.do, code=error.code
                ) from None


def _rows(plan: Plan, end: PipelineEnd, problem: Problem) -> tuple[BudgetRow, ...]:
    """Return flash, RAM, latency and energy with the device's limits.

    Raises:
        InputError: the pipeline has no form that a device runs.
    """
    footprint, why = price(end, problem, plan.config, plan.profile)
    if footprint is None and plan.config.compression.int8:
        # Trees and formulas have no int8 form: a run leaves them as they are.
        plain = msgspec.structs.replace(plan.config.compression, int8=False)
        footprint, _ = price(end, problem, msgspec.structs.replace(plan.config, compression=plain), plan.profile)
    if footprint is None:
        raise StudioRequestError("a pipeline that can be estimated", why)
    window, rate = plan.config.window, problem.samples.rate
    step = 0 if window is None else (window.step or max(1, window.samples // 2))
    record = estimate(plan.profile, footprint, deadline_us=step / rate * 1e6 if rate and step else 0.0)
    return (*record.rows, *_energy(footprint))


def _energy(footprint: Footprint) -> tuple[BudgetRow, ...]:
    spread = footprint.energy_uj
    if spread is None:
        return ()
    return (BudgetRow(name="energy", used=spread.value, low=spread.low, high=spread.high, available=0.0, unit="uJ",
                      how="estimated"),)  # fmt: skip
