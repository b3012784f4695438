"""Batches on a Dask cluster: a worker that dies costs its batch only, and a scheduler that is gone is named."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.heavy]

from dask import config  # noqa: E402
from distributed import Client, LocalCluster  # noqa: E402
from distributed.client import AllExit  # noqa: E402

import engine_work  # noqa: E402
from cluster_stories import OWN_PROFILE, STORIES, in_small_pieces, package  # noqa: E402
from dask_machines import Machines, kill_at_random, lying_copy, machines  # noqa: E402
from edgewright.cluster import dask  # noqa: E402
from edgewright.cluster.mapping import (  # noqa: E402
    Progress,
    engine_for,
    on_engine,
    outcomes,
)
from edgewright.core.errors import InputError, OutputError  # noqa: E402
from engine_work import assert_a_death_costs_its_batch  # noqa: E402
from race_problems import table  # noqa: E402

TESTS = str(Path(__file__).parents[1])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two worker processes that know the work of tests, and are started again when they die."""
    with machines(tmp_path_factory.mktemp("cluster"), nanny=True, PYTHONPATH=TESTS) as running:
        yield running


def test_a_death_costs_its_batch_and_a_failure_is_told(cluster: Machines, tmp_path: Path) -> None:
    with on_engine(engine_for(cluster.address)) as engine:
        assert engine.workers == 2
        assert_a_death_costs_its_batch(tmp_path)


def test_a_fetch_that_dask_gave_up_leaves_no_traceback(cluster: Machines, caplog: pytest.LogCaptureFixture) -> None:
    with engine_for(cluster.address):
        for error in (AllExit(), ValueError("of somebody else")):
            future: Any = asyncio.Future(loop=asyncio.new_event_loop())
            future.set_exception(error)
            future.get_loop().close()
            del future
            gc.collect()
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ValueError]


def test_another_version_on_a_worker_is_refused_by_name(cluster: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    real = version("edgewright")
    # Workers are asked with `_ask`, which stays the real one.
    monkeypatch.setattr(dask, "version", lambda _: "99")
    with pytest.raises(InputError, match=f"expected edgewright 99 .*, got edgewright {real} - at worker tcp://"):
        engine_for(cluster.address).__enter__()


def test_an_interrupt_leaves_nothing_on_the_cluster(cluster: Machines) -> None:
    def batches() -> Iterator[bytes]:
        yield b"a"
        yield b"b"
        raise KeyboardInterrupt

    with on_engine(engine_for(cluster.address)) as engine:
        with pytest.raises(KeyboardInterrupt):
            list(outcomes(engine_work.work, b"x", batches()))
        until = time.monotonic() + 10
        # One task holds the shared bytes until the engine ends.
        while (left := _tasks(engine) - 1) and time.monotonic() < until:
            time.sleep(0.05)
        assert not left


def test_a_worker_that_lies_about_its_version_is_refused_by_name(tmp_path: Path) -> None:
    liar = str(lying_copy(tmp_path / "copy"))
    with (
        machines(tmp_path / "work", 1, PYTHONPATH=liar) as running,
        pytest.raises(InputError, match=r"got files of edgewright \w{12} \(here \w{12}\) - at worker tcp://127"),
    ):
        engine_for(running.address).__enter__()


def test_workers_killed_at_random_moments_cost_no_result_and_none_counts_twice(tmp_path: Path) -> None:
    with machines(tmp_path, PYTHONPATH=TESTS) as running, on_engine(engine_for(running.address)):
        tasks = list(range(1, 13))
        results = outcomes(engine_work.slowly, 0, tasks)
        came = [next(results)]
        for _ in range(2):
            time.sleep(0.3)
            running.kill(running.workers[0])
            running.add(PYTHONPATH=TESTS)
        came.extend(results)
    assert came == tasks


def test_workers_that_are_killed_change_no_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_small_pieces(monkeypatch.setattr)
    run, seen = package(tmp_path), list[Progress]()
    here = STORIES["score"](tmp_path, run)
    with machines(tmp_path, PYTHONPATH=TESTS) as running, on_engine(engine_for(running.address), seen.append):
        # Long enough apart that a worker that takes another one's place can join.
        killing = Thread(target=kill_at_random, args=(running, 4, 3, (0.2, 2.0)), kwargs={"PYTHONPATH": TESTS})
        killing.start()
        scores = [STORIES["score"](tmp_path, run)]
        while killing.is_alive():
            scores.append(STORIES["score"](tmp_path, run))
        killing.join()
    assert all(score == here for score in scores)
    assert seen[-1].done > 3


def _tasks(engine: Any) -> int:  # noqa: ANN401 - a `DaskEngine`
    return int(engine.client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))


def test_ctrl_c_ends_a_command_and_its_tasks_on_the_workers(cluster: Machines, tmp_path: Path) -> None:
    rows = table(tmp_path / "rows.csv", 2000)
    words = ["advise", str(rows), "--target", "y", "--cluster", cluster.address]
    command = subprocess.Popen([sys.executable, "-m", "edgewright", *words], stderr=subprocess.PIPE, text=True)
    try:
        with Client(f"tcp://127.0.0.1:{cluster.port}", timeout=60, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            _until(lambda: len(_running(client)) == 2)
            command.send_signal(signal.SIGINT)
            message = command.communicate(timeout=60)[1]
            _until(lambda: not _running(client))
    finally:
        command.kill()
        command.wait()
    assert command.returncode == 130
    assert f"cluster {cluster.address}: 2 workers" in message
    assert message.rstrip().endswith("edgewright: interrupted; no partial files were left")
    assert "Traceback" not in message


def _running(client: Client) -> list[object]:
    return [task for tasks in client.processing().values() for task in tasks]  # type: ignore[no-untyped-call]


def _until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.1)


@pytest.mark.parametrize("name", STORIES)
def test_what_spreads_has_the_results_of_one_machine(
    name: str, cluster: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # workers are in another folder
    (tmp_path / "own.toml").write_text(OWN_PROFILE)
    in_small_pieces(monkeypatch.setattr)
    run = package(tmp_path)
    here, seen = STORIES[name](tmp_path, run), list[Progress]()
    with on_engine(engine_for(cluster.address), seen.append):
        there = STORIES[name](tmp_path, run)
    assert here == there
    assert seen[-1].done > 3


def test_a_scheduler_that_ends_in_the_middle_is_named_and_what_came_is_kept() -> None:
    came = []
    quick = {"distributed.comm.timeouts.connect": "1s"}
    with (
        config.set(quick),
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=1, threads_per_worker=1, protocol="tcp", processes=False, dashboard_address="127.0.0.1:0"
        ) as scheduler,
        on_engine(engine_for(str(scheduler.scheduler_address).replace("tcp://", "dask://"))),
    ):
        going = outcomes(engine_work.work, b"x", (b"%d" % n for n in range(1_000_000)))
        came.append(next(going))
        came.append(next(going))
        scheduler.sync(scheduler.scheduler.close)
        with pytest.raises(
            OutputError, match=r"scheduler stopped responding - at --cluster dask://.*--cluster local:N"
        ):
            came.extend(going)
    assert all(isinstance(answer, bytes) for answer in came)


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "CONNECT_SECONDS", 1.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"dask://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(InputError, match=f"no answer - at --cluster {address}.*--cluster local:N"):
        engine_for(address).__enter__()
    with pytest.raises(InputError, match="dask://HOST:PORT"):
        engine_for("dask://somewhere")
