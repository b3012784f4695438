"""The trace in the terminal: printed part by part during a run, and in brief at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from edgewright.core.formatting import fraction, number, plural, seconds_text, shorten
from edgewright.core.records import trace as records
from edgewright.core.records.trace import Trace
from edgewright.trace.blocks.flow_picture import tiles
from edgewright.trace.blocks.terminal import blocks_parts
from edgewright.trace.blocks.view_blocks import Charts, Items, ViewBlock, line
from edgewright.trace.page import (
    ACCENT,
    BAD,
    GOOD,
    QUIET,
    WARN,
    Listing,
    Page,
    page_of,
    plain_lines,
    print_parts,
    print_plain,
    progress,
)
from edgewright.trace.page_model import HINT, PAGE_FILE
from edgewright.trace.sections.data import point_text, scaling_blocks, stage_card
from edgewright.trace.sections.model import compression_blocks, device_blocks, model_blocks
from edgewright.trace.sections.results import evaluation_blocks, prediction_card
from edgewright.trace.sections.training import charts
from edgewright.trace.sentences.facts import refit_text, training_facts, unnoticed_text
from edgewright.trace.sentences.observations import FOLD_ABOVE, is_event, observe_next
from edgewright.trace.sentences.readiness import NO_MODEL, NOT_READY, WEAK, state_of


def _figures(epoch: records.EpochRecord) -> list[tuple[str, str]]:
    known = (
        ("loss", epoch.loss), ("acc.", epoch.accuracy), ("val loss", epoch.validation_loss),
        ("val acc", epoch.validation_accuracy),
    )  # fmt: skip
    return [("epoch", f"{epoch.epoch}"), *((head, fraction(value)) for head, value in known if value is not None)]


def _row(cells: Sequence[str], heads: Sequence[str], observation: str, page: Page, style: str = "") -> RenderableType:
    """One line of the table with fixed widths: rows printed live line up with each other."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    widths = [max(len(head), 5) for head in heads]
    for width in widths:
        grid.add_column(justify="right", width=width, no_wrap=True)
    grid.add_column(width=max(20, page.width - sum(width + 2 for width in widths) - 2))
    grid.add_row(*(Text(cell, style=style) for cell in (*cells, observation)))
    return grid


def epoch_head(epoch: records.EpochRecord, page: Page) -> RenderableType:
    """Return the heads of the columns that `epoch` fills."""
    heads = [head for head, _ in _figures(epoch)]
    return _row(heads, heads, "what happened", page, QUIET)


def epoch_row(epoch: records.EpochRecord, page: Page) -> RenderableType:
    """One epoch with its observation."""
    cells = _figures(epoch)
    return _row([value for _, value in cells], [head for head, _ in cells], epoch.observation, page)


def fold_line(count: int) -> Text:
    """Return what stands for rows that are not shown."""
    return Text(f"{'':>5}  {plural(count, 'epoch')} without an event", style=QUIET)


