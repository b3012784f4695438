"""Which data a page shows: those of a run, wherever it remembers them, or what lies below the studio's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from starlette.exceptions import HTTPException

from edgewright.core.errors import EdgewrightError, MissingFileError, UploadError
from edgewright.core.records.config import PipelineConfig, WindowConfig
from edgewright.core.toml_tables import convert_table
from edgewright.data.load import find_kind, guess
from edgewright.data.matching import find_categories
from edgewright.data.sources.folder import FolderConfig, labels_file
from edgewright.studio.paths import RECORD, below, exists, run_folder
from edgewright.trace.page_model import read_trace

_SUBJECT = "The editor edits the labels file of a folder of recordings"


def editable(origin: Origin, root: Path) -> tuple[FolderConfig | None, str]:
    """Return the folder whose labels are edited, or None and a sentence that says why not and what to do.

    Args:
        origin: of the data.
        root: the studio's folder; nothing outside it is written.
    """
    kind, path = origin.table.get("kind"), Path(origin.path) if origin.path else None
    if path is None:
        return None, f"{_SUBJECT}; these data ({kind}) are not in one."
    if not origin.inside:
        above = path if path.is_dir() else path.parent
        return None, (
            f"This data is outside the studio's folder, so it is read-only. To edit their labels, start it "
            f"with a folder that holds both, or with: edgewright studio {above}"
        )
    if not path.is_dir():
        return None, f"{_SUBJECT}. Put {path.name} into a folder of its own without its label column, and open that."
    if kind not in ("folder", "csv", "parquet", "wav") or (origin.run is not None and kind != "folder"):
        do = "Set kind = 'folder' in [data] of the pipeline." if origin.run is not None else "Open a folder of files."
        return None, f"{_SUBJECT}; these are read as {kind}. {do}"
    return _folder(origin, path, root)


def _folder(origin: Origin, path: Path, root: Path) -> tuple[FolderConfig | None, str]:
    known = {field.name for field in msgspec.structs.fields(FolderConfig)}
    table = {key: value for key, value in origin.table.items() if key in known}
    try:
        config = convert_table({**table, "path": str(path)}, FolderConfig, origin.name)
    except EdgewrightError as error:
        return None, str(error)
    if config.target and not config.labels:
        return None, (
            f"The labels stand in the column {config.target!r} of each file, and a labels file is ignored. "
            f"{_SUBJECT}: leave target out."
        )
    labels = labels_file(config).absolute()
    try:
        parent = labels.parent.resolve(strict=True)
    except OSError:
        return None, f"The folder of the labels file {labels} does not exist."
    if (
        labels.is_symlink()
        or not parent.is_relative_to(root.resolve())
        or labels.suffix.lower() not in (".csv", ".tsv")
    ):
        return None, f"The labels file {labels} is not a CSV file in the studio's folder; it is unchanged."
    return msgspec.structs.replace(config, labels=str(parent / labels.name) if config.labels else ""), ""


@dataclass(frozen=True)
class DataRequest:
    """An address: the data, what is said about reading them, and what of them is shown.

    Attributes:
        page: 'data' or 'labels'.
        origin: of the data.
        shown: the query without what is said about reading.
    """

    page: str
    origin: Origin
    shown: Mapping[str, str]

    @property
    def path(self) -> str:
        """The address without its query."""
        return f"/{self.page}/{self.origin.kind}/{quote(self.origin.location, safe='/')}"

    def to(self, page: str = "", anchor: str = "", /, **shown: object) -> str:
        """Return the address of the same data with exactly these views."""
        query = {**dict(self.origin.options), **{k: str(v) for k, v in shown.items() if v not in ("", None)}}
        where = DataRequest(page, self.origin, {}).path if page else self.path
        return where + (f"?{urlencode(query)}" if query else "") + (f"#{anchor}" if anchor else "")

    def number(self, key: str, maximum: int, default: int = 1) -> int:
        """Return a number from 1 to `maximum`; the default where the address says something else."""
        text = self.shown.get(key, "")
        value = int(text) if text.isascii() and text.isdecimal() and len(text) < 13 else default
        return value if 1 <= value <= maximum else default


# Keys of [data] that an address may name. No path is among them: an address must not lead out of the folder.
KEYS = ("target", "group", "session", "time", "rate", "ignore", "pattern")
_LISTS = ("ignore", "columns")
# A folder with more files is not walked for links; a data set of so many files is opened from a run.
MOST_FILES = 20_000


@dataclass(frozen=True)
class Origin:
    """Data to be shown.

    Attributes:
        kind, location: 'run' and its place, or 'at' and a path below the studio's folder (empty for the folder itself).
        table: `[data]`.
        path: file or folder, absolute; None for data that are made up or a public set's own.
        seed: of data that are made up.
        window: None where it is chosen from the data, or rows are samples.
        task: of the run; 'auto' without one.
        run: its folder.
        inside: the path lies below the studio's folder, so that labels may be written there.
        sha256: SHA-256 of the samples that the run saw; empty without a run.
        options: what the address says about reading.
    """

    kind: str
    location: str
    table: dict[str, object]
    path: str | None
    seed: int = 0
    window: WindowConfig | None = None
    task: str = "auto"
    run: Path | None = None
    inside: bool = False
    sha256: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What a person calls them."""
        return self.location or "this folder"


