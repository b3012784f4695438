"""`edgewright score`: anything that answers, on labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgewright.schema.score import Score


@click.command(
    "score",
    epilog="Example: edgewright score runs/hapt --data hapt --part test --need 'accuracy>=0.95'",
)
@click.argument("model", metavar="RUN|PACKAGE|FILE", type=click.Path(path_type=Path))
@click.option("--data", default="", metavar="DATA", help="File or folder with labels, or the name of a public set.")
@click.option("--kind", default="", metavar="NAME", help="Source or public set that reads DATA; judged by the path.")
@click.option("--part", default="", metavar="PART", help="Part of a public set; without --data of the run's own split.")
@click.option(
    "--target", default="", metavar="COLUMN", help="Column with the labels; that of the training if left out."
)
@click.option("--group", default="", metavar="COLUMN", help="Column with the person or machine, for the intervals.")
@click.option("--session", default="", metavar="COLUMN", help="Column with the session of a row.")
@click.option("--time", default="", metavar="COLUMN", help="Column with the time of a row.")
@click.option("--map", "maps", multiple=True, metavar="OURS=THEIRS",
              help="A column or label of DATA, and its name in the model; LABEL= leaves it out.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Key of the loader, such as subset=FD003.")
@click.option("--normal", multiple=True, metavar="LABEL", help="For detectors: label of normal rows. [default: 0, ok]")
@click.option("--last", is_flag=True, help="Only the last sample of each session, as C-MAPSS judges.")
@click.option("--engine", default="", metavar="NAME", help="Engine that answers. [default: that of a run's record]")
@click.option("--encoder", default="", metavar="DIR", help="Encoder of a language model or index that needs it.")
@click.option("--need", "needs", multiple=True, metavar="FIGURE>=X",
              help="Exit code 1 where a figure misses it; FIGURE.low and .high: of its interval.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the score as JSON.")
def command(
    model: Path,
    maps: tuple[str, ...],
    settings: tuple[str, ...],
    needs: tuple[str, ...],
    as_json: bool,
    **options: Any,  # noqa: ANN401 - click's options
) -> int:
    """Score a package, detector, forecaster, language model or index of documents on labelled DATA.

    The figures are those that run, detect, forecast and language report, with intervals of 95 % (by group where groups
    are known). All model files of a package answer, and samples whose class changes between them are counted. Columns,
    labels and units find each other whatever the loader of the training renamed.
    """
    from edgewright.cli.interrupt import loading

    with loading():
        import msgspec

        from edgewright.cli.detect._options import settings_of
        from edgewright.cli.scoring import kind_of, refuse_options
        from edgewright.schema.errors import CHECK_SAID_NO, DONE
        from edgewright.workflows.scoring.requirements import check_needs
        from edgewright.workflows.scoring.rows import ScoreRequest

    _, scored = kind_of(model)
    asked = ScoreRequest(names=_names(maps), settings=settings_of(settings), **options)
    refuse_options(scored, asked)
    found = scored.score(model, asked)
    found = msgspec.structs.replace(found, needs=check_needs(needs, found.figures))
    if as_json:
        told = {**msgspec.to_builtins(found), "file": str(model)}
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=1).decode())
    else:
        _print(found)
        if scored.show is not None:
            from edgewright.cli.terminal import Terminal

            scored.show(Terminal(), found)
        _tell(found)
    return DONE if all(row.met for row in found.needs) else CHECK_SAID_NO


def _names(maps: tuple[str, ...]) -> dict[str, str]:
    """Names of the data, and those of the model that they stand for.

    Raises:
        InputError: one without a '='.
    """
    from edgewright.schema.errors import InputError

    made = {}
    for text in maps:
        name, mark, other = text.rpartition("=")
        if not mark or not name:
            raise InputError("OURS=THEIRS", repr(text), "--map")
        made[name] = other
    return made


def _print(score: Score) -> None:
    """What was scored on what, and the figures of the whole."""
    part = f", part {score.part}" if score.part else ""
    click.echo(f"{score.name} ({score.kind}) on {score.data}{part}: {score.samples:,} {score.unit}s")
    if score.evaluation is not None:
        return  # the evaluation shows them, with all classes
    for name, figure in score.figures.items():
        ends = f" ({figure.low:.4g} to {figure.high:.4g})" if figure.method else ""
        click.echo(f"  {name:<22} {figure.value:.4g}{ends}")


def _tell(score: Score) -> None:
    """Notes and needs, which stand last."""
    for one in score.notes:
        click.echo(f"note: {one}")
    for row in score.needs:
        click.echo(f"need {row.text}: {'met' if row.met else 'missed'}, {row.figure:.4g}")


COMMAND = command
