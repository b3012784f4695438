"""`edgewright score`: anything that answers, on labelled data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, declare, option, settings_of
from edgewright.cli.output import print_json
from edgewright.schema.errors import CHECK_SAID_NO, DONE, InputError

if TYPE_CHECKING:
    from edgewright.schema.score import Score


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """Options of the command."""

    model: Path = argument(metavar="RUN|PACKAGE|FILE")
    data: str = option(metavar="DATA", help="File or folder with labels, or the name of a public set.")
    kind: str = option(metavar="NAME", help="Source or public set that reads DATA; judged by the path.")
    part: str = option(metavar="PART", help="Part of a public set; without --data of the run's own split.")
    target: str = option(metavar="COLUMN", help="Column with the labels; that of the training if left out.")
    group: str = option(metavar="COLUMN", help="Column with the person or machine, for the intervals.")
    session: str = option(metavar="COLUMN", help="Column with the session of a row.")
    time: str = option(metavar="COLUMN", help="Column with the time of a row.")
    maps: tuple[str, ...] = option(
        "--map",
        metavar="OURS=THEIRS",
        help="A column or label of DATA, and its name in the model; LABEL= leaves it out.",
    )
    settings: tuple[str, ...] = option("--set", metavar="KEY=VALUE", help="Key of the loader, such as subset=FD003.")
    normal: tuple[str, ...] = option(metavar="LABEL", help="For detectors: label of normal rows. [default: 0, ok]")
    last: bool = option(help="Only the last sample of each session, as C-MAPSS judges.")
    engine: str = option(metavar="NAME", help="Engine that answers. [default: that of a run's record]")
    encoder: str = option(metavar="DIR", help="Encoder of a language model or index that needs it.")
    needs: tuple[str, ...] = option(
        "--need",
        metavar="FIGURE>=X",
        help="Exit code 1 where a figure misses it; FIGURE.low and .high: of its interval.",
    )
    as_json: bool = option("--json", help="Print the score as JSON.")


@declare("score", epilog="Example: edgewright score runs/hapt --data hapt --part test --need 'accuracy>=0.95'")
def command(options: ScoreOptions) -> int:
    """Score a package, detector, forecaster, language model or index of documents on labelled DATA.

    The figures are those that run, detect, forecast and language report, with intervals of 95 % (by group where groups
    are known). All model files of a package answer, and samples whose class changes between them are counted. Columns,
    labels and units find each other whatever the loader of the training renamed.
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
    found = scored.score(options.model, request)
    found = msgspec.structs.replace(found, needs=check_needs(options.needs, found.figures))
    if options.as_json:
        print_json({**msgspec.to_builtins(found), "file": str(options.model)})
    else:
        _print(found)
        if scored.show is not None:
            from edgewright.cli.listeners import Terminal

            scored.show(Terminal(), found)
        _tell(found)
    return DONE if all(row.met for row in found.needs) else CHECK_SAID_NO


def _names(maps: tuple[str, ...]) -> dict[str, str]:
    """Return names of the data, and those of the model that they stand for.

    Raises:
        InputError: one without a '='.
    """
    made = {}
    for text in maps:
        name, mark, other = text.rpartition("=")
        if not mark or not name:
            raise InputError("OURS=THEIRS", repr(text), "--map")
        made[name] = other
    return made


def _print(score: Score) -> None:
    """Print what was scored on which data, and the overall figures."""
    part = f", part {score.part}" if score.part else ""
    click.echo(f"{score.name} ({score.kind}) on {score.data}{part}: {score.samples:,} {score.unit}s")
    if score.evaluation is not None:
        return  # the evaluation shows them, with all classes
    for name, figure in score.figures.items():
        ends = f" ({figure.low:.4g} to {figure.high:.4g})" if figure.method else ""
        click.echo(f"  {name:<22} {figure.value:.4g}{ends}")


def _tell(score: Score) -> None:
    """Note and needs, which stand last."""
    for one in score.notes:
        click.echo(f"note: {one}")
    for row in score.needs:
        click.echo(f"need {row.text}: {'met' if row.met else 'missed'}, {row.figure:.4g}")