def of_run(root: Path, location: str) -> Origin:
    """Return the data of a run.

    Raises:
        HTTPException: there is no such run.
        InputError: its record says no settings, or its data lie there no more.
    """
    folder = run_folder(root, location)
    trace = read_trace(folder / RECORD)
    if not trace.config:
        raise UploadError("a trace with its settings", f"one of version {trace.version}", location, "Run it again")
    config = convert_table(trace.config, PipelineConfig, location)
    reported = trace.provenance.data_path or config.data.get("path")
    path = str(Path(reported).absolute()) if isinstance(reported, str) and reported else None
    if path is not None and not exists(Path(path)):
        raise MissingFileError(
            "the data the run was fitted on", "no such file or folder", path, "Restore them, or run it again"
        )
    return Origin(
        kind="run", location=location, table=dict(config.data), path=path, seed=config.seed, window=config.window,
        task=trace.task, run=folder, inside=path is not None and _inside(Path(path), root),
        sha256=trace.provenance.data_hash,
    )  # fmt: skip


def at_path(root: Path, location: str, record: Mapping[str, str], kind: str = "") -> Origin:
    """Return the data at a path below the studio's folder.

    Args:
        root: the studio's folder.
        location: path below it, with '/'; empty for itself.
        record: keys of `KEYS`, and `window` and `step`, as text.
        kind: of source; by the names of the files when empty.

    Raises:
        HTTPException: there is no such place.
        InputError: nothing reads it, a link in it leads out of the folder, or what is said is wrong.
    """
    path = below(root, location) if location else root.resolve()
    if any(part.is_dir() and (part / RECORD).is_file() for part in (path, *path.parents) if part != root.parent):
        raise HTTPException(404, "This is a run folder; its data has its own page.")
    refuse_links(path, root)
    table: dict[str, object] = {"kind": kind} if kind else guess(str(path))
    table.pop("path", None)
    known = {field.name for field in msgspec.structs.fields(find_kind(str(table["kind"]), location).config)}
    kept: list[tuple[str, str]] = []
    for key in KEYS:
        text = record.get(key, "").strip()
        if text and key in known:
            kept.append((key, text))
            table[key] = _value(key, text)
    if texts := find_categories({**table, "path": str(path)}):
        table["categories"] = texts
    length, step = (_whole(record.get(key, "").strip(), key) for key in ("window", "step"))
    kept += [(key, str(value)) for key, value in (("window", length), ("step", step)) if value]
    window = WindowConfig(samples=length, step=step, within="recording", pad=True) if length else None
    return Origin("at", location, table, str(path), window=window, inside=True, options=tuple(kept))


def refuse_links(folder: Path, root: Path) -> None:
    """Refuse links that lead out of the studio's folder.

    Raises:
        InputError: one does, or there are more files than are looked at.
    """
    if not folder.is_dir():
        return
    for number, path in enumerate(folder.rglob("*")):
        if number >= MOST_FILES:
            raise UploadError(f"a folder of at most {MOST_FILES:,} files", "more", str(folder), "Open a subfolder")
        if path.is_symlink() and not _inside(path, root):
            text = f"the link {path.name!r}, which leads out of it"
            raise UploadError("files in the studio's folder", text, str(folder), "Copy its target")


def _inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root.resolve(strict=True))
    except (OSError, RuntimeError):
        return False


def _value(key: str, text: str) -> Any:  # noqa: ANN401 - as the key needs it
    if key in _LISTS:
        return [part.strip() for part in text.split(",") if part.strip()]
    if key == "rate":
        try:
            return float(text)
        except ValueError:
            raise UploadError("a number", repr(text), "rate", "Set samples per second, such as 50") from None
    return text


def _whole(text: str, key: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text[:9]) <= 10_000_000 or len(text) > 8:
        raise UploadError("a whole number from 1", repr(text[:40]), key)
    return int(text)