class TerminalTrace:
    """Prints the parts of a trace in the order they become known.

    Args:
        console: where to; colours, frames and bars only where it is a terminal, ASCII where its encoding is not UTF-8.
        classes: number of classes, for the sentence of the first epoch; 0 where unknown or for regression.
    """

    def __init__(self, console: Console, classes: int = 0) -> None:
        self.console, self.classes = console, classes
        self.page = page_of(console)
        self._stages: list[records.StageRecord] = []
        self._epochs: list[records.EpochRecord] = []
        self._total_epochs = 0
        self._folded: list[records.EpochRecord] = []
        self._section = ""
        self._blank = True

    def _enter(self, section: str) -> None:
        """Print the heading of a part of the trace, unless that part goes on."""
        if section != self._section:
            self._section = section
            self._print(self.page.heading(section))

    def _print(self, *parts: RenderableType) -> None:
        """Print without markup; elsewhere than on a terminal without two blank lines in a row."""
        if self.page.unicode and self.page.terminal:
            print_parts(parts, self.console, self.page)
            return
        lines = plain_lines(parts, self.page)
        while self._blank and lines and not lines[0]:
            lines.pop(0)
        if lines:
            self._blank = not lines[-1]
            print_plain(lines, self.console)

    def _show(self, section: str, blocks: Sequence[ViewBlock]) -> None:
        self._enter(section)
        self._print(*blocks_parts(blocks, self.page))

    def start(self, name: str, title: str = "", profile: str = "") -> None:
        """Print the header: run, purpose, device."""
        head = Text.assemble((name, ACCENT), f"   {title}" if title else "")
        self._print(head, *([Text(f"for {profile}", style=QUIET)] if profile else []))

    def stage(self, record: records.StageRecord) -> None:
        """Print a card of the data flow."""
        before = self._stages[-1].names_after if self._stages else ()
        self._stages.append(record)
        self._show("Data flow", [stage_card(record, len(self._stages), before)])

    def layers(self, records: tuple[records.LayerRecord, ...]) -> None:
        """Print the model's table."""
        if records:
            self._show("Model", model_blocks(records))

    def training_started(self, total_epochs: int, classes: int = 0) -> None:
        """Print the heading of the epochs; beyond fifty epochs, those without an event are folded."""
        self.classes = classes or self.classes
        self._epochs, self._total_epochs, self._folded = [], total_epochs, []
        self._enter("Training trace")

    def epoch(self, record: records.EpochRecord) -> None:
        """One epoch, as soon as it has ended."""
        if not self._epochs:
            self._print(epoch_head(record, self.page))
        epoch_record = observe_next(self._epochs, record, self.classes)
        last = record.epoch == self._total_epochs
        keep = self._total_epochs <= FOLD_ABOVE or last or is_event(self._epochs, record, self.classes)
        self._epochs.append(epoch_record)
        if not keep:
            self._folded.append(epoch_record)
            return
        self._unfold()
        self._print(epoch_row(epoch_record, self.page))

    def _unfold(self) -> None:
        if len(self._folded) == 1:
            self._print(epoch_row(self._folded[0], self.page))
        elif self._folded:
            self._print(fold_line(len(self._folded)))
        self._folded = []

    def training(self, record: records.TrainingRecord) -> None:
        """Print how training went, with the plot, below the epochs."""
        self._enter("Training trace")
        self._unfold()
        self._epochs = []
        lines: list[ViewBlock] = [Items(facts) for facts in training_facts(record) if facts]
        self._print(*blocks_parts([Charts(charts(record.epochs)), line(""), *lines], self.page))

    def evaluation(self, record: records.EvaluationRecord) -> None:
        """Print confusion matrix, classes, groups and the most confident mistakes."""
        self._show("Evaluation", evaluation_blocks(record))

    def compression(self, record: records.CompressionRecord) -> None:
        """Print the forms side by side."""
        self._show("Compression", compression_blocks(record))

    def device(self, record: records.DeviceRecord) -> None:
        """Print the budgets of the device."""
        self._show("Device fit", device_blocks(record))

    def scaling_point(self, record: records.ScalingPoint, done: int, total: int) -> None:
        """Print one of `total` trainings of the comparison over data sizes."""
        self._enter("Scaling")
        self._print(Text(self.page.facts(*point_text(record, done, total)), style=QUIET))

    def scaling(self, record: records.ScalingRecord) -> None:
        """Print what growth costs."""
        self._show("Scaling", scaling_blocks(record))

    def prediction(self, record: records.PredictionRecord) -> None:
        """Print one sample, layer by layer."""
        self._show("Prediction trace", [prediction_card(record)])

    def insight(self, record: records.Insight) -> None:
        """Print the key insight and the numbers it rests on."""
        self._enter("Key insight")
        self._print(Text(record.sentence, style="bold"))
        if record.numbers:
            figures = (f"{name} {number(value)}" for name, value in sorted(record.numbers.items()))
            self._print(Text(self.page.facts(*figures), style=QUIET))

    def finish(self, trace: records.Trace, folder: Path) -> None:
        """Verdict, warnings, provenance and where the run lies."""
        self._enter("Verdict")
        lines: list[RenderableType] = []
        if trace.verdict:
            lines.append(Text(trace.verdict, style=STYLES.get(state_of(trace.verdict), GOOD)))
        if trace.refit is not None:
            lines.append(Text(refit_text(trace.refit)))
        lines += [Text(f"warning: {text}", style=WARN) for text in trace.warnings]
        lines += [Text(unnoticed_text(trace.unnoticed), style=QUIET)] if trace.unnoticed else []
        facts = provenance_facts(trace.provenance)
        if facts:
            lines.append(Text(self.page.facts(*facts), style=QUIET))
        lines += [Text(f"licence of the data: {text}", style=QUIET) for text in trace.provenance.licences if text]
        spent = sum(stage.seconds for stage in trace.stages)
        took = f"stages took {seconds_text(spent)}" if spent else ""
        lines.append(Text(self.page.facts(f"run folder {folder}", took)))
        if folder.is_dir():
            page = folder / PAGE_FILE
            lines.append(Text(f"page {page}" if page.exists() else HINT))
        self._print(*lines)

    def doing(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]:
        """Return a progress bar while work lasts over a second; the function given is called with the amount done."""
        return progress(self.console, label, total)

    def cancelled(self) -> bool:
        """Nobody cancels here but with Ctrl-C, which is an exception."""
        return False


