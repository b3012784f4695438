"""`edgewright label status`: who labelled how much, and how far people agree."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from edgewright.cli.command import Result, declare
from edgewright.cli.commands.label._options import PROJECT, plain
from edgewright.core.formatting import plural


@declare(example="calls.labelling")
def command(project: Path = PROJECT) -> Result:
    """Count labels by source, list equal texts with different labels, and report Cohen's kappa of reviewers."""
    from edgewright.language.labelling.agreement import contradictions, decided, kappas
    from edgewright.language.labelling.export import labels_of
    from edgewright.language.labelling.project import Project

    with Project(project) as opened:
        review, items = opened.reviews(), opened.items()
        humans, labels = decided(review), labels_of(opened)
        odd = contradictions(items, humans) if opened.kind == "text" else []
        kind, classes = opened.kind, opened.classes()
    by = Counter(source for _, source, _ in labels.values())
    counts = Counter(label for label, _, _ in labels.values())
    disputed = [item for item, answers in humans.items() if answers.disputed]
    agreed = kappas(review)
    lines = [
        f"{len(items):,} items ({kind}), {len(labels):,} labelled",
        *(f"  {count:>7,} {source}" for source, count in by.most_common()),
        *(f"  {counts[name]:>7,} as {name}" for name in classes),
    ]
    lines += [
        f"{pair.first} and {pair.second} agree on {pair.agreed} of {pair.common}: Cohen's kappa {pair.value:.2f}"
        for pair in agreed
    ]
    if disputed:
        settle = f"settle: edgewright label review {project} --second"
        lines.append(f"{plural(len(disputed), 'item')} with two labels; {settle}")
    lines += [
        f"equal texts, two labels: {first.id} {label}, {other.id} {second}: {plain(first.content, 60)}"
        for first, other, label, second in odd[:5]
    ]
    record = {
        "items": len(items), "kind": kind, "by": dict(by), "classes": {name: counts[name] for name in classes},
        "disputed": disputed, "contradictions": [[a.id, b.id] for a, b, _, _ in odd],
        "agreement": [pair._asdict() for pair in agreed],
    }  # fmt: skip
    return Result(record, lines)
