"""`edgewright coach score`: how well mistakes are found, on speakers that took no part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading

if TYPE_CHECKING:
    from edgewright.schema.coach import CoachScore


@declare(example="english.coach recordings")
def command(
    *,
    coach: Path = argument(metavar="COACH"),
    recordings: Path = argument(metavar="RECORDINGS"),
    seed: int = option(type=click.IntRange(0), default=0, help="Seed of the changed prompts."),
) -> Result:
    """Measure COACH on those of RECORDINGS whose speakers it has never heard.

    Mistakes are made through the dictionary: the prompt of a recording gets another phone, or another word, than the
    speaker read. Mistakes that the speakers made themselves count as right, so that the figures are too low for them.
    """
    with loading():
        from edgewright.language.pronunciation.coach import read_coach
        from edgewright.language.pronunciation.evaluation import score_coach, unheard
        from edgewright.language.pronunciation.takes import read_corpus

    network, corpus = read_coach(coach), read_corpus(recordings)
    score = score_coach(network, unheard(network, corpus.takes), corpus.lexicon, seed)
    return Result(score, _print(score))


def _print(score: CoachScore) -> Iterator[str]:
    yield (f"{score.recordings} recordings of {score.speakers} speakers never heard, {score.phones:,} phones of "
               f"changed prompts; 95 % intervals by speaker")  # fmt: skip
    for title, name in TITLES.items():
        interval = getattr(score, name)
        yield f"  {title:<58} {interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"
    yield (f"  int8 network {score.network_bytes:,} bytes; a verdict comes {score.verdict_ms:.0f} ms after a word "
               f"ends (90 % within {score.late_verdict_ms:.0f} ms)")  # fmt: skip


TITLES = {
    "area under the ROC curve, phones": "phone",
    "area, phones in place of easily confused ones": "confusable",
    "area, words with one phone changed": "word",
    "area, words in place of other words": "other_word",
    "changed phones found": "recall",
    "right phones told as mistakes": "false_alarms",
    "phone that was said is the one named, of confused ones": "named",
}
