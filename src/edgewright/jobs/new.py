"""The files of a new job, beside the pipeline that a person's own data suggest."""

from __future__ import annotations

from edgewright.jobs.catalogue import TABLE
from edgewright.schema.config import PipelineConfig
from edgewright.workflows.own_data.proposal import Proposal

_JOB = """# Steps of this job, in order. `edgewright jobs run {folder}` does them and writes one page.
title = "{title}"
shows = "From {data} to a package that is proven on {device}."
minutes = {minutes:g}
# What the figures do not show: say it before others ask.
limits = []

# The simplest model that works, by folds.
[[steps]]
kind = "ladder"

[[steps]]
kind = "run"

# Add device = "{device}" to run the code of the device in an emulator, too.
[[steps]]
kind = "prove"
{more}
# What a figure is to reach; the page says whether it does.
# [[targets]]
# step = "run"
# figure = "{figure}"
# {bound}
"""
_REPLAY = """
# How answers become alarms: name the labels that call for somebody.
# [[steps]]
# kind = "tune"
# alarms = ["{label}"]
# miss = 10.0

# The agent of device.toml over the recordings that judged the model.
[[steps]]
kind = "replay"
"""
_DEVICE = """# The device's agent: `edgewright device run runs/{folder}/{name} --config device.toml --source ...`.
# docs/device.md lists every key; rules that act on answers are state tables, [[rules]].
device = "{name}"
"""


def job_files(proposal: Proposal, folder: str, data: str, labels: tuple[str, ...]) -> dict[str, str]:
    """Return text by file name.

    Args:
        proposal: of the pipeline.
        folder: of the job.
        data: as a person named it.
        labels: classes, the rarest last; empty for amounts.
    """
    config: PipelineConfig = proposal.config
    replayed = bool(labels) and len(proposal.found.dataset.columns) > 0 and config.split.by != "row"
    table = _JOB.format(
        folder=folder, title=f"What do {data} tell?", data=data, device=config.device.profile, minutes=2,
        more=_REPLAY.format(label=labels[-1]) if replayed else "", figure="accuracy" if labels else "rmse",
        bound="minimum = 0.9" if labels else "maximum = 1.0",
    )  # fmt: skip
    files = {TABLE: table}
    return files | {"device.toml": _DEVICE.format(folder=folder, name=config.name)} if replayed else files
