"""`edgewright label errors`: labels that are likely wrong."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.command import Result, declare, option
from edgewright.cli.commands.label._options import ENCODER, PROJECT, encoder_of, plain
from edgewright.cli.interrupt import loading


@declare(example="calls.labelling --encoder all-MiniLM-L6-v2")
def command(
    project: Path = PROJECT,
    encoder: Path | None = ENCODER,
    machine: bool = option(help="Include labels that nobody reviewed."),
    top: int = option(type=click.IntRange(1), default=20, help="Number of labels to show."),
    seed: int = option(type=click.IntRange(0), default=0, help="Seed of the folds."),
) -> Result:
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
    errors = likely_errors(vectors[places], targets, people if grouped else None, seed)
    listed = [
        {"item": items[places[error.index]].id, "content": items[places[error.index]].content,
         "label": classes[error.given], "by": labels[items[places[error.index]].id][1],
         "likelier": classes[error.likelier], "belief": error.belief}
        for error in errors
    ]  # fmt: skip
    lines = (
        f"  {error['item']:>6} {error['label']} (rather {error['likelier']}): {plain(str(error['content']), 80)}"
        for error in listed[:top]
    )
    return Result(
        {"looked_at": len(places), "found": len(errors), "errors": listed[:top], "cannot": CANNOT},
        [
            f"{len(errors):,} of {len(places):,} labels are likely wrong, most likely first:", *lines,
            f"review one: edgewright label review {project} --item NUMBER", f"note: {CANNOT}",
        ],
    )  # fmt: skip
