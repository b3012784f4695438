"""`edgewright search`: architectures under a device's budget, as a front of error, flash, RAM and latency."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from edgewright.cli.interrupt import loading
from edgewright.cli.options import argument, declare, option


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """Options of the command."""

    pipeline: str = argument()
    data: str | None = option(metavar="PATH", help="File or folder to read rows from, instead of [data] path.")
    device: str = option(metavar="PROFILE", help="Profile or TOML file; the pipeline's device by default.")
    budget: str = option(metavar="LIMITS", help="flash=64kB,ram=16kB,latency=10ms; the device's limits by default.")
    trials: int = option(default=200, help="Number of trials, including earlier ones.")
    engine: str = option(default="local", help="local or dask://HOST:PORT.")
    workers: int = option(default=1, help="Number of processes; 0 uses all cores.")
    sampler: str = option(type=click.Choice(["nsga2", "tpe", "random"]), default="nsga2")
    seed: int | None = option(help="Seed of the search; the pipeline's by default.")
    folds: int = option(type=click.IntRange(2), default=3, help="Number of folds during the search.")
    judge: int = option(
        type=click.IntRange(0), default=6, help="Number of candidates to evaluate by leaving groups out."
    )
    out: Path | None = option(help="Folder of the study; searches/NAME by default.")
    resume: bool = option(help="Continue the study in --out.")
    take: int | None = option(metavar="N", help="Write trial N of the study as a pipeline, and exit.")
    as_json: bool = option("--json", help="Print the Pareto front as JSON.")


@declare(
    "search", epilog="Example: edgewright search hapt --device cortex-m4 --budget flash=64kB,ram=32kB --trials 100"
)
def command(options: SearchOptions) -> None:
    """Search networks and features for PIPELINE (a name or a TOML file) that fit a device.

    Candidates are estimated before they are trained; those beyond the budget are not trained. People in [split]
    test_groups are not used. Writes a study that --resume continues after any interruption, front.html, and a pipeline
    points/N.toml for every point of the Pareto front: edgewright run STUDY/points/N.toml
    """
    with loading():
        from edgewright.cli.search_output import search

    search(options)
