"""`edgewright label status`: who labelled how much, and how far people agree."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from edgewright.cli.label._options import JSON, PROJECT, plain
from edgewright.cli.options import declare
from edgewright.cli.output import print_json


@declare("status", epilog="Example: edgewright label status calls.labelling")
def command(project: Path = PROJECT, as_json: bool = JSON) -> None:
    """Count labels by source, list equal texts with different labels, and report Cohen's kappa of reviewers."""
    from edgewright.language.labelling.agreement import contradictions, decided, kappas
    from edgewright.language.labelling.export import labels_of
    from edgewright.language.labelling.project import Project

    with Project(project) as opened:
        review, items = opened.said(), opened.items()
        humans, labels = decided(review), labels_of(opened)
        odd = contradictions(items, humans) if opened.kind == "text" else []
        kind, classes = opened.kind, opened.classes()
    by = Counter(source for _, source, _ in labels.values())
    counts = Counter(label for label, _, _ in labels.values())
    disputed = [item for item, one in humans.items() if one.disputed]
    agreed = kappas(review)
    if as_json:
        print_json({
            "items": len(items), "kind": kind, "by": dict(by), "classes": {name: counts[name] for name in classes},
            "disputed": disputed, "contradictions": [[a.id, b.id] for a, b, _, _ in odd],
            "agreement": [one._asdict() for one in agreed],
        })  # fmt: skip
        return
    click.echo(f"{len(items):,} items ({kind}), {len(labels):,} labelled")
    for source, count in by.most_common():
        click.echo(f"  {count:>7,} {source}")
    for name in classes:
        click.echo(f"  {counts[name]:>7,} as {name}")
    for one in agreed:
        click.echo(f"{one.first} and {one.second} agree on {one.agreed} of {one.common}: Cohen's kappa {one.value:.2f}")
    if disputed:
        items_told = "one item" if len(disputed) == 1 else f"{len(disputed):,} items"
        click.echo(f"{items_told} with two labels; settle: edgewright label review {project} --second")
    for first, other, label, second in odd[:5]:
        click.echo(f"equal texts, two labels: {first.id} {label}, {other.id} {second}: {plain(first.content, 60)}")
