"""Documents: answers are sentences found in the documents, not generated text."""

from __future__ import annotations

import shlex
from typing import Any

from edgewright.pipeline.cost.duration_estimate import Ahead, Progress
from edgewright.schema.advice import Existing, Frame
from edgewright.search.advise.contract import AdviceRequest, Framing, FramingResult, capabilities
from edgewright.search.advise.inspection import Inspection

_ENDINGS = (".pdf", ".md", ".html", ".htm", ".txt")
# Assumptions: bytes per question, and memory in bytes of Python, NumPy and SQLite with a small index.
SEARCH: dict[str, Any] = {
    "columns": ("question",), "usual_rows": 50.0, "bytes_row": 60.0, "choice": "full text search", "least_bytes": 64e6,
    "least_why": "a SQLite index and the Python code that queries it", "curve_note": "not measured: nothing is trained",
}  # fmt: skip
"""Fields of `FramingResult` where documents are searched."""


def _fits(seen: Inspection, request: AdviceRequest) -> bool:
    if seen.location is None or request.target or request.kind or seen.header:
        return False
    known = sum(count for ending, count in seen.endings.items() if ending in _ENDINGS)
    return known > 0 and known >= 0.8 * sum(seen.endings.values())


def _advise(seen: Inspection, request: AdviceRequest, progress: Progress, ahead: Ahead) -> FramingResult:
    assert seen.location is not None  # noqa: S101 - `_fits` ensures it
    files = sorted(
        path for path in ([seen.location] if seen.location.is_file() else seen.location.rglob("*"))
        if path.suffix.lower() in _ENDINGS
    )  # fmt: skip
    size = sum(path.stat().st_size for path in files)
    kinds = ", ".join(f"{count} {ending}" for ending, count in sorted(seen.endings.items()) if ending in _ENDINGS)
    some = " ".join(shlex.quote(str(path)) for path in files[:3]) + (" ..." if len(files) > 3 else "")
    index = (f"edgewright language index {some} --out documents.index",
             'edgewright language ask "..." --index documents.index')  # fmt: skip
    return FramingResult(
        name=seen.location.stem,
        target="",
        frame=Frame(
            task="retrieval",
            why=(
                f"{kinds}: {size:,} bytes of text and no sensor readings",
                "a section of a document answers each question, so no labels are needed",
            ),
            capabilities=capabilities(retrieval="the answer and its location must be found in a document"),
            commands=index,
        ),
        changes_how="every question has its own answer, shown where it was asked",
        existing=(
            Existing(
                name="full text search",
                purpose="matches words and their stems; needs only the base install, runs on small boards",
                command=index[0],
            ),
            Existing(
                name="vectors of a sentence encoder",
                purpose="finds paraphrases, where word matching is not enough: --encoder DIR",
                command=index[0].replace(" --out", " --encoder DIR --out"),
            ),
        ),
        choice_why="it is the simplest option that can answer; test it with your own questions",
        measured=(("full text search", "not measured: this needs questions with known answers"),),
        commands=index,
        notes=("no language model is needed: `language ask` quotes the sentence that answers the question",),
        **SEARCH,
    )


FRAMING = Framing(rank=10, tasks=("retrieval",), fits=_fits, advise=_advise)
