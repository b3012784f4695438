"""Windows that are cut when they are asked for are those that are cut at once."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edgewright.cluster.mapping import packed
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import Column, DataSet, Floats, Recording, Samples
from edgewright.data import samples as cutting
from edgewright.data.samples import cut, part_of
from edgewright.data.table_reader import RowStore
from edgewright.data.targets import WindowViews, in_file, in_pieces, some_in_memory
from edgewright.pipeline.fitting import fit_stages
from edgewright.pipeline.plan import parts


def _recordings() -> DataSet:
    rng = np.random.default_rng(0)
    recordings = []
    for number, rows in enumerate((700, 60, 900)):
        y = np.repeat(["walk", "run", "rest"], -(-rows // 3))[:rows]
        recordings.append(
            Recording(
                name=f"r{number}", values=rng.normal(size=(rows, 2)).astype(np.float32), target=y,
                groups=np.broadcast_to(np.array(f"p{number}"), rows), time=np.arange(rows) / 50.0,
            )
        )  # fmt: skip
    return DataSet(
        name="r", columns=(Column(name="a"), Column(name="b")), recordings=tuple(recordings), rate=50.0, target_name="y"
    )


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> tuple[Samples, Samples]:
    """Return samples cut at once, and on demand."""
    window = WindowConfig(samples=40, step=20)
    whole = cut(_recordings(), window)
    monkeypatch.setattr(cutting, "CUT_BYTES", 0)
    return whole, cut(_recordings(), window)


def test_windows_of_rows_on_disk_are_cut_at_once(tmp_path: Path, both: tuple[Samples, Samples]) -> None:
    dataset = _recordings()
    store = RowStore(tmp_path, "always")
    for recording in dataset.recordings:
        store.append(recording.values)
    ends = np.cumsum([len(recording.values) for recording in dataset.recordings]).tolist()
    spooled = [store.rows(begin, end) for begin, end in zip([0, *ends], ends, strict=False)]
    assert all(in_file(values) is not None for values in spooled)
    recordings = tuple(
        msgspec.structs.replace(recording, values=values)
        for recording, values in zip(dataset.recordings, spooled, strict=True)
    )
    on_disk = cut(msgspec.structs.replace(dataset, recordings=recordings), WindowConfig(samples=40, step=20))
    np.testing.assert_array_equal(on_disk.X, both[0].X)


def test_windows_on_demand_are_the_same_windows(both: tuple[Samples, Samples]) -> None:
    whole, lazy = both
    X: Any = lazy.X
    assert isinstance(X, WindowViews) and in_pieces(X) is X and in_pieces(whole.X) is None
    assert X.shape == whole.X.shape and len(X) == len(whole.X)
    rng = np.random.default_rng(1)
    order = rng.permutation(len(X))
    for which in (
        slice(None),
        slice(3, 30, 2),
        order,
        order[:0],
        order % 2 == 0,
        [5],
        7,
        (2, 1),
        (order, 0),
        (slice(4), 1),
        (..., 1),
    ):
        np.testing.assert_array_equal(X[which], whole.X[which])
    np.testing.assert_array_equal(np.asarray(X), whole.X)
    np.testing.assert_array_equal(np.concatenate(list(X.pieces())), whole.X)
    np.testing.assert_array_equal(copy.deepcopy(X), whole.X)
    assert len(some_in_memory(X, 10)) in range(10, 21) and some_in_memory(whole.X, 10) is whole.X
    part = part_of(lazy, order[:20])
    assert in_pieces(part.X) is not None
    np.testing.assert_array_equal(np.asarray(part.X), whole.X[order[:20]])
    assert (lazy.y == whole.y).all() and (lazy.starts == whole.starts).all()


@pytest.mark.parametrize("window", [{"fill_start": True, "within": "recording"}, {"pad": True}])
def test_windows_with_rows_that_are_no_rows_are_cut_at_once(
    monkeypatch: pytest.MonkeyPatch, window: dict[str, Any]
) -> None:
    monkeypatch.setattr(cutting, "CUT_BYTES", 0)
    assert isinstance(cut(_recordings(), WindowConfig(samples=40, step=20, **window)).X, np.ndarray)


def test_stages_make_the_same_features_of_windows_on_demand(both: tuple[Samples, Samples]) -> None:
    stages: list[dict[str, Any]] = [
        {"kind": "fill"},
        {"kind": "statistics", "features": ["mean", "std"]},
        {"kind": "scale"},
    ]
    flows = []
    for samples in both:
        train = np.arange(0, len(samples.y), 2)
        flows.append(fit_stages(samples, train, parts(stages, "test"), "classification", 0, None, lambda _: None))
    whole, lazy = flows
    assert isinstance(lazy.X, np.ndarray) and not lazy.streams
    every = np.arange(len(lazy.X), dtype=np.int64)
    np.testing.assert_array_equal(lazy.array(every), whole.array(every))


def test_a_stage_that_keeps_the_shape_is_applied_when_windows_are_cut(both: tuple[Samples, Samples]) -> None:
    class Doubled:
        def transform(self, X: Floats) -> Floats:
            return 2 * X

    whole, lazy = both
    X: Any = lazy.X
    np.testing.assert_array_equal(X.through(Doubled())[3:9], 2 * whole.X[3:9])


class _Raised:
    def transform(self, X: Floats) -> Floats:
        return X + np.float32(1)


def test_windows_on_demand_travel_as_their_rows(both: tuple[Samples, Samples]) -> None:
    whole, lazy = both
    X: Any = lazy.X
    order = np.random.default_rng(1).permutation(len(X))
    for part, values in ((X, whole.X), (X.part(order), whole.X[order]), (X.part(order[:3]), whole.X[order[:3]]),
                         (X.through(_Raised()), whole.X + 1), (X.part(order[:0]), whole.X[:0])):  # fmt: skip
        there: Any = copy.deepcopy(part)  # as a pickle
        assert isinstance(there, WindowViews)
        assert there.shape == values.shape
        np.testing.assert_array_equal(there[:], values)
    assert len(packed(X)) < 0.65 * whole.X.nbytes
    assert copy.deepcopy(X).nbytes == 0


def test_windows_in_memory_pass_through_stages_when_they_are_asked_for() -> None:
    class Counted:
        seen = 0

        def transform(self, X: Floats) -> Floats:
            Counted.seen += len(X)
            return X + np.float32(1)

    X = np.random.default_rng(0).normal(size=(9, 2, 4)).astype(np.float32)
    later = WindowViews.cut_already(X).through(Counted())
    assert (later.shape, later.nbytes, Counted.seen) == (X.shape, X.nbytes, 1)  # one tells the shape
    np.testing.assert_array_equal(later[[7, 2]], X[[7, 2]] + 1)
    assert Counted.seen == 3
