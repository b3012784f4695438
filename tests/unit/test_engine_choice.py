"""Which engine answers: the first to have answered so many rows on this machine, by times that were measured once."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core import engines, files
from edgewright.core.engines import Answer, Engine
from edgewright.core.errors import InputError, MissingExtraError
from edgewright.core.prediction import objects
from edgewright.graph.onnx_writer import to_onnx
from runtime_example import classifier, numbers

MODEL = to_onnx(classifier())


class Bench:
    """Engines that take what is said of them, by a clock of their own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.loaded: list[str] = []
        self.engines: list[Engine] = []

    def perf_counter(self) -> float:
        return self.now

    def engine(
        self,
        name: str,
        start: float,
        row: float,
        *,
        declared: tuple[float, float] = (0.0, 0.0),
        version: str = "1",
        fails: bool = False,
    ) -> None:
        """Add an engine that declares the seconds it takes at least to start and to answer a row."""

        def load(model: bytes) -> Answer:
            self.loaded.append(name)
            if fails:
                raise InputError("a model", "another", name)
            self.now += start - row

            def answer(x: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
                assert x.shape == (1, 10)
                self.now += row
                return {}

            return answer

        minimum, call = declared
        self.engines.append(
            Engine(name=name, available=lambda: True, load=load, start=minimum, call=call, version=lambda _: version)
        )

    def choose(self, rows: float = engines.MANY_ROWS, model: bytes = MODEL) -> tuple[str, list[str]]:
        """Return the chosen engine, and those that were loaded to find it."""
        self.loaded = []
        return engines.choose(model=model, rows=rows).name, self.loaded


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    bench = Bench()
    monkeypatch.setattr(engines, "known", lambda: tuple(bench.engines))
    monkeypatch.setattr(engines, "time", bench)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    another_process(monkeypatch)
    return bench


def another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what this one knows."""
    monkeypatch.setattr(engines, "_known", {})


def test_what_is_fastest_depends_on_how_many_rows_come(bench: Bench) -> None:
    bench.engine("light", 0.001, 20e-6)
    bench.engine("heavy", 0.2, 10e-6)
    assert bench.choose(1)[0] == "light"
    assert bench.choose(10_000)[0] == "light"
    assert bench.choose(30_000)[0] == "heavy"
    assert bench.choose()[0] == "heavy"


def test_the_choice_is_measured_once_and_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.engine("one", 0.001, 20e-6)
    bench.engine("two", 0.002, 10e-6)
    assert bench.choose() == ("two", ["one", "two"])
    assert bench.choose() == ("two", [])
    another_process(monkeypatch)
    assert bench.choose() == ("two", []), "read from the cache"
    other = to_onnx(classifier((10, 5, 3)))
    assert bench.choose(model=other)[1] == ["one", "two"], "of each model"
    monkeypatch.setenv(objects.VARIABLE, "another processor")
    assert bench.choose()[1] == ["one", "two"], "and of each processor"


def test_what_was_installed_since_is_measured_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.engine("one", 0.001, 20e-6)
    bench.engine("two", 0.002, 10e-6)
    bench.choose()
    bench.engines.pop()
    bench.engine("two", 0.002, 30e-6, version="2")
    another_process(monkeypatch)
    assert bench.choose() == ("one", ["two"])


def test_an_engine_that_cannot_be_first_is_not_even_imported(bench: Bench) -> None:
    other = to_onnx(classifier((10, 5, 3)))
    bench.engine("heavy", 0.1, 5e-6, declared=(0.1, 4e-6))
    bench.engine("light", 0.001, 3e-6, declared=(0.001, 1e-6))
    assert bench.choose() == ("light", ["light"])
    bench.engines.pop()
    bench.engine("light", 0.001, 8e-6, declared=(0.001, 1e-6))
    assert bench.choose(1, model=other) == ("light", ["light"])
    assert bench.choose(model=other) == ("heavy", ["heavy"])


def test_an_import_counts_although_this_process_has_done_it(bench: Bench) -> None:
    bench.engine("light", 0.005, 20e-6)
    bench.engine("heavy", 0.001, 10e-6, declared=(0.1, 4e-6))
    assert bench.choose(1)[0] == "light", "the next process that starts has not imported it yet"


def test_an_engine_that_cannot_run_the_model_is_passed_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.engine("broken", 0.001, 1e-6, fails=True)
    bench.engine("sound", 0.001, 10e-6)
    assert bench.choose()[0] == "sound"
    another_process(monkeypatch)
    assert bench.choose() == ("sound", [])
    bench.engines.pop()
    bench.engine("other", 0.001, 1e-6, fails=True)
    assert bench.choose(model=b"no model")[0] == "broken", "which then says what is wrong"


def test_a_single_engine_is_not_measured(bench: Bench) -> None:
    with pytest.raises(MissingExtraError):
        bench.choose()
    bench.engine("one", 0.001, 20e-6)
    assert bench.choose() == ("one", [])


def damage(path: Path) -> None:
    path.write_bytes(b'{"version": 1, "engines": {"one"')


def empty(path: Path) -> None:
    path.write_bytes(b"")


def no_text(path: Path) -> None:
    path.write_bytes(b'{"version": 1, "engines": {"\xff\xfe": 3}}')


def newer(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))


def open_to_all(path: Path) -> None:
    path.parent.chmod(0o777)


@pytest.mark.parametrize("spoil", [damage, empty, no_text, newer, open_to_all])
def test_a_file_that_cannot_be_believed_is_left_alone(
    spoil: Callable[[Path], None], bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bench.engine("one", 0.001, 20e-6)
    bench.engine("two", 0.002, 10e-6)
    bench.choose()
    (path,) = tmp_path.rglob("*.json")
    assert path.parent.parent == files.cache_folder("engines")
    spoil(path)
    another_process(monkeypatch)
    assert bench.choose() == ("two", ["one", "two"])
    if spoil is not open_to_all:
        another_process(monkeypatch)
        assert bench.choose() == ("two", []), "written anew"


def test_without_a_cache_it_is_measured_in_memory(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    bench.engine("one", 0.001, 20e-6)
    bench.engine("two", 0.002, 10e-6)
    assert bench.choose() == ("two", ["one", "two"])
    assert bench.choose() == ("two", [])


def test_many_write_at_once_and_each_reads_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "times.json"
    texts = [json.dumps([n] * 5000).encode() for n in range(8)]

    def write(data: bytes) -> set[bytes | None]:
        seen = set()
        for _ in range(30):
            files.write_own(path, data)
            seen.add(files.read_own(path))
        return seen

    with ThreadPoolExecutor(8) as pool:
        seen = set().union(*pool.map(write, texts))
    assert seen <= set(texts)
    assert list(path.parent.iterdir()) == [path]


def test_without_a_model_the_choice_does_not_depend_on_the_machine(bench: Bench) -> None:
    """What training and compression build by asking comes out the same each time."""
    bench.engine("one", 0.1, 20e-6)
    bench.engine("two", 0.001, 10e-6)
    assert engines.choose().name == "one"
    assert bench.loaded == []


def test_the_real_engines_are_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    another_process(monkeypatch)
    chosen = engines.choose(model=MODEL)
    (times,) = engines._known.values()
    assert chosen.name in times
    assert all(
        times_of_engine.row is not None and times_of_engine.row > 0 and times_of_engine.start > 0
        for times_of_engine in times.values()
    )
    assert chosen.load(MODEL)(numbers(3, 10))["label"].shape == (3,)
