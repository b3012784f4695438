"""The files of a new job: for a person's own data, beside the pipeline that they suggest, or for a wake word."""

from __future__ import annotations

import json
from pathlib import Path

from edgewright.jobs.catalogue import TABLE, examples
from edgewright.schema.config import PipelineConfig
from edgewright.workflows.own_data.proposal import Proposal

_JOB = """# Steps of this job, in order. `edgewright jobs run {folder}` does them and writes one page.
title = "{title}"
shows = "From {data} to a package that is proven on {device}."
# What the page begins with: a sentence with figures of steps, and the step whose picture comes first.
answer = "{answer}"
{picture}# What the figures do not show: say it before others ask.
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
_WAKE = """# A wake word of your own. `edgewright jobs run {folder}` does these steps and writes one page.
title = {title}
shows = "A wake word by voices of espeak-ng, without data: recordings, a network, alarms, a stream through the agent."
answer = "When voices say it, {{alarms.missed}} is missed, at {{alarms.false_alarms}} false alarms an hour."
picture = "replay"
minutes = 5
limits = [
    "Voices of espeak-ng that did not train judge: how people do is not known.",
]

# Other words that must not wake the device: others.txt. Add those that sound like yours, omit those that hold it.
[[steps]]
kind = "words"
word = {word}
voices = {voices}
speakers = {speakers}
{own}
[[steps]]
kind = "run"
{trained}
[[steps]]
kind = "prove"
rows = 300
device = "cortex-m4"

# A false alarm costs as much as twenty missed words.
[[steps]]
kind = "tune"
alarms = [{word}]
false_alarm = 20.0
miss = 1.0

[[steps]]
kind = "alarms"

[[steps]]
kind = "replay"
tolerance = 1.5
most = 1

[[targets]]
step = "alarms"
figure = "missed"
maximum = 0.1

[[targets]]
step = "run"
figure = "flash"
maximum = 35000
"""
# espeak-ng says numbers in each of its languages.
_NUMBERS = (
    *range(21),
    *range(30, 101, 10),
    24,
    35,
    46,
    57,
    68,
    79,
    81,
    92,
    200,
    500,
    1000,
    1984,
    2500,
    3600,
    10000,
    77000,
)
_ALL_SPEAKERS, _SPEAKERS = 200, 50


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
    table = _WAKE.format(
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
    table = _JOB.format(
        folder=folder, title=f"What do {data} tell?", data=data, device=config.device.profile,
        answer="{run.accuracy} of the samples that judge are answered right." if labels
        else "Amounts are off by {run.rmse}, as the root of the mean squared error.",
        picture='picture = "replay"\n' if replayed else "",
        more=_REPLAY.format(label=labels[-1]) if replayed else "", figure="accuracy" if labels else "rmse",
        bound="minimum = 0.9" if labels else "maximum = 1.0",
    )  # fmt: skip
    files = {TABLE: table}
    return files | {"device.toml": _DEVICE.format(folder=folder, name=config.name)} if replayed else files
