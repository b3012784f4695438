"""`edgewright init`: a first pipeline from a person's own data."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.cli.options import refuse_existing
from edgewright.cli.own_data import OwnDataOptions, echo_choices, first_pipeline, racing_on
from edgewright.cli.text import wrote


@declare(example="my.csv --target label --group person", spreads=True)
def command(
    options: OwnDataOptions,
    data: str = argument(),
    yes: bool = option("--yes", "-y", help="Take what the data suggest, without questions."),
    out: Path = option(metavar="DIR", default=Path(), help="Folder for pipeline.toml and data.md; made if missing."),
    force: bool = option(help="Replace pipeline.toml and data.md."),
    resume: bool = option(help="Go on with the race of models that was stopped."),
) -> Result:
    """Write a first pipeline for DATA (a CSV, Parquet or WAV file, or a folder of them).

    Looks at the data, asks at most five questions on a terminal, compares models on validation samples, and writes a
    commented pipeline.toml with the reason of each choice, and data.md with what was found. Next: edgewright run.
    """
    from edgewright.core.files import write_together

    pipeline, document = out / "pipeline.toml", out / "data.md"
    for file in (pipeline, document) if out.exists() else ():
        refuse_existing(file, force)
    with loading():
        import edgewright.workflows.own_data.document  # noqa: F401

    with racing_on(options.request(data), out, resume):
        proposal, files = first_pipeline(options, data, yes, out)
        write_together(files)
    echo_choices(proposal)
    following = [
        f"edgewright run {click.format_filename(pipeline)}", f"edgewright export runs/{proposal.table['name']} --to c99"
    ]  # fmt: skip
    return Result(
        {"pipeline": str(pipeline), "document": str(document), "next": following},
        [wrote(pipeline, document), f"next: {following[0]}", f"then: {following[1]}"],
    )
