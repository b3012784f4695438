"""`edgewright label errors`: labels that are likely wrong."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.label._options import ENCODER, JSON, PROJECT, encoder_of, plain
from edgewright.cli.options import declare, option
from edgewright.cli.output import print_json


@declare("errors", epilog="Example: edgewright label errors calls.labelling --encoder all-MiniLM-L6-v2")
def command(
    project: Path = PROJECT,
    encoder: Path | None = ENCODER,
    machine: bool = option(help="Include labels that nobody reviewed."),
    top: int = option(type=click.IntRange(1), default=20, help="Number of labels to show."),
    seed: int = option(type=click.IntRange(0), default=0, help="Seed of the folds."),
    as_json: bool = JSON,
) -> None:
    """List labels that are probably wrong, by confident learning with out-of-group probabilities.

    Finds individual slips, but not classes that are mixed up throughout, and few errors in labels that a machine gave.
    """
    with loading():
        import numpy as np

        from edgewright.language.labelling.export import labels_of
        from edgewright.language.labelling.label_errors import CANNOT, likely_errors
        from edgewright.language.labelling.project import Project
        from edgewright.language.labelling.vectors import vectors_of

    with Project(project) as opened:
        labels = labels_of(opened, human_only=not machine)
        items, classes = opened.items(), list(opened.classes())
        places = [k for k, item in enumerate(items) if item.id in labels]
        vectors = vectors_of(opened, encoder_of(opened, encoder))
    targets = np.array([classes.index(labels[items[k].id][0]) for k in places], np.int64)
    people = np.unique([items[k].person for k in places], return_inverse=True)[1] if places else targets
    grouped = len(np.unique(people)) > 1
    found = likely_errors(vectors[places], targets, people if grouped else None, seed)
    listed = [
        {"item": items[places[one.place]].id, "content": items[places[one.place]].content,
         "label": classes[one.given], "by": labels[items[places[one.place]].id][1],
         "likelier": classes[one.likelier], "belief": one.belief}
        for one in found
    ]  # fmt: skip
    if as_json:
        print_json({"looked_at": len(places), "found": len(found), "errors": listed[:top], "cannot": CANNOT})
        return
    click.echo(f"{len(found):,} of {len(places):,} labels are likely wrong, most likely first:")
    for one in listed[:top]:
        click.echo(f"  {one['item']:>6} {one['label']} (rather {one['likelier']}): {plain(str(one['content']), 80)}")
    click.echo(f"review one: edgewright label review {project} --item NUMBER")
    click.echo(f"note: {CANNOT}")
