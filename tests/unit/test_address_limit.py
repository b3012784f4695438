"""Under a limit of virtual memory all threads share one heap, and what does not fit ends in one line."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from edgewright.cli import address_limit, main
from edgewright.cli.address_limit import full_message, is_full, share_one_heap
from edgewright.core.errors import OUTPUT_FAILED

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="heaps of the GNU C library")

_THREADS = """
import os, resource, threading
from edgewright.cli.address_limit import share_one_heap
if {limited}:
    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
share_one_heap()
heaps = [threading.Event() for _ in range(12)]
ready = threading.Barrier(13)
def work(done):
    block = [bytes(700) for _ in range(2000)]
    ready.wait()
    done.wait()
threads = [threading.Thread(target=work, args=(done,)) for done in heaps]
[thread.start() for thread in threads]
ready.wait()
print(int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE"), os.environ.get("MALLOC_ARENA_MAX"))
[done.set() for done in heaps]
"""


def _mapped(limited: bool) -> tuple[int, str]:
    program = _THREADS.format(limited=limited)
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    size, heaps = answer.stdout.split()
    return int(size), heaps


def test_threads_share_one_heap_only_where_virtual_memory_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    (free, unset), (limited, one) = _mapped(False), _mapped(True)
    assert (unset, one) == ("None", "1")
    assert limited < free - 4 * 2**26


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (MemoryError(), True),
        (ImportError("libx.so: failed to map segment from shared object"), True),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("shapes differ"), False),
    ],
)
def test_memory_that_ended_is_one_line_with_the_limit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, full: bool
) -> None:
    assert is_full(error) is full
    monkeypatch.setattr(address_limit, "limit_bytes", lambda: 300_000_000)
    monkeypatch.setattr(main, "limit_bytes", lambda: 300_000_000)

    @click.group()
    def commands() -> None:
        raise error

    @commands.command()
    def work() -> None:
        """Never begin."""

    if not full:
        with pytest.raises(RuntimeError, match="shapes differ"):
            main.run(["work"], commands)
        return
    assert main.run(["work"], commands) == OUTPUT_FAILED
    assert capsys.readouterr().err == f"edgewright: {full_message()}\n"
    assert "a limit of 300 MB of virtual memory (ulimit -v)" in full_message()


def test_without_a_limit_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_limit, "limit_bytes", lambda: None)
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    share_one_heap()
    assert "MALLOC_ARENA_MAX" not in os.environ
    assert full_message().startswith("expected enough memory for this data. ")
