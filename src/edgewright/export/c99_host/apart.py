"""Calls of compiled C in a child process: code that crashes or does not end is an error, not the end of the caller."""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import importlib
import multiprocessing
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NoReturn, TypeVar

from edgewright.schema.errors import EdgewrightError, StoppedError

Result = TypeVar("Result")
# Seconds of processor time that a call may take.
LIMIT_S = 300
# Seconds by the clock after which a call that sleeps or waits is ended, too.
_WAIT_S = 3600
# Where a copy of the process may go on with what other threads of it began; elsewhere C is called here.
_FORKS = sys.platform == "linux"
_children: list[int] = []
# Number of the option of prctl(2) that ends a child with its parent.
_PARENT_ENDED = 1


def run_apart(call: Callable[[], Result]) -> Result:
    """Return the result of a call that runs in a child process; within such a call, it runs there.

    Args:
        call: of compiled C; its result is sent back, and what else it changes is lost.

    Raises:
        StoppedError: the code crashed, took more than `LIMIT_S` seconds of processor time, or did not answer.
    """
    if not _FORKS or _children:
        return call()
    # Loaded here: another thread may hold the loader's lock while this one forks, and would never release it there.
    resource, prctl, parent = importlib.import_module("resource"), ctypes.CDLL(None).prctl, os.getpid()

    def limited() -> Result:
        prctl(_PARENT_ENDED, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        limit = LIMIT_S + 1 if hard == resource.RLIM_INFINITY else min(hard, LIMIT_S + 1)
        resource.setrlimit(resource.RLIMIT_CPU, (min(LIMIT_S, limit), limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        return call()

    receiver, sender = multiprocessing.Pipe(duplex=False)
    with warnings.catch_warnings():
        # The child only runs the call: it waits for none of the threads that it has not.
        warnings.simplefilter("ignore")
        try:
            process = os.fork()
        except OSError:  # no memory for a copy, or no process left: here, then
            receiver.close()
            sender.close()
            return call()
    if not process:
        receiver.close()
        _answer(limited, sender)
    sender.close()
    kind: str = "ended"
    result: Any = None
    try:
        with receiver:
            if not receiver.poll(_WAIT_S):
                raise StoppedError(f"the compiled C gave no answer within {_WAIT_S} s")
            kind, result = receiver.recv()
    except EOFError:
        pass
    except BaseException:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        raise
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if kind == "ended":
        raise StoppedError(f"the compiled C {_ending(status)}")
    if kind == "result":
        return result  # type: ignore[no-any-return]
    raise StoppedError(result) if kind == "refused" else RuntimeError(result)


def _answer(call: Callable[[], Any], out: Connection) -> NoReturn:
    """Send the result of a call, in the child."""
    status = 1
    try:
        gc.disable()
        faulthandler.disable()
        _children.append(os.getpid())
        try:
            answer = "result", call()
        except EdgewrightError as error:
            answer = "refused", str(error)
        except Exception:  # noqa: BLE001 - raised again by the parent
            answer = "failed", traceback.format_exc()
        out.send(answer)
        status = 0
    finally:
        os._exit(status)


def _ending(status: int) -> str:
    """Return how a child ended, from its exit code."""
    if -status == signal.SIGXCPU:
        return f"did not end within {LIMIT_S} s of processor time"
    if status > 0:
        return f"ended with status {status}"
    return f"crashed: {signal.strsignal(-status) or f'signal {-status}'}"
