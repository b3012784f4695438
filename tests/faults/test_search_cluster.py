"""Batches on a Dask cluster: a worker that dies costs its batch only, and a scheduler that is gone is named."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.heavy]

from dask import config  # noqa: E402
from distributed import LocalCluster  # noqa: E402

from edgewright.schema.errors import InputError, OutputError  # noqa: E402
from edgewright.search.engines import dask  # noqa: E402
from edgewright.search.engines.contract import engine_for  # noqa: E402
from engine_work import assert_a_death_costs_its_batch  # noqa: E402


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes that know the work of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
        with LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as scheduler:
            yield scheduler


def _address(cluster: Any) -> str:  # noqa: ANN401 - of a library without types
    return str(cluster.scheduler_address).replace("tcp://", "dask://")


def test_a_death_costs_its_batch_and_a_failure_is_told(cluster: Any, tmp_path: Path) -> None:  # noqa: ANN401
    with engine_for(_address(cluster)) as engine:
        assert engine.workers == 2
        assert_a_death_costs_its_batch(engine, tmp_path)


def test_another_version_on_a_worker_is_refused_by_name(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    real = version("edgewright")
    # Workers are asked with `_ask`, which stays the real one.
    monkeypatch.setattr(dask, "version", lambda _: "99")
    with pytest.raises(InputError, match=f"expected edgewright 99 .*, got edgewright {real} - at worker tcp://"):
        engine_for(_address(cluster)).__enter__()


def test_an_interrupt_leaves_nothing_on_the_cluster(cluster: Any) -> None:  # noqa: ANN401
    def batches() -> Iterator[bytes]:
        yield b"a"
        yield b"b"
        raise KeyboardInterrupt

    with engine_for(_address(cluster), 2) as engine:
        with pytest.raises(KeyboardInterrupt):
            list(engine.run("engine_work:work", b"x", batches()))
        until = time.monotonic() + 10
        while cluster.scheduler.tasks and time.monotonic() < until:
            time.sleep(0.05)
        assert not cluster.scheduler.tasks


def test_a_scheduler_that_ends_in_the_middle_is_named_and_what_came_is_kept() -> None:
    came = []
    quick = {"distributed.comm.timeouts.connect": "1s"}
    with (
        config.set(quick),
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=1, threads_per_worker=1, protocol="tcp", processes=False, dashboard_address="127.0.0.1:0"
        ) as scheduler,
        engine_for(_address(scheduler)) as engine,
    ):
        going = engine.run("engine_work:work", b"x", (b"%d" % n for n in range(1_000_000)))
        came.append(next(going))
        came.append(next(going))
        scheduler.sync(scheduler.scheduler.close)
        with pytest.raises(OutputError, match=r"scheduler stopped responding - at --engine dask://.*--engine local"):
            came.extend(going)
    assert all(isinstance(answer, bytes) for _, answer in came)


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "CONNECT_SECONDS", 1.0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"dask://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(InputError, match=f"no answer - at --engine {address}.*--engine local"):
        engine_for(address).__enter__()
    with pytest.raises(InputError, match="dask://HOST:PORT"):
        engine_for("dask://somewhere")
