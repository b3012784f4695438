"""The trace in the terminal: printed part by part while a run goes, or whole from its record."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from rich.console import Console, RenderableType
from rich.text import Text

from edgewright.schema.trace import (
    CompressionRecord,
    DeviceRecord,
    EpochRecord,
    EvaluationRecord,
    Insight,
    LayerRecord,
    PredictionRecord,
    Provenance,
    ScalingPoint,
    ScalingRecord,
    StageRecord,
    Trace,
    TrainingRecord,
)
from edgewright.trace.compression_view import compression_parts
from edgewright.trace.device_view import device_parts
from edgewright.trace.evaluation_view import evaluation_parts
from edgewright.trace.facts import refit_told
from edgewright.trace.model_view import model_table
from edgewright.trace.observations import FOLD_ABOVE, is_event, observe, observe_next
from edgewright.trace.page import ACCENT, BAD, GOOD, QUIET, WARN, page_of
from edgewright.trace.page_file import HINT, PAGE_FILE
from edgewright.trace.prediction_view import prediction_card
from edgewright.trace.progress import progress
from edgewright.trace.scaling_view import point_line, scaling_parts
from edgewright.trace.stage_view import stage_card
from edgewright.trace.training_view import epoch_head, epoch_row, epoch_table, fold_line, summary, training_plot
from edgewright.trace.words import number, seconds_text, shorten


class TerminalTrace:
    """Prints the parts of a trace in the order they become known.

    Args:
        console: where to; colours, frames and bars only where it is a terminal, ASCII where its encoding is not UTF-8.
        classes: number of classes, for the sentence of the first epoch; 0 where unknown or for regression.
    """

    def __init__(self, console: Console, classes: int = 0) -> None:
        self.console, self.classes = console, classes
        self.page = page_of(console)
        self._stages: list[StageRecord] = []
        self._epochs: list[EpochRecord] = []
        self._total_epochs = 0
        self._folded: list[EpochRecord] = []
        self._section = ""
        self._blank = True

    def _enter(self, section: str) -> None:
        """Prints the heading of a part of the trace, unless that part goes on."""
        if section != self._section:
            self._section = section
            self._print(self.page.heading(section))

    def _print(self, *parts: RenderableType) -> None:
        """Prints without markup; elsewhere than on a terminal without blanks at the ends of lines.

        Characters that the encoding lacks become question marks instead of an error.
        """
        if self.page.unicode and self.page.terminal:
            for part in parts:
                self.console.print(part, markup=False, highlight=False, emoji=False, width=self.page.width)
            return
        sheet = io.StringIO()
        paper = Console(file=sheet, width=self.page.width, color_system=None, legacy_windows=False)
        for part in parts:
            paper.print(part, markup=False, highlight=False, emoji=False)
        lines = [line.rstrip() for line in sheet.getvalue().splitlines()]
        while self._blank and lines and not lines[0]:
            lines.pop(0)
        if not lines:
            return
        self._blank = not lines[-1]
        text = "\n".join(lines)
        if not self.page.unicode:
            text = text.replace("µ", "u").replace("°", "o")
        encoding = self.console.encoding
        printable = text.encode(encoding, "replace").decode(encoding)
        self.console.print(Text(printable), soft_wrap=True, highlight=False)

    def start(self, name: str, title: str = "", profile: str = "") -> None:
        """The header: run, what it is for, device."""
        head = Text.assemble((name, ACCENT), f"   {title}" if title else "")
        self._print(head, *([Text(f"for {profile}", style=QUIET)] if profile else []))

    def stage(self, record: StageRecord) -> None:
        """A card of the data flow."""
        self._enter("Data flow")
        before = self._stages[-1].names_after if self._stages else ()
        self._stages.append(record)
        self._print(stage_card(record, len(self._stages), before, self.page))

    def layers(self, records: tuple[LayerRecord, ...]) -> None:
        """The model's table."""
        if records:
            self._enter("Model")
            self._print(model_table(records, self.page))

    def training_started(self, total_epochs: int, classes: int = 0) -> None:
        """The heading under which the epochs come; over fifty epochs, those without an event are folded."""
        self.classes = classes or self.classes
        self._epochs, self._total_epochs, self._folded = [], total_epochs, []
        self._enter("Training trace")

    def epoch(self, record: EpochRecord) -> None:
        """One epoch, as soon as it has ended."""
        if not self._epochs:
            self._print(epoch_head(record, self.page))
        said = observe_next(self._epochs, record, self.classes)
        last = record.epoch == self._total_epochs
        keep = self._total_epochs <= FOLD_ABOVE or last or is_event(self._epochs, record, self.classes)
        self._epochs.append(said)
        if not keep:
            self._folded.append(said)
            return
        self._unfold()
        self._print(epoch_row(said, self.page))

    def _unfold(self) -> None:
        if len(self._folded) == 1:
            self._print(epoch_row(self._folded[0], self.page))
        elif self._folded:
            self._print(fold_line(len(self._folded)))
        self._folded = []

    def training(self, record: TrainingRecord) -> None:
        """How training went, with the plot; the table of epochs only where it was not printed as they came."""
        epochs = record.epochs
        self._enter("Training trace")
        if not self._epochs:
            if epochs and not all(epoch.observation for epoch in epochs):
                epochs = observe(epochs, self.classes)
            self._print(*epoch_table(epochs, self.page))
        self._unfold()
        self._epochs = []
        drawing = training_plot(epochs, self.page)
        self._print(*([Text(""), drawing] if drawing is not None else []), Text(""), summary(record, self.page))

    def evaluation(self, record: EvaluationRecord) -> None:
        """Confusion matrix, classes, groups, worst mistakes."""
        self._enter("Evaluation")
        self._print(*evaluation_parts(record, self.page))

    def compression(self, record: CompressionRecord) -> None:
        """The forms side by side."""
        self._enter("Compression")
        self._print(*compression_parts(record, self.page))

    def device(self, record: DeviceRecord) -> None:
        """The budgets of the device."""
        self._enter("Device fit")
        self._print(*device_parts(record, self.page))

    def scaling_point(self, record: ScalingPoint, done: int, total: int) -> None:
        """One of `total` trainings of the comparison over data sizes."""
        self._enter("Scaling")
        self._print(Text(point_line(record, done, total, self.page), style=QUIET))

    def scaling(self, record: ScalingRecord) -> None:
        """What growth costs."""
        self._enter("Scaling")
        self._print(*scaling_parts(record, self.page))

    def prediction(self, record: PredictionRecord) -> None:
        """One sample, layer by layer."""
        self._enter("Prediction trace")
        self._print(prediction_card(record, self.page))

    def insight(self, record: Insight) -> None:
        """The key insight and the numbers it rests on."""
        self._enter("Key insight")
        self._print(Text(record.sentence, style="bold"))
        if record.numbers:
            figures = (f"{name} {number(value)}" for name, value in sorted(record.numbers.items()))
            self._print(Text(self.page.facts(*figures), style=QUIET))

    def finish(self, trace: Trace, folder: Path | str | None = None) -> None:
        """Verdict, warnings, provenance and where the run lies."""
        self._enter("Verdict")
        lines: list[RenderableType] = []
        if trace.verdict:
            style = BAD if trace.verdict.startswith("not ready") else GOOD
            lines.append(Text(trace.verdict, style=style))
        if trace.refit is not None:
            lines.append(Text(refit_told(trace.refit)))
        lines += [Text(f"warning: {text}", style=WARN) for text in trace.warnings]
        facts = provenance_facts(trace.provenance)
        if facts:
            lines.append(Text(self.page.facts(*facts), style=QUIET))
        lines += [Text(f"licence of the data: {text}", style=QUIET) for text in trace.provenance.licences if text]
        spent = sum(stage.seconds for stage in trace.stages)
        took = f"stages took {seconds_text(spent)}" if spent else ""
        if folder is not None:
            lines.append(Text(self.page.facts(f"run folder {folder}", took)))
            if Path(folder).is_dir():
                page = Path(folder, PAGE_FILE)
                lines.append(Text(f"page {page}" if page.exists() else HINT))
        elif took:
            lines.append(Text(took, style=QUIET))
        self._print(*lines)

    def doing(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        """A progress bar while work lasts over a second; the function given is called with the amount done."""
        return progress(self.console, label, total)

    def cancelled(self) -> bool:
        """Nobody cancels here but with Ctrl-C, which is an exception."""
        return False


def provenance_facts(provenance: Provenance) -> list[str]:
    """What is needed to build the same bytes again, hashes by their first digits."""
    facts = [f"seed {provenance.seed}"]
    for name, value in (
        ("data", provenance.data_hash),
        ("configuration", provenance.config_hash),
        ("package", provenance.package_hash),
    ):
        if value:
            facts.append(f"{name} {shorten(value, 12, '')}")
    return [*facts, *([provenance.command] if provenance.command else [])]


def print_trace(trace: Trace, console: Console, folder: Path | str | None = None) -> None:
    """Prints a stored record whole; parts that are missing are left out."""
    labels = trace.evaluation.labels if trace.evaluation is not None else ()
    view = TerminalTrace(console, classes=len(labels))
    view.start(trace.name, trace.title or trace.task, trace.device.profile if trace.device is not None else "")
    for stage in trace.stages:
        view.stage(stage)
    view.layers(trace.layers)
    if trace.training is not None:
        view.training(trace.training)
    if trace.evaluation is not None:
        view.evaluation(trace.evaluation)
    if trace.scaling is not None:
        view.scaling(trace.scaling)
    if trace.compression is not None:
        view.compression(trace.compression)
    if trace.device is not None:
        view.device(trace.device)
    for prediction in trace.predictions:
        view.prediction(prediction)
    if trace.insight.sentence:
        view.insight(trace.insight)
    view.finish(trace, folder)
