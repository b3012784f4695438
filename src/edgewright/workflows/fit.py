"""`fit`: one call from a frame or a file of your own to a trained and packaged model, as `edgewright run` makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgewright.workflows.model import Model


def fit(
    data: Any,  # noqa: ANN401 - a path or a frame of Polars or pandas
    target: str = "",
    *,
    group: str = "",
    session: str = "",
    time: str = "",
    ignore: tuple[str, ...] = (),
    window: str = "",
    device: str = "",
    name: str = "",
    need: float | None = None,
    budget_s: float | None = None,
    out: str | Path = "runs",
    force: bool = False,
) -> Model:
    """Choose, train, evaluate and package a model with the defaults of `edgewright run`: `Model(...).fit(data)`.

    Args:
        data: a file or folder, or a frame of Polars or pandas; a frame is written to a CSV file in `out`.
        target: column to predict; this and all others as of `Model`.
        group: column with the person or machine of a row.
        session: column with the recording of a row.
        time: column with the time of a row.
        ignore: columns that are not measurements.
        window: what one decision is about.
        device: profile or TOML file of the device.
        name: name of the run.
        need: share of right answers (R² of an amount) below which the verdict is 'not ready'.
        budget_s: processor seconds of the race of models.
        out: folder of runs.
        force: replace a run folder of this name.

    Raises:
        InputError: the data cannot be read or have no target.
    """
    return Model(
        target, group=group, session=session, time=time, ignore=ignore, window=window, device=device, name=name,
        need=need, budget_s=budget_s, out=out, force=force,
    ).fit(data)  # fmt: skip
