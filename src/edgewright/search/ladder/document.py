"""A ladder as blocks, for the terminal, the page and the decision record: scores, gains, prices, what was found."""

from __future__ import annotations

from edgewright.core.formatting import bytes_text, microseconds_text
from edgewright.schema.lesson import Block, Facts, Grid, Heading, Paragraph
from edgewright.schema.race import LadderRecord, RungRecord
from edgewright.schema.trace import Interval
from edgewright.search.ladder.model_comparison import change, chosen_text, figure


def ladder_blocks(record: LadderRecord) -> tuple[Block, ...]:
    """Return everything that a ladder measured, the verdict last."""
    classes = f" of {len(record.classes)} classes" if record.classes else ""
    blocks: list[Block] = [Heading(text=f"{record.name}: {record.target}{classes}")]
    blocks.append(Paragraph(text=ladder_head(record)))
    if record.left_out:
        blocks.append(Paragraph(text=f"Held out: {', '.join(record.left_out)}."))
    blocks += [Paragraph(text=f"! {note}") for note in record.notes]
    blocks += ladder_tables(record)
    says = tuple((rung.title, rung.says) for rung in record.rungs if rung.says and (rung.climbed or rung.chosen))
    if says:
        blocks += [Heading(text="What was fitted"), Facts(rows=says)]
    return (*blocks, Paragraph(text=sentence(record.verdict)))


def ladder_head(ladder: LadderRecord) -> str:
    """Return on what rungs were scored, and how."""
    kept = "single rows" if ladder.kept == "row" else f"{ladder.units:,} whole {ladder.kept}s"
    less = "" if ladder.higher else " (less is better)"
    scoring = f"{ladder.metric_title}{less}; {ladder.metric_why}"
    return f"{ladder.samples:,} samples, {ladder.folds} folds of {kept}. Metric: {scoring}."


def ladder_tables(ladder: LadderRecord) -> tuple[Block, ...]:
    """Return the scores with their gains, why the ladder stopped, and the prices."""
    return (
        Grid(
            headers=("rung", "score (95 % CI)", "gain", "taken"),
            rows=tuple(_rung(rung, ladder.rungs) for rung in ladder.rungs),
            caption=_caption(ladder),
        ),
        Paragraph(text=" ".join(sentence(text) for text in (ladder.stopped, ladder.power) if text)),
        Grid(
            headers=(f"on {ladder.profile}", "flash", "RAM", "latency"),
            rows=tuple(_price(rung) for rung in ladder.rungs if rung.score),
            figures=(1, 2, 3),
            caption="Estimated without compiling; latency is modelled, unverified on silicon.",
        ),
    )


def sentence(text: str) -> str:
    """Return a text with a capital letter and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".") if text else ""


def _caption(ladder: LadderRecord) -> str:
    """Return the caption that explains the intervals and p-values of gains."""
    if ladder.power:
        return (
            f"p: exact permutation test that swaps the answers of two rungs by whole {ladder.kept}s, corrected for all "
            "rungs. Intervals: 95 % CI."
        )
    level = 100 * (1 - 0.05 / ladder.looks)
    return f"Gains are shown with a {level:.2f} % CI, corrected for {ladder.looks} comparisons."


def _rung(rung: RungRecord, rungs: tuple[RungRecord, ...]) -> tuple[str, ...]:
    if rung.score is None:
        return (rung.title, "", "", rung.left_out)
    over = next((other.title for other in rungs if other.name == rung.against), "")
    gain = f"{change(rung)} over {over}" if rung.gain else ""
    return (rung.title, _score(rung.score), gain, rung.why or chosen_text(rung))


def _price(rung: RungRecord) -> tuple[str, ...]:
    footprint = rung.footprint
    if footprint is None:
        return (rung.title, rung.unpriced, "", "")
    sizes = (bytes_text(footprint.flash.value), bytes_text(footprint.ram.value))
    return (rung.title, *sizes, microseconds_text(footprint.latency_us.value) if footprint.latency_us else "unknown")


def _score(score: Interval) -> str:
    return f"{figure(score.value)} ({figure(score.low)} to {figure(score.high)})"
