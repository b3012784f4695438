"""A finished run in a few lines of the terminal: verdict, flow, curve, insight, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from edgewright.core.formatting import plural
from edgewright.core.records.trace import Trace
from edgewright.trace.blocks.flow_picture import tiles
from edgewright.trace.blocks.terminal import blocks_parts
from edgewright.trace.blocks.view_blocks import Charts
from edgewright.trace.page import ACCENT, BAD, GOOD, QUIET, WARN, Listing, Page
from edgewright.trace.page_model import HINT, PAGE_FILE
from edgewright.trace.sections.training import charts
from edgewright.trace.sentences.facts import refit_text, unnoticed_text
from edgewright.trace.sentences.readiness import NO_MODEL, NOT_READY, WEAK, state_of

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
