"""Whether the labels of some data can be edited here, and if not, why and what to do."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.data.sources.folder import FolderConfig, labels_file
from edgewright.graph.tables import convert_table
from edgewright.schema.errors import EdgewrightError
from edgewright.studio.view.data_sources import Origin

_WHAT = "The editor changes the labels file of a folder of recordings"


def editable(origin: Origin, root: Path) -> tuple[FolderConfig | None, str]:
    """The folder whose labels are edited, or None and a sentence that says why not and what to do.

    Args:
        origin: of the data.
        root: the studio's folder; nothing outside it is written.
    """
    kind, path = origin.table.get("kind"), Path(origin.path) if origin.path else None
    if path is None:
        return None, f"{_WHAT}; these data ({kind}) are not in one."
    if not origin.inside:
        above = path if path.is_dir() else path.parent
        return None, (
            f"These data lie outside the studio's folder, where nothing is written. To edit their labels, start it "
            f"with a folder that holds both, or with: edgewright studio {above}"
        )
    if not path.is_dir():
        return None, f"{_WHAT}. Put {path.name} into a folder of its own without its label column, and open that."
    if kind not in ("folder", "csv", "parquet", "wav") or (origin.run is not None and kind != "folder"):
        do = "Set kind = 'folder' in [data] of the pipeline." if origin.run is not None else "Open a folder of files."
        return None, f"{_WHAT}; these are read as {kind}. {do}"
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
            f"The labels stand in the column {config.target!r} of each file, and a labels file is not looked at. "
            f"{_WHAT}: leave target out."
        )
    labels = labels_file(config).absolute()
    try:
        parent = labels.parent.resolve(strict=True)
    except OSError:
        return None, f"The labels file {labels} is in no folder that exists."
    if (
        labels.is_symlink()
        or not parent.is_relative_to(root.resolve())
        or labels.suffix.lower() not in (".csv", ".tsv")
    ):
        return None, f"The labels file {labels} is no CSV in the studio's folder; it is left as it is."
    return msgspec.structs.replace(config, labels=str(parent / labels.name) if config.labels else ""), ""
