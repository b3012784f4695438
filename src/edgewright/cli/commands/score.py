"""`edgewright score`: anything that answers, on labelled data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import settings_of
from edgewright.core.errors import CHECK_SAID_NO, DONE, OptionFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.cli.scoring import Scored
    from edgewright.workflows.scoring.workflow import Score


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """Options of the command."""

    model: Path = argument(metavar="RUN|PACKAGE|FILE")
    data: str = option(metavar="DATA", help="File or folder with labels.")
    kind: str = option(metavar="NAME", help="Kind of source of DATA; detected from the path by default.")
    part: str = option(metavar="PART", help="Official part of a public set; without --data, of the run's own split.")
    target: str = option(metavar="COLUMN", help="Column with the labels; that of the training data by default.")
    group: str = option(metavar="COLUMN", help="Column with the person or machine, for the intervals.")
    session: str = option(metavar="COLUMN", help="Column with the session of a row.")
    time: str = option(metavar="COLUMN", help="Column with the time of a row.")
    maps: tuple[str, ...] = option(
        "--map",
        metavar="OURS=THEIRS",
        help="Column or label of DATA and its name in the model; LABEL= excludes it.",
    )
    settings: tuple[str, ...] = option("--set", metavar="KEY=VALUE", help="Option of the loader, such as subset=FD003.")
    normal: tuple[str, ...] = option(metavar="LABEL", help="For detectors: label of normal rows. [default: 0, ok]")
    last: bool = option(help="Only the last sample of each session, as C-MAPSS is scored.")
    engine: str = option(metavar="NAME", help="Inference engine. [default: that of the run's record]")
    encoder: str = option(metavar="DIR", help="Encoder of a language model or index that needs one.")
    needs: tuple[str, ...] = option(
        "--need",
        metavar="FIGURE>=X",
        help="Required metric; exits with 1 if missed. METRIC.low and .high are the ends of its interval.",
    )


@declare(example="runs/activity --data rows.csv --need 'accuracy>=0.95'", spreads=True)
def command(options: ScoreOptions) -> Result:
    """Score a package, detector, forecaster, language model or document index on labelled DATA.

    The metrics are those that run, detect, forecast and language report, with 95 % intervals (by group if groups are
    known). All model files of a package are evaluated, and samples whose class differs between them are counted.
    Columns, labels and units are matched even if the loader of the training data renamed them.
    """
    with loading():
        from edgewright.cli.scoring import kind_of, refuse_options
        from edgewright.workflows.scoring.rows import ScoreRequest
        from edgewright.workflows.scoring.workflow import check_needs

    _, scored = kind_of(options.model)
    same = ("data", "kind", "part", "target", "group", "session", "time", "normal", "last", "engine", "encoder")
    request = ScoreRequest(
        names=_names(options.maps), settings=settings_of(options.settings),
        **{name: getattr(options, name) for name in same},
    )  # fmt: skip
    refuse_options(scored, request)
    score = scored.score(options.model, request)
    score = msgspec.structs.replace(score, needs=check_needs(options.needs, score.figures))
    code = DONE if all(need.met for need in score.needs) else CHECK_SAID_NO
    return Result({**msgspec.to_builtins(score), "file": str(options.model)}, _view(score, scored), code)


def _names(maps: tuple[str, ...]) -> dict[str, str]:
    """Return names of the data, and those of the model that they stand for.

    Raises:
        InputError: one without a '='.
    """
    names = {}
    for text in maps:
        name, mark, other = text.rpartition("=")
        if not mark or not name:
            raise OptionFormatError("OURS=THEIRS", repr(text), "--map")
        names[name] = other
    return names


def _view(score: Score, scored: Scored) -> Iterator[Any]:
    """Yield what was scored on which data, the figures, and last the notes and needs."""
    part = f", part {score.part}" if score.part else ""
    yield f"{score.name} ({score.kind}) on {score.data}{part}: {score.samples:,} {score.unit}s"
    if score.evaluation is None:  # the evaluation shows them, with all classes
        for name, figure in score.figures.items():
            ends = f" ({figure.low:.4g} to {figure.high:.4g})" if figure.method else ""
            yield f"  {name:<22} {figure.value:.4g}{ends}"
    if scored.view is not None:
        yield from scored.view(score)
    yield from (f"note: {note}" for note in score.notes)
    for need in score.needs:
        yield f"need {need.text}: {'met' if need.met else 'missed'}, {need.figure:.4g}"
