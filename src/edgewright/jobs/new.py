"""The files of a new job: for a person's own data, beside the pipeline that they suggest, or for a wake word."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from edgewright.jobs.catalogue import TABLE, examples
from edgewright.schema.config import PipelineConfig
from edgewright.workflows.own_data.proposal import Proposal

# espeak-ng says numbers in each of its languages.
_NUMBERS = (
    *range(21), *range(30, 101, 10), 24, 35, 46, 57, 68, 79, 81, 92, 200, 500, 1000, 1984, 2500, 3600, 10000, 77000,
)  # fmt: skip
_ALL_SPEAKERS, _SPEAKERS = 200, 50


def _template(name: str) -> str:
    return (resources.files("edgewright.jobs") / "templates" / name).read_text("utf-8")


def wake_files(folder: str, word: str, voices: tuple[str, ...], takes: Path | None) -> dict[str, str]:
    """Return text by file name of a job for a wake word.

    Args:
        folder: of the job.
        word: that wakes the device.
        voices: names of espeak-ng's; its English ones when empty.
        takes: folder in which somebody says the word three times; None for none.
    """
    own = "" if takes is None else f"own = {json.dumps(str(takes.resolve()))}\ntakes = 3\n"
    shown = json.dumps(word, ensure_ascii=False)
    table = _template("wake.toml").format(
        folder=folder, title=json.dumps(f"Does somebody say {word}?", ensure_ascii=False), word=shown,
        voices=json.dumps(voices), speakers=min(_ALL_SPEAKERS, _SPEAKERS * len(voices)) or _ALL_SPEAKERS, own=own,
        trained='synthetic = "words/takes"\n' if own else "",
    )  # fmt: skip
    shipped = {name: (examples() / "wake-word" / name).read_text("utf-8") for name in ("pipeline.toml", "device.toml")}
    others = "".join(f"{number}\n" for number in _NUMBERS if str(number) != word)
    return {TABLE: table, "others.txt": others} | {
        name: text.replace('name = "wake-word"', f"name = {json.dumps(Path(folder).name)}")
        for name, text in shipped.items()
    }


def job_files(proposal: Proposal, folder: str, data: str, labels: tuple[str, ...]) -> dict[str, str]:
    """Return text by file name.

    Args:
        proposal: of the pipeline.
        folder: of the job.
        data: as a person named it.
        labels: classes, the rarest last; empty for amounts.
    """
    config: PipelineConfig = proposal.config
    replayed = bool(labels) and len(proposal.data.dataset.columns) > 0 and config.split.by != "row"
    table = _template("job.toml").format(
        folder=folder, title=f"What do {data} tell?", data=data, device=config.device.profile,
        answer="{run.accuracy} of the samples that judge are answered right." if labels
        else "Amounts are off by {run.rmse}, as the root of the mean squared error.",
        picture='picture = "replay"\n' if replayed else "",
        more=_template("replay.toml").format(label=labels[-1]) if replayed else "",
        figure="accuracy" if labels else "rmse", bound="minimum = 0.9" if labels else "maximum = 1.0",
    )  # fmt: skip
    files = {TABLE: table}
    if replayed:
        files["device.toml"] = _template("device.toml").format(folder=folder, name=config.name)
    return files
