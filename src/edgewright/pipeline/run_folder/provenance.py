"""Everything needed to build the same bytes again, and `compress.json`, the record of a compression."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from edgewright._version import __version__
from edgewright.data.audited_labels import LIMIT_KEY
from edgewright.data.public import names
from edgewright.data.remote import absolute, is_remote
from edgewright.pipeline.plan import Plan
from edgewright.schema.compress import COMPRESS_VERSION, CompressRecord
from edgewright.schema.data import DataSet
from edgewright.schema.errors import InputError
from edgewright.schema.labelling import LabelRecord
from edgewright.schema.trace import Provenance
from edgewright.trace.record import read_trace

RECORD = "compress.json"


def write_record(record: CompressRecord, folder: Path) -> None:
    """Write the record into a folder that is not published yet."""
    text = msgspec.json.format(msgspec.json.encode(record, order="sorted"), indent=2) + b"\n"
    (folder / RECORD).write_bytes(text)


def read_record(folder: Path) -> CompressRecord:
    """Return the record of a compression.

    Raises:
        InputError: absent, damaged, or of a newer version.
    """
    path = folder / RECORD
    try:
        content = path.read_bytes()
        version = msgspec.json.decode(content).get("version", 0)
        if version > COMPRESS_VERSION:
            raise InputError("a record of a known version", str(version), str(path), "Upgrade edgewright")
        return msgspec.json.decode(content, type=CompressRecord)
    except OSError as error:
        raise InputError("a compress.json", error.strerror or str(error), str(path)) from None
    except (msgspec.MsgspecError, AttributeError) as error:
        raise InputError("an undamaged compress.json", str(error), str(path)) from None


_LIBRARIES = ("numpy", "jax", "optax", "scikit-learn", "onnx", "onnxruntime")


def loader_text(table: dict[str, Any]) -> str:
    """Return what reads data as the package's were read, as JSON: the kind, and of a public set the keys of its loader.

    Names of columns and paths of a user's own data stay out of the package; so does the part of a set, because other
    parts are what it is scored on.
    """
    kind = table.get("kind", "")
    keys = {key: value for key, value in table.items() if key not in ("path", "part", LIMIT_KEY)}
    return msgspec.json.encode(keys if kind in names() else {"kind": kind}, order="deterministic").decode()


def data_path(table: dict[str, Any], data: str | None) -> str:
    """Absolute path of a run's data; empty where they are made up or a public set's own.

    Args:
        table: `[data]` of the run.
        data: path that overrides the one in it.
    """
    given = data or table.get("path")
    return absolute(given) if isinstance(given, str) and given else ""


@dataclass(frozen=True)
class Remembered:
    """What a run folder knows of its data: where they lay, and the SHA-256 of its samples; empty where it does not."""

    path: str = ""
    sha256: str = ""

    def data_location(self) -> str | None:
        """Return the path; None where the configuration alone leads to the data.

        Raises:
            InputError: nothing lies there any more.
        """
        if self.path and not is_remote(self.path) and not Path(self.path).exists():
            raise InputError(
                "the data the run was fitted on", "no such file or folder", self.path, "Name them with --data"
            )
        return self.path or None

    def changed(self, sha256: str) -> bool:
        """Return whether these are other samples than those of the run."""
        return self.sha256 not in ("", sha256)


def remembered(folder: Path) -> Remembered:
    """Return what a run, or a compressed run, noted of its data.

    Raises:
        InputError: its record is damaged.
    """
    if (folder / "trace.json").exists():
        provenance = read_trace(folder / "trace.json").provenance
        return Remembered(_moved(provenance.data_path, folder), provenance.data_hash)
    if (folder / RECORD).exists():
        record = read_record(folder)
        return Remembered(_moved(record.data_path, folder), record.data_hash)
    return Remembered()


def _moved(path: str, folder: Path) -> str:
    """Return where data lie that moved with the folder that the run lies in, as those of a job's step do."""
    if not path or is_remote(path) or Path(path).exists():
        return path
    parts = Path(path).parts[1:]
    candidates = (folder.absolute().parent.joinpath(*parts[start:]) for start in range(len(parts)))
    return str(next((there for there in candidates if there.exists()), path))


def provenance(
    plan: Plan,
    dataset: DataSet,
    *,
    samples: str,
    labels: tuple[LabelRecord, ...],
    command: str,
    started: str,
    package: str,
    data: str | None = None,
) -> Provenance:
    """Return the record's last section.

    Args:
        plan: of the run.
        dataset: that was read.
        samples: SHA-256 of the samples.
        labels: records of labels that a machine had a hand in.
        command: as it was typed.
        started: time in UTC, ISO 8601.
        package: SHA-256 of the package, empty when it was refused.
        data: path that overrides the one in `[data]`.
    """
    return Provenance(
        command=command,
        seed=plan.data.seed,
        config_hash=plan.sha256,
        data_hash=samples,
        data_path=data_path(plan.data.table, data),
        versions={"edgewright": __version__, **{name: _version(name) for name in _LIBRARIES}},
        platform=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        licences=tuple(text for text in (dataset.licence,) if text),
        origin=dataset.origin,
        citation=dataset.citation,
        backbone=_backbone(plan.config.model.layers),
        labels=labels,
        started=started,
        package_hash=package,
    )


def _backbone(layers: tuple[dict[str, Any], ...]) -> str:
    """Name and SHA-256 of the file that the network began with; empty without one."""
    first = next((table for table in layers if table.get("kind") == "backbone"), {})
    return f"{Path(first['file']).name}, SHA-256 {first.get('sha256', 'unknown')}" if first else ""


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
