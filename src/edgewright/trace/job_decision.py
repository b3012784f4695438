"""The decision record of a job: context, options measured, decision and consequences, as blocks."""

from __future__ import annotations

from edgewright.schema.job import Choice, JobRecord
from edgewright.schema.lesson import Block, Code, Facts, Grid, Paragraph
from edgewright.trace.job_view import bound_text, measured_text, missed_targets


def decision_sections(record: JobRecord) -> tuple[tuple[str, tuple[Block, ...]], ...]:
    """Return the name and the blocks of each section."""
    choices = [step.choice for step in record.steps if step.choice is not None]
    return (
        ("Context", (Paragraph(text=record.title), Paragraph(text=record.shows))),
        ("Options measured", _options(choices)),
        ("Decision", _decision(choices)),
        ("Consequences", _consequences(record)),
    )


def _options(choices: list[Choice]) -> tuple[Block, ...]:
    made = tuple(
        Grid(
            headers=("option", "measured (95 %)"),
            rows=tuple((one.title, measured_text(one)) for one in choice.options),
            figures=(1,),
            caption=choice.question,
        )
        for choice in choices
        if choice.options
    )
    return made or (Paragraph(text="No second option was measured."),)


def _decision(choices: list[Choice]) -> tuple[Block, ...]:
    if not choices:
        return (Paragraph(text="The job's table fixes every part; no step chose."),)
    return tuple(Paragraph(text=f"{one.question} {_sentence(one.chosen)} {_sentence(one.why)}") for one in choices)


def _consequences(record: JobRecord) -> tuple[Block, ...]:
    made: list[Block] = []
    failed = [step.name for step in record.steps if not step.passed]
    if failed:
        made.append(Paragraph(text=f"Checks that failed: {', '.join(failed)}."))
    missed = tuple((name, f"{measured}; asked {bound_text(target, unit)}") for target, name, measured, unit in
                   missed_targets(record))  # fmt: skip
    if missed:
        made += [Paragraph(text="Targets that are missed:"), Facts(rows=missed)]
    else:
        made.append(Paragraph(text="No target is missed." if record.targets else "The job has no targets."))
    made += [Paragraph(text=text) for text in record.limits]
    commands = dict.fromkeys(step.command for step in record.steps if step.command)
    return (*made, Code(text="\n".join(commands), language="shell")) if commands else tuple(made)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."
