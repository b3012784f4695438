"""Updates of the boards behind a device: each receives the weights of the device's confirmed release.

Boards never block the device: a separate process talks to them (`board_process`), and this module only schedules it and
stores its results. The state of each board is in the agent's file; its desired weights follow from the active slot. If
the device rolls back, its boards do too, and an agent that was killed continues from their current state.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from edgewright.core.records.fleet import FAILED, SETTLED, WORDS, BoardAsk, BoardEntry, BoardRound, BoardSeen
from edgewright.fleet.device.ports import Pace, Slot
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.layout import Chance, Clock

_MODULE = "edgewright.fleet.device.board_process"
_SILENT = 300.0
"""Seconds without output after which the process is killed: verification takes a few, and transfers report progress."""


class BoardProcess:
    """Updates boards in a process of its own.

    Args:
        wake: called from another thread when the process has reported something.
        note: receives what the process prints, for the log of this device.
    """

    def __init__(self, wake: Callable[[], None], note: Callable[[str], None] = lambda line: None) -> None:
        self._wake, self._note = wake, note
        self._answers: queue.SimpleQueue[BoardSeen] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._contact, self._why = 0.0, ""

    def start(self, board_round: BoardRound) -> None:
        """Start the process with the boards to update."""
        self.stop()
        self._contact, self._why = time.monotonic(), ""
        command = [sys.executable, "-m", _MODULE, str(os.getpid())]
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            self._why = f"the board process cannot start: {error.strerror or error}"
            return
        self._process = process
        self._thread = threading.Thread(
            target=self._listen, args=(process, msgspec.json.encode(board_round)), name="boards", daemon=True
        )
        self._thread.start()

    def received(self) -> list[BoardSeen]:
        """Return what the process has reported."""
        reports = []
        with suppress(queue.Empty):
            while True:
                reports.append(self._answers.get_nowait())
        return reports

    def busy(self) -> str | None:
        """Return None while the process runs; afterwards its error, empty for none."""
        process = self._process
        if process is None:
            return self._why
        if self._thread is not None and self._thread.is_alive():
            if time.monotonic() - self._contact > _SILENT:
                process.kill()
            return None
        code = process.wait()
        self._process = None
        if code and not self._why:
            self._why = f"ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}"
        return self._why

    def stop(self) -> None:
        """Stop the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._thread is not None:
                self._thread.join()
            self._process = None
        self.received()

    def _listen(self, process: subprocess.Popen[bytes], request: bytes) -> None:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None  # noqa: S101
        with process.stdin, suppress(OSError):
            process.stdin.write(request)
        with process.stdout, process.stderr:
            for line in process.stdout:
                self._contact = time.monotonic()
                with suppress(msgspec.DecodeError, msgspec.ValidationError):
                    self._answers.put(msgspec.json.decode(line, type=BoardSeen))
                    self._wake()
            lines = process.stderr.read()[-2000:].decode("utf-8", "replace").strip().splitlines()
            if lines:
                self._note(f"boards: {lines[-1][:300]}")
        self._wake()


_FIRST, _SLOWEST = 5.0, 600.0
_NEVER = float("inf")


class _Board:
    """The schedule of one board."""

    def __init__(self, entry: BoardEntry, chance: Chance) -> None:
        self.entry = entry
        self.pace = Pace(chance, entry.look, max(_SLOWEST, entry.look), _FIRST)
        self.until = _NEVER
        """Monotonic seconds of the end of its trial."""


