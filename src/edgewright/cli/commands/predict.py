"""`edgewright predict`: answers from a package, offline, with the base install alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from edgewright.cli.command import BadRows, Result, Stream, argument, declare, json_line, option
from edgewright.core.errors import DONE, OptionsConflictError
from edgewright.core.formatting import percent


def _sentence(answer: dict[str, Any]) -> str:
    """Return an answer as text: 'walking, 85 %'."""
    location = f"{answer['place']}: " if answer.get("place") else ""
    if answer.get("missing"):
        return f"{location}no answer, because too many values are missing"
    if "alarm" in answer:
        at = ", ".join(f"{one['x']},{one['y']}" for one in answer["odd_places"])
        return f"{location}{f'odd at {at}' if at else 'good'} ({answer['score']:+.2f} from the threshold)"
    if "objects" in answer:
        objects = (f"{one['label']} at {one['x']},{one['y']}, {percent(one['score'])}" for one in answer["objects"])
        return f"{location}{'; '.join(objects) or 'no object'}"
    if "label" not in answer:
        ends = answer.get("interval")
        within = f" ({percent(ends['level'])}: {ends['low']:.6g} to {ends['high']:.6g})" if ends else ""
        return f"{location}{answer['prediction']:.6g}{within}"
    text = f"{location}{answer['label']}, {percent(answer['confidence'])}"
    if answer.get("unsure"):
        text += " (unsure)"
    if answer.get("out_of_range"):
        text += f" (out of the declared range: {', '.join(answer['out_of_range'])})"
    return text


@declare(example="runs/activity --csv new.csv --json", view=_sentence, json="Print JSON lines, one per answer.")
def command(
    model: str = argument(metavar="RUN|PACKAGE"),
    standard_input: str | None = argument(metavar="[-]", required=False, type=click.Choice(["-"])),
    csv_path: str | None = option(
        "--csv", metavar="FILE", help="CSV file with the package's columns ('-' for standard input)."
    ),
    pictures: str | None = option(metavar="PATH", help="Picture, or folder or ZIP of pictures."),
    skip_bad_rows: bool = option(help="Report rows of --csv that cannot be read, and treat them as missing."),
    values: str | None = option(metavar="1,2,...", help="One sample: values separated by commas; empty if missing."),
    engine: str | None = option(
        metavar="NAME", help="Inference engine; by default the fastest on this machine for the model."
    ),
    form: str | None = option(
        metavar="NAME", help="Form of the model: float or int8; the package's default form by default."
    ),
) -> Stream:
    """Predict label and confidence, or amount and interval, for samples with a run folder or a package.

    With '-', rows of CSV come from standard input and each answer is a line of JSON; a cell that is not a finite number
    is reported on standard error and counts as missing.
    """
    from edgewright.core.engines import MANY_ROWS
    from edgewright.core.prediction_input import answer_rows, answer_values
    from edgewright.export.answering import load

    options = {"-": standard_input, "--csv": csv_path, "--pictures": pictures, "--values": values}
    given = [name for name, value in options.items() if value]
    if len(given) != 1:
        raise OptionsConflictError(
            "one of --csv FILE, --pictures PATH, --values 1,2,... or -", " and ".join(given) or "none",
            "edgewright predict",
        )  # fmt: skip
    predictor = load(model, engine=engine, form=form, rows=MANY_ROWS if values is None else 1)
    if pictures is not None:
        from edgewright.data.picture_samples import answer_pictures

        yield from answer_pictures(predictor, Path(pictures))
    elif values is not None:
        yield from answer_values(predictor, values)
    elif standard_input or csv_path == "-":
        for answer in answer_rows(predictor, sys.stdin, "standard input", BadRows()):
            yield Result(answer, [json_line(answer)], compact=True)
    else:
        path = Path(str(csv_path))
        yield from answer_rows(predictor, path, path.name, BadRows() if skip_bad_rows else None)
    return DONE
