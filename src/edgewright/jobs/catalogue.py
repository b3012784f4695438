"""Jobs by name: folders of `examples` in a checkout or an installed package, or a folder of one's own."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import edgewright
from edgewright.core.toml_tables import convert_table, read_toml
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.job import JobSpec
from edgewright.workflows.own_data.proposal import Proposal

TABLE = "job.toml"


def examples() -> Path:
    """Return the folder of the jobs that come with Edgewright."""
    package = Path(edgewright.__file__).parent
    carried = package / "examples"
    return carried if carried.is_dir() else package.parents[1] / "examples"


def shipped_jobs() -> tuple[str, ...]:
    """Return the names of the jobs that come with Edgewright."""
    return tuple(sorted(path.parent.name for path in examples().glob(f"*/{TABLE}")))


def job_folder(name: str) -> Path:
    """Return the folder of a job.

    Args:
        name: of a shipped job, or a folder with `job.toml`.

    Raises:
        UnknownNameError: neither.
        InputError: a folder without a job.
    """
    if name in shipped_jobs():
        return examples() / name
    path = Path(name)
    if not path.is_dir():
        raise UnknownNameError("job", name, shipped_jobs(), "edgewright jobs run")
    if not (path / TABLE).is_file():
        raise InputError(
            f"a folder with {TABLE}", "none in it", str(path), "Make one: edgewright jobs new NAME --data FILE"
        )
    # A run is named after the folder, and `.` has no name.
    return path.resolve() if path.name in {"", ".."} else path


def read_job(folder: Path) -> JobSpec:
    """Return the table of a job.

    Raises:
        InputError: it is no TOML, or a key or value does not fit.
    """
    return convert_table(read_toml(folder / TABLE, "a job"), JobSpec, f"{folder.name} {TABLE}")


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
