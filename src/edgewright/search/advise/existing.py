"""Step 3: find the public set and the shipped pipeline for the data before any training."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgewright.data.load import find_kind
from edgewright.data.public import names, public_set
from edgewright.pipeline.config import read_config, shipped
from edgewright.schema.advice import Existing
from edgewright.schema.errors import UnknownNameError


def set_of(path: Path | None) -> str:
    """Return the name of the public set that a folder or file is a copy of; empty where there is none."""
    if path is None:
        return ""
    folder = path if path.is_dir() else path.resolve().parent
    for name in names():
        found = public_set(name)
        if path.is_dir():
            if found.folder and folder.resolve().name in (found.folder, name):
                return name
        elif any(_same(path, file.name, file.sha256, folder.name == found.folder) for file in found.files) or (
            found.folder and folder.name == found.folder and path.stem == found.folder
        ):
            return name
    return ""


def is_read(name: str) -> bool:
    """Return whether a data source can read the public set; sets of pictures or documents have none."""
    try:
        return bool(name) and bool(find_kind(name, "[data]"))
    except UnknownNameError:
        return False


def _same(path: Path, name: str, sha256: str, at_home: bool) -> bool:
    """Return whether a file belongs to a set: its name matches, and so does its hash or the name of its folder."""
    if path.name != name:
        return False
    return at_home or (bool(sha256) and hashlib.sha256(path.read_bytes()).hexdigest() == sha256)


def pipeline_of(name: str) -> str:
    """Return the shipped pipeline for a public set; empty where there is none."""
    for pipeline in shipped():
        if name and read_config(pipeline).data.get("kind") == name:
            return pipeline
    return ""


def known_set(name: str, path: str) -> tuple[Existing, ...]:
    """Return the public set and its pipeline as existing solutions."""
    if not name:
        return ()
    found = public_set(name)
    lines = [Existing(name=f"public set {name}", what=f"{found.title}; {found.task}; licence: {found.licence}",
                     command="edgewright data list")]  # fmt: skip
    pipeline = pipeline_of(name)
    if pipeline:
        what = f"Edgewright ships a complete pipeline for this set: {read_config(pipeline).title}"
        lines.append(
            Existing(name=f"pipeline {pipeline}", what=what, command=f"edgewright run {pipeline} --data {path}")
        )
    return tuple(lines)