class Boards:
    """The boards of one device.

    Args:
        entries: the configured boards.
        state: stores the states of the boards.
        package: returns the package file of a slot.
        ways: folder with the packages for rollbacks.
        worker: process that talks to the boards.
        clock, chance: ports of the device.
    """

    def __init__(
        self, entries: Sequence[BoardEntry], state: State, package: Callable[[Slot], Path], ways: Path,
        worker: BoardProcess, clock: Clock, chance: Chance,
    ) -> None:  # fmt: skip
        self._state, self._package, self._ways, self._worker, self._clock = state, package, ways, worker, clock
        self._boards = {entry.name: _Board(entry, chance) for entry in entries}
        self._sending: dict[str, BoardSeen] = {}
        self._requested: set[str] = set()
        self._of: tuple[int, bool] | None = None
        self._since = 0.0

    @property
    def due(self) -> float:
        """Monotonic seconds of the next check; infinite while the board process runs."""
        if self._requested or not self._state.device_state.active:
            return _NEVER
        return min((board.pace.due for board in self._boards.values()), default=_NEVER)

    @property
    def why(self) -> str:
        """Short description of the boards that are not up to date; empty if all are."""
        seen = self.seen()
        odd = [report for report in seen if report.state not in ("confirmed", "idle")]
        if not odd:
            return ""
        text = "; ".join(
            f"{report.name} {WORDS[report.state]}{f' ({report.why})' if report.why else ''}" for report in odd[:3]
        )
        more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
        return f"{len(seen) - len(odd)} of {len(seen)} boards are up to date: {text}{more}"[:300]

    def seen(self) -> tuple[BoardSeen, ...]:
        """Return the states of the boards, for a report."""
        lasted = round(max(0.0, self._clock.monotonic() - self._since), 1)
        kept = {report.name: report for report in self._state.device_state.boards} | self._sending
        return tuple(msgspec.structs.replace(kept[name], seconds=lasted) for name in self._boards if name in kept)

    def look(self) -> None:
        """Store the reported states and start a check of the boards that are due.

        Raises:
            OutputError: the states cannot be stored.
        """
        current = self._state.device_state
        if (of := (current.counter, current.trial is not None)) != self._of:
            self._begin(of)
        self._listen()
        if self._requested:
            self._over()
        now = self._clock.monotonic()
        wanted = [board for board in self._boards.values() if board.pace.due <= now]
        if wanted and not self._requested and current.active:
            self._ask(wanted)

    def close(self) -> None:
        """Stop the board process; boards tolerate that at any moment."""
        self._worker.stop()

    def _begin(self, of: tuple[int, bool]) -> None:
        """Start over: another release is active, its trial is over, or the agent has just started."""
        self._worker.stop()
        self._requested, self._sending = set(), {}
        now = self._clock.monotonic()
        known = {report.name: report for report in self._state.device_state.boards}
        anew = self._of is None or self._of[0] != of[0]
        self._of = of
        if anew:
            self._since = now
        kept = []
        for name, board in self._boards.items():
            board.until = _NEVER
            board.pace.failures, board.pace.due = 0, now
            seen = known.get(name) or BoardSeen(name=name, state="waiting")
            if seen.release != of[0] or seen.state == "waiting":
                seen = msgspec.structs.replace(seen, state="waiting", release=of[0], wanted=0, why="")
            kept.append(seen)
        self._keep(kept)

    def _ask(self, wanted: Sequence[_Board]) -> None:
        current, now = self._state.device_state, self._clock.monotonic()
        failed = {report.name for report in current.boards if report.state in FAILED}
        previous = current.trial.previous if current.trial is not None else ""
        self._requested = {board.entry.name for board in wanted}
        self._worker.start(
            BoardRound(
                release=current.counter, package=str(self._package(current.active)), ways=str(self._ways),
                trial=current.trial is not None, before=str(self._package(previous)) if previous else "",
                boards=tuple(
                    BoardAsk(entry=b.entry, confirm=now >= b.until, send=b.entry.name not in failed) for b in wanted
                ),
            )
        )  # fmt: skip

    def _listen(self) -> None:
        for seen in self._worker.received():
            if seen.release == self._state.device_state.counter and seen.name in self._boards:
                self._hear(seen)

    def _over(self) -> None:
        """Handle the end of the process; boards without a report are checked again later."""
        why = self._worker.busy()
        if why is None:
            return
        self._listen()  # the process may have reported and exited since the last call
        for name in sorted(self._requested):
            text = why or "the board process exited without reporting this board"
            self._hear(BoardSeen(name=name, state="trouble", release=self._state.device_state.counter, why=text))
        self._requested = set()

    def _hear(self, seen: BoardSeen) -> None:
        board, now = self._boards[seen.name], self._clock.monotonic()
        before = next((report for report in self._state.device_state.boards if report.name == seen.name), None)
        if seen.state == "sending":
            self._sending[seen.name] = seen
            return
        self._sending.pop(seen.name, None)
        self._requested.discard(seen.name)
        if before is not None and seen.state in ("unreachable", "trouble", "waiting") and not seen.layout:
            known = {name: getattr(before, name) for name in ("counter", "wanted", "floor", "layout")}
            seen = msgspec.structs.replace(seen, **known)
        again = seen.state in ("refused", "unreachable", "trouble")
        if again and before is not None and before.state in FAILED and before.release == seen.release:
            # A refused release is not sent again; keep the stored reason.
            seen = before
        if seen.state == "trial":
            if board.until == _NEVER or board.until <= now:
                board.until = now + board.entry.trial
            board.pace.due = min(board.until, now + board.entry.look)
        elif seen.state == "waiting":
            board.pace.due = _NEVER
        elif seen.state in SETTLED:
            board.until = _NEVER
            board.pace.good(now)
        else:
            board.pace.bad(now)
        self._keep([seen if report.name == seen.name else report for report in self._state.device_state.boards])

    def _keep(self, seen: Sequence[BoardSeen]) -> None:
        """Store the states durably, with one outcome for each board on which the release failed."""
        current = self._state.device_state
        plain = tuple(msgspec.structs.replace(report, seconds=0.0) for report in seen)
        if plain == current.boards:
            return
        known = {
            report.name for report in current.boards if report.state in FAILED and report.release == current.counter
        }
        outcomes = [
            self._state.outcome(
                "reverted" if report.state == "reverted" else "refused", current.counter, current.plan,
                self._clock.wall(), "boards", f"{report.name}: {report.why}",
            )
            for report in plain
            if report.state in FAILED and report.name not in known and current.plan
        ]  # fmt: skip
        self._state.change(outcomes, boards=plain)