def provenance_facts(provenance: records.Provenance) -> list[str]:
    """Return what is needed to build the same bytes again, hashes by their first digits."""
    hashes = {"data": provenance.data_hash, "configuration": provenance.config_hash, "package": provenance.package_hash}
    known = [f"{name} {shorten(value, 12, '')}" for name, value in hashes.items() if value]
    return [f"seed {provenance.seed}", *known, *([provenance.command] if provenance.command else [])]


STYLES = {NO_MODEL: BAD, NOT_READY: BAD, WEAK: WARN}
# Warnings, tiles and kinds of drift that a terminal shows; the page has all.
_WARNINGS, _TILES, _UNNOTICED = 2, 6, 2
# The loss is a curve of its own.
_CURVE = "training"


def brief_parts(trace: Trace, folder: Path, following: Sequence[tuple[str, str]], page: Page) -> list[RenderableType]:
    """Return the parts, at most forty lines of eighty columns.

    Args:
        trace: of a finished run.
        folder: of the run.
        following: commands that come next, each with what it does.
        page: what the terminal can show.
    """
    device = f"for {trace.device.profile}" if trace.device is not None else ""
    parts: list[RenderableType] = [
        Text(page.facts(trace.name, trace.title or trace.task, device), style=ACCENT),
        Text(trace.verdict, style=STYLES.get(state_of(trace.verdict), GOOD)),
        *([] if trace.refit is None else [Text(refit_text(trace.refit), style=QUIET)]),
        *(Text(f"warning: {text}", style=WARN) for text in trace.warnings[:_WARNINGS]),
    ]
    left = len(trace.warnings) - _WARNINGS
    if left > 0:
        parts.append(Text(f"{plural(left, 'more warning')} in the page", style=WARN))
    parts += [Text(""), _flow(trace, page)]
    curves = charts(trace.training.epochs)[:1] if trace.training is not None else []
    if curves:
        parts += [Text(""), *blocks_parts([Charts(curves)], page)]
    if trace.insight.sentence:
        parts += [Text(""), Text(trace.insight.sentence, style="bold")]
    if trace.unnoticed:
        parts += [Text(""), Text(unnoticed_text(trace.unnoticed, _UNNOTICED), style=QUIET)]
    location = folder / PAGE_FILE
    longest = max((len(command) for command, _ in following), default=0)
    commands = [f"{command.ljust(longest)}  {purpose}" for command, purpose in following]
    end = f"page {location}" if location.exists() else HINT
    # Paths are copied, so their lines are never broken.
    return [*parts, Text(""), *(Listing(line) for line in (*commands, end))]


def _flow(trace: Trace, page: Page) -> Table:
    """Return a line for each stage of the data flow: title, shape, and the words of its drawing."""
    known = [tile for tile in tiles(trace) if tile.anchor != _CURVE][:_TILES]
    title = min(page.width // 3, max((len(tile.title) for tile in known), default=0))
    shape = min(page.width // 3, max((len(tile.shape) for tile in known), default=0))
    grid = Table.grid(padding=(0, 2, 0, 0))
    for width in (title, shape, max(0, page.width - title - shape - 6)):
        grid.add_column(width=width, no_wrap=True, overflow="ellipsis" if page.unicode else "crop")
    for tile in known:
        shown, words = (text if page.unicode else text.replace("→", "->") for text in (tile.shape, tile.words))
        grid.add_row(Text(tile.title), Text(shown), Text(words, style=QUIET))
    return grid
