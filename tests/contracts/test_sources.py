"""Every file of `data/sources` keeps the contract of a source, found by listing the folder."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from edgewright.core.catalogue import find, listing, names
from edgewright.core.errors import InputError, MissingFileError, UnknownNameError
from edgewright.core.records.data import DataSet
from edgewright.data.contract import SUFFIXES, Source, SourceConfig
from edgewright.data.load import SOURCES, load_data
from support import check_settings

KINDS = listing(SOURCES, "SOURCE")


def _source(kind: str) -> Source[Any]:
    source = find(SOURCES, kind, "SOURCE", "source")
    assert isinstance(source, Source)
    return source


def _makes_its_own(kind: str, source: Source[Any]) -> bool:
    """Return a simulator needs no path: it says nothing about files."""
    return kind not in SUFFIXES and "path" not in inspect.getsource(source.load)


def test_every_module_is_a_source() -> None:
    assert set(KINDS) == set(names(SOURCES))
    assert {"csv", "parquet", "numpy", "wav", "folder", "edge_impulse"} <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_config_is_frozen_strict_and_described(kind: str) -> None:
    config = _source(kind).config
    assert issubclass(config, SourceConfig)
    check_settings(config)
    with pytest.raises(UnknownNameError) as caught:
        load_data({"kind": kind, "pathh": "x"}, seed=0, where="p.toml [data]")
    assert "Did you mean 'path'? - at p.toml [data]" in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_path_is_named(kind: str, tmp_path: Path) -> None:
    source = _source(kind)
    if _makes_its_own(kind, source):
        assert isinstance(source.load(source.config(), 0), DataSet)
        return
    path = str(tmp_path / "nowhere" / f"rows{SUFFIXES.get(kind, ('',))[0]}")
    with pytest.raises(MissingFileError) as caught:
        source.load(source.config(path=path), 0)
    assert path in str(caught.value)
    if kind != "basic_motions":  # sktime carries its folder
        with pytest.raises(MissingFileError):
            source.load(source.config(), 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_without_data_is_refused(kind: str, tmp_path: Path) -> None:
    source = _source(kind)
    if _makes_its_own(kind, source):
        return
    (tmp_path / "notes.md").write_text("nothing to read\n")
    with pytest.raises(InputError) as caught:
        source.load(source.config(path=str(tmp_path)), 0)
    assert str(tmp_path) in str(caught.value)


def test_suffixes_belong_to_one_source_each() -> None:
    suffixes = [suffix for kind in SUFFIXES for suffix in SUFFIXES[kind]]
    assert set(SUFFIXES) <= set(KINDS)
    assert len(suffixes) == len(set(suffixes))
