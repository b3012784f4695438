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
    data: str | None = option(metavar="PATH", help="File or folder to take rows from, instead of [data] path.")
    device: str = option(metavar="PROFILE", help="Profile or TOML file; the pipeline's when left out.")
    budget: str = option(metavar="LIMITS", help="flash=64kB,ram=16kB,latency=10ms; the device's otherwise.")
    trials: int = option(default=200, help="Points tried, those of before included.")
    engine: str = option(default="local", help="local or dask://HOST:PORT.")
    workers: int = option(default=1, help="Processes; 0 takes what is there.")
    sampler: str = option(type=click.Choice(["nsga2", "tpe", "random"]), default="nsga2")
    seed: int | None = option(help="Of the search; the pipeline's when left out.")
    folds: int = option(type=click.IntRange(2), default=3, help="While searching.")
    judge: int = option(type=click.IntRange(0), default=6, help="Points judged leaving units out.")
    out: Path | None = option(help="Folder of the study; searches/NAME if not.")
    resume: bool = option(help="Go on with the study in --out.")
    take: int | None = option(metavar="N", help="Write trial N of the study as a pipeline, and stop.")
    as_json: bool = option("--json", help="Print the front as JSON.")


@declare(
    "search", epilog="Example: edgewright search hapt --device cortex-m4 --budget flash=64kB,ram=32kB --trials 100"
)
def command(options: SearchOptions) -> None:
    """Search networks and features for PIPELINE (a name or a TOML file) that a device has room for.

    Points are estimated before they are trained; those beyond the budget are not trained. People whom [split]
    test_groups names take no part. Leaves a study that --resume goes on with after any kill, front.html, and a
    pipeline points/N.toml for every point of the front: edgewright run STUDY/points/N.toml
    """
    with loading():
        from edgewright.cli.search_output import search

    search(options)
