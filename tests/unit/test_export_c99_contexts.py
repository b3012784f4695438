"""Contexts of generated C: streams and threads that do not disturb each other, and networks that pay for themselves."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from c99_examples import Files, call, need, sizes_of
from c99_exports import export
from c99_stages import fitted, need_compiler
from edgewright.export._c_host import compile_c99, context_of, load_c99
from edgewright.export.c99 import write_c99, write_network_c99
from edgewright.export.subject import read_subject
from edgewright.schema.data import Floats
from support import shared_data

# Bytes that an event has at most.
_EVENT = 64


class _Stream:
    """One stream of a compiled package."""

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        self._push = getattr(library, f"{name}_push")
        self._context = context_of(library, f"{name}_stream_context")
        getattr(library, f"{name}_init")(self._context)

    def push(self, row: Floats) -> bytes:
        """The event of a row, or what stood there before."""
        event = ctypes.create_string_buffer(_EVENT)
        told = self._push(self._context, row.ctypes.data_as(ctypes.c_void_p), event)
        return bytes([told]) + event.raw


@pytest.mark.parametrize(("kind", "name", "channels"), [("rows", "and", 10), ("windows", "export", 2)])
def test_two_streams_in_turns_give_what_each_gives_alone(kind: str, name: str, channels: int, tmp_path: Path) -> None:
    need_compiler()
    library = ctypes.CDLL(str(compile_c99(export(kind), tmp_path, taps=False)))
    rows = 3 * np.random.default_rng(1).normal(size=(2, 300, channels)).astype(np.float32)
    alone = []
    for given in rows:
        stream = _Stream(library, name)
        alone.append([stream.push(row) for row in given])
    first, second = _Stream(library, name), _Stream(library, name)
    turns = [(first.push(a), second.push(b)) for a, b in zip(*rows, strict=True)]
    assert [list(told) for told in zip(*turns, strict=True)] == alone
    assert len({told for told in alone[0] if told[0]}) > 5
    assert alone[0] != alone[1]


def test_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    need_compiler()
    graph = fitted("edgewright.features", "log_mel", 0)[0]
    model = load_c99(write_c99(graph, name="shared"), tmp_path)
    x = np.random.default_rng(2).normal(size=(4, 40, *graph.inputs[0].shape)).astype(np.float32)
    wanted = [model.predict(part).outputs["prediction"] for part in x]
    with ThreadPoolExecutor(len(x)) as pool:
        for _ in range(3):
            for found, right in zip(
                pool.map(lambda part: model.predict(part).outputs["prediction"], x), wanted, strict=True
            ):
                np.testing.assert_array_equal(found, right)


@pytest.mark.needs_data
def test_a_caller_of_the_integers_alone_pays_for_them_alone(tmp_path: Path) -> None:
    need("gcc", "nm")
    subject = read_subject(next(shared_data("mlperf-tiny").rglob("ad01_int8.tflite")))
    for files, kinds in (
        (write_c99(subject.graph, subject.integers, name="ad"), ("ad_network_context", "ad_context")),
        (write_network_c99(subject.network, name="ad"), ("ad_network_context",)),
    ):
        _written(files, tmp_path)
        assert sizes_of(tmp_path, "ad.h", *kinds) == [256, 3200][: len(kinds)]
        call(tmp_path, "gcc", "-O1", "-c", "ad.c")
        assert " b " not in call(tmp_path, "nm", "ad.o").lower()


def _written(files: Files, folder: Path) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
