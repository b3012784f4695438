"""Every public set: documented, and loadable from a plain copy with the documented counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from edgewright.data.contract import PublicSet, PublicText
from edgewright.data.load import load_data
from edgewright.data.public import counts, names, public_set, verify
from edgewright.schema.data import DataSet, TextSet
from edgewright.schema.errors import EdgewrightError, UnknownNameError
from support import shared_data

NAMES = names()
# They take more than half a second to load.
LARGE = {"fsdd", "grocery", "hapt", "wisdm_watch"}


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in NAMES]
)
def loaded(request: pytest.FixtureRequest) -> Iterator[tuple[str, PublicSet[Any] | PublicText, DataSet | TextSet]]:
    part = public_set(request.param)
    yield request.param, part, part.load(shared_data(part.folder))


@pytest.mark.parametrize("name", NAMES)
def test_says_where_it_is_from(name: str) -> None:
    part = public_set(name)
    assert part.homepage.startswith("https://")
    assert part.title
    assert part.task
    assert part.licence
    assert len(part.citation) > 20
    assert part.folder
    assert part.documented
    for file in part.downloads:
        assert file.url.startswith("https://")
        assert "/" not in file.name
        assert len(file.sha256) == 64 or file.check, f"{file.name}: nothing says what is verified"


@pytest.mark.needs_data
def test_a_plain_copy_has_the_documented_counts(
    loaded: tuple[str, PublicSet[Any] | PublicText, DataSet | TextSet],
) -> None:
    name, part, data = loaded
    assert data.name == name
    assert data.origin == part.homepage
    assert data.licence == part.licence
    assert data.citation == part.citation
    assert verify(part, counts(data)), f"{counts(data)} is none of {part.documented}"


@pytest.mark.needs_data
def test_recordings_fit_their_schema(loaded: tuple[str, PublicSet[Any] | PublicText, DataSet | TextSet]) -> None:
    _, _, data = loaded
    if isinstance(data, TextSet):
        assert {len(row) for row in data.rows} == {len(data.columns)}
        assert all(isinstance(cell, str) for row in data.rows[:100] for cell in row)
        return
    assert len({c.name for c in data.columns}) == len(data.columns)
    assert len({r.name for r in data.recordings}) == len(data.recordings)
    assert all((r.groups is not None) == bool(data.group_name) for r in data.recordings)
    assert any(r.target is not None for r in data.recordings) == bool(data.target_name)
    lows, highs = ([getattr(c, k) for c in data.columns] for k in ("minimum", "maximum"))
    low = np.array([-np.inf if v is None else v for v in lows])
    high = np.array([np.inf if v is None else v for v in highs])
    for r in data.recordings:
        assert r.values.dtype == np.float32
        assert r.values.shape[1] == len(data.columns)
        assert r.values.ndim in (2, 4)  # rows, or pictures
        assert len(r.values)
        assert not np.isinf(r.values).any()
        # What a sensor cannot give is no reading of it; 1e-3 covers the rounding of the files.
        each = (-1, *(1,) * (r.values.ndim - 2))
        assert not (r.values < low.reshape(each) - 1e-3).any(), r.name
        assert not (r.values > high.reshape(each) + 1e-3).any(), r.name
        for part in (r.target, r.groups, r.sessions, r.time):
            assert part is None or len(part) == len(r.values)
        if r.time is not None:
            assert r.time[0] == 0
            assert r.time.dtype == np.float64


@pytest.mark.parametrize("name", [n for n in NAMES if isinstance(public_set(n), PublicSet)])
def test_a_choice_that_is_none_is_refused_with_the_choices(name: str) -> None:
    config = public_set(name).config  # type: ignore[union-attr]
    for key, kind in get_type_hints(config).items():
        if get_origin(kind) is Literal:
            wrong = "nothing" if isinstance(get_args(kind)[0], str) else 10_000
            with pytest.raises(UnknownNameError) as caught:
                load_data({"kind": name, key: wrong}, seed=0)
            assert all(str(choice) in str(caught.value) for choice in get_args(kind)), key


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_folder_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(EdgewrightError) as caught:
        public_set(name).load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
