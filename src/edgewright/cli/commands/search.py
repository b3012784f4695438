"""`edgewright search`: architectures under a device's budget, as a front of error, flash, RAM and latency."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    "search",
    epilog="Example: edgewright search hapt --device cortex-m4 --budget flash=64kB,ram=32kB --trials 100",
)
@click.argument("pipeline")
@click.option("--data", metavar="PATH", help="File or folder to take rows from, instead of [data] path.")
@click.option("--device", default="", metavar="PROFILE", help="Profile or TOML file; the pipeline's when left out.")
@click.option(
    "--budget", default="", metavar="LIMITS", help="flash=64kB,ram=16kB,latency=10ms; the device's otherwise."
)
@click.option("--trials", type=int, default=200, show_default=True, help="Points tried, those of before included.")
@click.option("--engine", default="local", show_default=True, help="local or dask://HOST:PORT.")
@click.option("--workers", type=int, default=1, show_default=True, help="Processes; 0 takes what is there.")
@click.option("--sampler", type=click.Choice(["nsga2", "tpe", "random"]), default="nsga2", show_default=True)
@click.option("--seed", type=int, default=None, help="Of the search; the pipeline's when left out.")
@click.option("--folds", type=click.IntRange(2), default=3, show_default=True, help="While searching.")
@click.option("--judge", type=click.IntRange(0), default=6, show_default=True, help="Points judged leaving units out.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Folder of the study; searches/NAME if not.")
@click.option("--resume", is_flag=True, help="Go on with the study in --out.")
@click.option("--take", type=int, default=None, metavar="N", help="Write trial N of the study as a pipeline, and stop.")
@click.option("--json", "as_json", is_flag=True, help="Print the front as JSON.")
def command(
    pipeline: str, data: str | None, device: str, budget: str, trials: int, engine: str, workers: int, sampler: str,
    seed: int | None, folds: int, judge: int, out: Path | None, resume: bool, take: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Search networks and features for PIPELINE (a name or a TOML file) that a device has room for.

    Points are estimated before they are trained; those beyond the budget are not trained. People whom [split]
    test_groups names take no part. Leaves a study that --resume goes on with after any kill, front.html, and a
    pipeline points/N.toml for every point of the front: edgewright run STUDY/points/N.toml
    """
    from edgewright.cli.interrupt import loading

    with loading():
        from edgewright.cli.search_output import SearchOptions, search

    search(
        SearchOptions(
            pipeline=pipeline,
            data=data,
            device=device,
            budget=budget,
            trials=trials,
            engine=engine,
            workers=workers,
            sampler=sampler,
            seed=seed,
            folds=folds,
            judge=judge,
            out=out,
            resume=resume,
            take=take,
            as_json=as_json,
        )
    )


COMMAND = command
