"""Engines: every batch comes back, a worker that dies costs its batch only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

import engine_work
from edgewright.cluster.contract import BatchError, engine_for
from edgewright.cluster.mapping import Progress, each, on_engine, outcomes
from edgewright.jobs.steps import in_processes
from edgewright.schema.errors import InputError, OutputError, UnknownNameError
from engine_work import assert_a_death_costs_its_batch


def test_a_death_costs_its_batch_which_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with engine_for("local:2") as engine:
        assert str(os.getpid()).encode() not in assert_a_death_costs_its_batch(engine, tmp_path)


def test_processes_stay_for_the_next_run_of_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with engine_for("local:2") as engine:
        first = dict(engine.run("engine_work:work", b"x", [b"a", b"a"]))
        again = dict(engine.run("engine_work:work", b"x", [b"a"]))
        other = dict(engine.run("engine_work:work", b"y", [b"a"]))
    pids = {answer[2:] for answer in first.values() if isinstance(answer, bytes)}
    for answers, shared in ((again, b"xa"), (other, b"ya")):
        (answer,) = answers.values()
        assert isinstance(answer, bytes) and answer[:2] == shared
        assert answer[2:] in pids
    for pid in pids:  # and nobody is left when the engine ends
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_an_idle_process_that_died_costs_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with engine_for("local:2") as engine:
        (first,) = dict(engine.run("engine_work:work", b"x", [b"a"])).values()
        assert isinstance(first, bytes)
        os.kill(int(first[2:]), signal.SIGKILL)
        again = dict(engine.run("engine_work:work", b"x", [b"a", b"a"]))
    assert all(isinstance(answer, bytes) and answer[2:] != first[2:] for answer in again.values())
    assert len(again) == 2


@pytest.mark.slow
def test_an_interrupt_is_heard_while_workers_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    code = (
        "import signal, sys; from edgewright.cluster.contract import engine_for\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with engine_for('local:2') as engine:\n"
        "    list(engine.run('engine_work:work', b'x', [word.encode() for word in sys.argv[1:]]))\n"
    )
    begun = [tmp_path / "one", tmp_path / "two"]
    words = [sys.executable, "-c", code, *(f"wait {path}" for path in begun)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 120
        while not all(path.exists() for path in begun):
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        # Neither batch ever ends: without hearing it the process would not either.
        message = process.communicate(timeout=60)[1]
    finally:
        process.kill()
        process.wait()
    assert message.rstrip().endswith("KeyboardInterrupt")


def test_an_error_that_names_a_file_of_odd_bytes_ends_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with engine_for("local:2") as engine:
        (failed,) = dict(engine.run("engine_work:work", b"x", [b"fail caf\xe9.csv"])).values()
    assert isinstance(failed, BatchError) and failed.reason == "ValueError: no good caf\\udce9.csv"
    assert engine.retried == 0


def test_one_worker_is_this_process() -> None:
    with engine_for("local:1") as engine:
        results = dict(engine.run("engine_work:work", b"x", iter([b"a"])))
    assert results == {0: b"xa" + str(os.getpid()).encode()}


def test_what_is_no_engine_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="no cluster 'loca'"):
        engine_for("loca")
    for address in ("local:0", "local:two", "local://", "local:99999"):
        with pytest.raises(InputError, match="local:N with 1 to 1024 processes"):
            engine_for(address)
    with pytest.raises(InputError, match="module:function"):
        next(engine_for("local:1").run("nowhere:work", b"", [b""]))


def test_results_come_in_order_of_tasks_here_and_on_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    started, ahead = 0, 0

    def tasks() -> Iterator[int]:
        nonlocal started
        for number in range(60):
            started += 1
            yield number

    here = list(each(engine_work.add, 5, range(60)))
    seen: list[Progress] = []
    with on_engine(engine_for("local:2"), seen.append):
        there = []
        for result in each(engine_work.add, 5, tasks()):
            there.append(result)
            ahead = max(ahead, started - len(there))
        chunks = list(each(engine_work.add, 5, range(60), chunk=7))
    assert here == there == chunks == [5 + number for number in range(60)]
    # The first task takes longest: others wait for it, and do not come without limit.
    assert 12 <= ahead <= 20
    assert (seen[-1].done, seen[-1].retried, seen[-1].workers) == (120, 0, 2)


def test_an_error_of_a_task_is_the_same_here_and_on_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with pytest.raises(UnknownNameError) as here:
        list(each(engine_work.refuse, "a", ["b"]))
    with on_engine(engine_for("local:2")):
        with pytest.raises(UnknownNameError) as there:
            list(each(engine_work.refuse, "a", ["b"]))
        with pytest.raises(OutputError, match="finish a task, got ValueError: no good"):
            list(each(engine_work.fail, 1, ["b"]))
        (lost,) = outcomes(engine_work.fail, 1, ["b"])
    assert isinstance(lost, BatchError)
    assert (str(there.value), there.value.known) == (str(here.value), here.value.known)


def test_a_task_computes_with_one_thread_here_and_on_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with threadpool_limits(2):
        assert engine_work.threads(None, 0) == 2
        assert list(each(engine_work.threads, None, range(2))) == [1, 1]
        with on_engine(engine_for("local:1")):
            assert list(each(engine_work.threads, None, range(2))) == [1, 1]
        assert engine_work.threads(None, 0) == 2


def test_work_within_other_work_gets_its_own_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    with on_engine(engine_for("local:2")):
        outer, inner = [], []
        with closing(outcomes(engine_work.add, 5, range(6))) as results:
            for number, result in enumerate(results):
                outer.append(result)
                if number == 0:
                    inner = list(each(engine_work.add, 70, range(4)))
        again = list(each(engine_work.add, 70, range(4)))
    assert outer == [5, 6, 7, 8, 9, 10]
    assert inner == again == [70, 71, 72, 73]


def test_tasks_of_a_job_run_on_the_workers_of_its_block_or_on_all_cores() -> None:
    seen: list[Progress] = []
    with on_engine(engine_for("local:2"), seen.append):
        assert list(in_processes(abs, range(-9, 0))) == list(range(9, 0, -1))
    assert seen[-1].done == 9
    assert list(in_processes(abs, range(-9, 0))) == list(range(9, 0, -1))
    assert len(seen) == 9, "workers of its own"
