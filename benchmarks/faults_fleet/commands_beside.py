"""Commands on a fleet's folder beside its server: `python -m benchmarks.faults_fleet.commands_beside FOLDER`.

Every command is a process of its own, forked from this one, which imported what they need and opens no database. The
commands run in turns; a line of JSON on the standard input is a command to run between them. Each answer
is a line of JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import select
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import traceback
from collections import Counter
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import TextIO

from benchmarks.faults.forking import fork
from benchmarks.table import ROOT, python
from edgewright.cli.main import run

_DEVICE = f"{0:032x}"
_COPY, _EXPORT = "copy.sqlite", "export"
_WARM = (
    "edgewright.fleet.server", "edgewright.fleet.server.api", "edgewright.fleet.server.api.endpoints",
    "edgewright.fleet.server.database", "edgewright.fleet.repository", "edgewright.cli.commands.fleet",
    "edgewright.cli.commands.fleet.rollout",
)  # fmt: skip
_SHOWN = 2000


def commands(folder: str, scratch: str) -> list[list[str]]:
    """Return every command that reads what the server writes, and last one that writes.

    Args:
        folder: of the fleet.
        scratch: folder for the copies that some of them make.
    """
    own = ["--fleet", folder]
    return [
        ["devices", *own],
        ["releases", *own],
        ["rollout", "status", *own],
        ["backup", folder, f"{scratch}/{_COPY}"],
        ["audit", "verify", *own],
        ["devices", _DEVICE, *own],
        ["devices", "--json", *own],
        ["audit", "show", *own],
        ["watch", "--once", *own],
        ["token", "list", *own],
        ["operator", "list", *own],
        ["waiting", *own],
        ["key", "list", *own],
        ["database", folder],
        ["export", folder, f"{scratch}/{_EXPORT}"],
        ["token", "new", "--uses", "1", "--expires", "1d", *own],
    ]


class Commands:
    """The process, and what its commands ended with.

    Args:
        folder: of the fleet.
    """

    def __init__(self, folder: Path) -> None:
        self.ended: Counter[str] = Counter()
        self.failed: list[str] = []
        self._answers: SimpleQueue[dict[str, object]] = SimpleQueue()
        self._process = subprocess.Popen(
            [python(), "-m", "benchmarks.faults_fleet.commands_beside", str(folder)], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def count(self) -> int:
        """Commands that ran in their turn and have ended."""
        return self.ended.total()

    def run(self, arguments: list[str]) -> str:
        """Run a command between two others; return what is wrong, empty for nothing."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        answer = self._answers.get(timeout=300.0)
        return f"{' '.join(arguments)}: {answer['out']}" if answer["code"] else ""

    def close(self) -> None:
        """End it after the present command."""
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.close()
        self._process.wait(300)
        self._reader.join(10)
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            answer = json.loads(line)
            if answer["asked"]:
                self._answers.put(answer)
                continue
            name = " ".join(word for word in answer["arguments"][:2] if word.isalpha())
            self.ended[name] += 1
            if answer["code"]:
                self.failed.append(f"fleet {name} ended with {answer['code']}: {answer['out']}")


def main() -> None:
    """Run commands until the standard input ends."""
    folder = sys.argv[1]
    for package in _WARM:
        path = importlib.import_module(package).__path__
        for module in pkgutil.iter_modules(path, f"{package}."):
            importlib.import_module(module.name)
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile("w+") as out:
        while True:
            for arguments in commands(folder, scratch):
                while select.select([sys.stdin], [], [], 0.0)[0]:
                    line = sys.stdin.readline()
                    if not line:
                        return
                    _answer(json.loads(line), out, expected=True)
                _answer(arguments, out, expected=False)
                _clear(Path(scratch))


def _answer(arguments: list[str], out: TextIO, *, expected: bool) -> None:
    out.seek(0)
    out.truncate()
    child = fork()
    if child == 0:
        code = 70
        try:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
            code = run(["fleet", *arguments])
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    out.seek(0)
    text = out.read()[-_SHOWN:] if code or expected else ""
    print(json.dumps({"arguments": arguments, "code": code, "out": text, "asked": expected}), flush=True)


def _clear(scratch: Path) -> None:
    """Remove the copies; a damaged one ends this process.

    Raises:
        RuntimeError: a backup is not whole.
    """
    copy = scratch / _COPY
    if copy.is_file():
        with closing(sqlite3.connect(copy)) as connection:
            problem = connection.execute("PRAGMA quick_check").fetchone()[0]
        if problem != "ok":
            raise RuntimeError(f"a backup is damaged: {problem}")
        copy.unlink()
    shutil.rmtree(scratch / _EXPORT, ignore_errors=True)


if __name__ == "__main__":
    main()
