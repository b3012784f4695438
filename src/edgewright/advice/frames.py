"""Step 1 of the advice: the task that the data allows, and step 3 for tasks that no race compares."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from edgewright.advice.records import Capability, Existing, Frame
from edgewright.core.errors import InputError, UnknownNameError
from edgewright.core.formatting import MISSING_NUMBERS, is_number
from edgewright.core.records.data import Labels
from edgewright.data.preview import read_preview
from edgewright.data.table_proposal import proposed_target
from edgewright.race.problem import FEWEST_SAMPLES

_TABLES = (".csv", ".tsv", ".txt", ".csv.gz", ".txt.gz", ".tsv.gz")
_DOCUMENTS = (".pdf", ".md", ".html", ".htm", ".txt")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_UTTERANCES = (".toml", ".json")
# Minimum mean number of words per cell for a column of sentences instead of names.
_SENTENCE_WORDS = 2.5
# Share of the files of a folder that must be of one family.
_MOST_FILES = 0.8
LABELLED = ("classification", "regression")
TASKS = (*LABELLED, "anomaly", "forecasting", "intent", "retrieval", "pictures")
_CAPABILITIES = {
    "zero-shot": "labels or rules exist already",
    "reasoning": "an answer follows directly from the readings",
    "retrieval": "no documents are searched",
    "generation": "an answer is a class or a number, not text",
}


@dataclass(frozen=True)
class Inspection:
    """First look at the data.

    Attributes:
        path: path as given.
        location: file or folder; None for the name of a pipeline.
        endings: number of files by file extension.
        columns: cells of a text table by column; empty for other data.
        sentences: columns of sentences; `numbers` columns with numbers.
        target: column to predict if its name says so; empty otherwise.
    """

    path: str
    location: Path | None
    endings: Counter[str] = field(default_factory=Counter)
    columns: dict[str, Labels] = field(default_factory=dict)
    sentences: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    target: str = ""

    def share(self, endings: tuple[str, ...]) -> float:
        """Return the share of the files that have one of these extensions."""
        return sum(count for ending, count in self.endings.items() if ending in endings) / max(1, self.endings.total())


def inspect(data: str, *, skip_bad_rows: bool = False) -> Inspection:
    """Inspect a file or folder; data other than a text table has no columns."""
    location = Path(data)
    if not location.exists():
        return Inspection(data, None)
    if location.is_dir():
        names = (path.name for path in location.rglob("*") if path.is_file() and not path.name.startswith("."))
        return Inspection(data, location, Counter(map(_ending, names)))
    endings = Counter([_ending(location.name)])
    if not location.name.lower().endswith(_TABLES):
        return Inspection(data, location, endings)
    try:
        preview = read_preview(data, skip_bad_rows=skip_bad_rows)
        target = proposed_target(preview, {}, ())
    except InputError:
        return Inspection(data, location, endings)
    if len(preview.columns) < 2:
        return Inspection(data, location, endings)
    words = {name: _words(cells.tolist()) for name, cells in preview.columns.items()}
    sentences = tuple(name for name, mean in words.items() if mean >= _SENTENCE_WORDS)
    numbers = tuple(name for name, mean in words.items() if not mean)
    return Inspection(data, location, endings, preview.columns, sentences, numbers, target)


def task_for(seen: Inspection, task: str, target: str) -> str:
    """Return one of `TASKS`; 'classification' stands for every task that a race compares.

    Args:
        seen: first look at the data.
        task: requested task, or 'auto'.
        target: requested target column.

    Raises:
        UnknownNameError: the requested task is unknown.
    """
    if task != "auto":
        if task not in TASKS:
            raise UnknownNameError("task", task, ("auto", *TASKS), "--task")
        return task
    if seen.location is None:
        return "classification"
    if seen.columns:
        others = [name for name in seen.numbers if name != target]
        if seen.sentences and not others:
            questions = {"question", "answer"} <= {name.strip().lower() for name in seen.columns}
            return "retrieval" if questions else "intent"
        return "classification" if target or seen.target else "anomaly"
    if not target and seen.share(_DOCUMENTS) >= _MOST_FILES:
        return "retrieval"
    if seen.share(_PICTURES) >= _MOST_FILES:
        pictures = [path for path in seen.location.rglob("*") if path.suffix.lower() in _PICTURES]
        labelled = len({path.parent for path in pictures}) >= 2 and len(pictures) >= FEWEST_SAMPLES
        return "classification" if labelled else "pictures"
    if seen.location.is_file() and seen.share(_UTTERANCES) == 1:
        return "intent"
    return "classification"


def frame_of(task: str, why: tuple[str, ...], left_out: tuple[tuple[str, str], ...] = (), **needed: str) -> Frame:
    """Return the frame of a task; `needed` maps capabilities that it needs to the reason, with '_' for '-'."""
    causes = {name.replace("_", "-"): reason for name, reason in needed.items()}
    capabilities = tuple(
        Capability(name=name, needed=name in causes, why=causes.get(name, why)) for name, why in _CAPABILITIES.items()
    )
    return Frame(task=task, why=why, capabilities=capabilities, left_out=left_out)


@dataclass(frozen=True)
class Pointer:
    """Advice for a task that no race compares: the commands that measure it.

    Attributes:
        frame: step 1.
        choice: simplest method; `why` the reason.
        existing: methods without training.
        commands: next commands.
    """

    frame: Frame
    choice: str
    why: str
    existing: tuple[Existing, ...]
    commands: tuple[str, ...]


def pointer_of(task: str, seen: Inspection, target: str) -> Pointer:
    """Return the advice for a task that no race compares."""
    data = shlex.quote(seen.path)
    if task in ("anomaly", "forecasting"):
        return _series(task, seen, target, data)
    if task == "retrieval":
        index = f"edgewright language index {data} --out documents.index"
        existing: tuple[Existing, ...] = (
            Existing(name="full text search", purpose="matches words and their stems", command=index),
            Existing(name="vectors of a sentence encoder", purpose="finds paraphrases, if word matching is not enough",
                     command=f"{index} --encoder DIR"),
        )  # fmt: skip
        frame = frame_of(task, (f"{seen.endings.total()} files of text, and no readings",),
                         retrieval="the answer and its location must be found in a document")  # fmt: skip
        ask = 'edgewright language ask "..." --index documents.index'
        return Pointer(
            frame, "full text search", "it needs no training; test it with questions of users", existing, (index, ask)
        )
    if task == "intent":
        train = f"edgewright language train {data} --out text.language --size 64kB"
        existing = (
            Existing(name="labels from descriptions", purpose="an encoder and a description of each label",
                     command='edgewright language zero-shot "..." --labels labels.toml --encoder DIR'),
        )  # fmt: skip
        commands = (train, 'edgewright language parse "..." --model text.language',
                    "edgewright export text.language --to c99 --out firmware")  # fmt: skip
        why = f"sentences in {', '.join(seen.sentences)}" if seen.sentences else "a file of utterances"
        return Pointer(frame_of(task, (why,)), "an intent model of at most 64 kB",
                       "it trains on labelled sentences in seconds, and its report compares it with a linear model",
                       existing, commands)  # fmt: skip
    zero = f"edgewright language zero-shot {data} --labels labels.toml --encoder DIR"
    existing = (
        Existing(name="an imported model", purpose="import .onnx or .tflite, quantize to int8 and export",
                 command="edgewright compress MODEL.onnx --int8 --data DATA --target LABEL"),
    )  # fmt: skip
    why = f"pictures without a folder for each label; {FEWEST_SAMPLES} labelled ones can race"
    needed = "without labelled pictures a pretrained encoder assigns labels from descriptions"
    frame = frame_of("classification", (why,), zero_shot=needed)
    return Pointer(frame, "a pretrained encoder with descriptions of the labels",
                   "it needs no training; test its accuracy on labelled pictures", existing, (zero,))  # fmt: skip


def _series(task: str, seen: Inspection, target: str, data: str) -> Pointer:
    """Return the advice for readings without a target: detectors and forecasters."""
    fit = f"edgewright detect fit {data} --out normal.detector"
    forecast = (
        f"edgewright forecast {data} --column {shlex.quote(target or 'COLUMN')} --horizon 12 --out next.forecaster"
    )
    why = (
        f"{target} is to be forecast"
        if task == "forecasting" and target
        else "no column is a target, so no answers are known"
    )
    limits = Existing(name="one limit per column", purpose="fixed rules on the device, without training")
    season = Existing(name="the value one season ago", purpose="a forecast without training; MASE 1 is as good as this")
    if task == "forecasting":
        reason = "forecast compares seasonal, linear and tree models on past horizons"
        return Pointer(frame_of(task, (why,)), "the simplest forecaster of a backtest", reason, (season,), (forecast,))
    few = [name for name, cells in seen.columns.items() if 1 < len(set(cells.tolist())) <= 12]
    more = (f"columns with few values that could be a target (--target): {', '.join(few)}",) if few else ()
    return Pointer(frame_of(task, (why, *more)), "the simplest detector of a comparison",
                   "detect fit compares detectors on injected anomalies, or on labelled rows with --target", (limits,),
                   (fit, forecast))  # fmt: skip


def _ending(name: str) -> str:
    return "".join(Path(name.removesuffix(".gz")).suffixes[-1:]).lower()


def _words(cells: list[str]) -> float:
    """Return the mean number of words per cell if most cells are not numbers; 0 otherwise."""
    lines = [cell for cell in cells if cell.lower() not in MISSING_NUMBERS]
    if not lines or sum(not is_number(cell) for cell in lines) <= len(lines) // 2:
        return 0.0
    return sum(len(cell.split()) for cell in lines) / len(lines)
