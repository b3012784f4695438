"""Nobody touches a descriptor, or the file of a database, that he did not open: POSIX would drop locks of the process.

A process has its locks on a file, not a descriptor: closing any descriptor of that file drops all of them. So the
source may close what it opened itself, duplicates nothing, starts no process that inherits descriptors, and leaves
files of databases to one library of SQLite.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgewright

SOURCE = Path(edgewright.__file__).parent
OPENERS = {"open", "mkstemp", "pipe", "pipe2", "pidfd_open", "memfd_create", "openpty", "inotify_init1"}
ENDS = {"close", "closerange", "fdopen", "sendfile"}
COPIES = {"dup", "dup2", "fromfd", "fromshare", "fork", "forkpty", "posix_spawn", "posix_spawnp", "detach"}
OPTIONS = {"fileno", "pass_fds", "close_fds", "preexec_fn"}
FOLDERS = ("/proc/self/fd", "/dev/fd")
LIBRARIES = {"apsw", "pysqlite3", "pysqlcipher3", "sqlean", "duckdb"}
"""Each has a SQLite of its own, which knows nothing of the locks of another one in the same process."""
READERS = {"open", "read_bytes", "read_text", "write_bytes", "write_text", "copyfile", "copy", "copy2", "move", "touch"}
DATABASES = {"STORE_FILE", "IDENTITY_FILE", "DATABASE"}
WORDS = re.compile("|".join(map(re.escape, sorted(
    ENDS | COPIES | OPTIONS | LIBRARIES | DATABASES | {*FOLDERS, ".sqlite", ".db", "sqlite.NAME", "files.NAME"}
))))  # fmt: skip
"""A module with none of them violates nothing: most are not parsed, which would take half a minute."""
ALLOWED = {
    ("core/engines/litert.py", "os.dup(_STDERR)"): "standard error, whose copy is closed here; no file of a database",
    (
        "core/engines/litert.py",
        "os.dup2(captured.fileno(), _STDERR)",
    ): "a temporary file opened here becomes standard error",
    ("core/engines/litert.py", "os.dup2(kept, _STDERR)"): "gives standard error back",
    ("core/engines/litert.py", "os.close"): "of the copy made in the line before",
    (
        "device/agent/rules.py",
        "os.posix_spawn(entry.run[0], list(entry.run), _ENVIRONMENT, file_actions=nothing, setpgroup=0, "
        "setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGPIPE))",
    ): "another program, which inherits 0, 1 and 2 alone: Python and SQLite open all else with O_CLOEXEC",
    (
        "fleet/device/launcher.py",
        "preexec_fn=before",
    ): "ties the agent to the launcher, in the child; closes nothing",
    ("fleet/server/database/postgres.py", "connection.detach()"): "leaves the pool of SQLAlchemy; no descriptor",
    ("cli/main.py", "os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())"): "standard output, at the end",
    (
        "export/c99_host/host.py",
        "os.fork()",
    ): "the child runs compiled C alone, without collecting garbage, and leaves by os._exit: it closes no database",
    ("data/targets.py", "os.dup(file.fileno())"): "a temporary file without a name, opened in the line before",
    ("data/targets.py", "os.close"): "of that copy, when the last rows are gone",
    ("cluster/local.py", "pass_fds=[theirs.fileno()]"): "a worker's end of a pipe that was opened in the line before",
}


def violations(path: str, text: str) -> Iterator[str]:
    """Yield the expressions of a module that may touch what others opened."""
    tree = ast.parse(text)
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for part in tree.body:
        opened, databases = _assigned(part, _opens), _assigned(part, _names_database)
        for node in ast.walk(part):
            call = calls.get(id(node))
            if isinstance(node, ast.Attribute) and node.attr in ENDS | COPIES:
                owner = ast.unparse(node.value)
                foreign = owner in ("os", "socket") or (node.attr in ("dup", "detach") and call and not call.args)
                if foreign and not (node.attr in ENDS and call and _own(call.args[0], opened)):
                    yield ast.unparse(call or node)
            elif isinstance(node, ast.keyword) and node.arg in OPTIONS:
                if not (node.arg == "close_fds" and ast.unparse(node.value) == "True"):
                    yield f"{node.arg}={ast.unparse(node.value)}"
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(FOLDERS):
                yield node.value
            elif isinstance(node, ast.Constant) and node.value in ("fork", "forkserver"):
                yield repr(node.value)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names]
                modules = names if isinstance(node, ast.Import) else [node.module or ""]
                if LIBRARIES & {name.partition(".")[0] for name in modules}:
                    yield ast.unparse(node)
                if (
                    isinstance(node, ast.ImportFrom)
                    and node.module in ("os", "socket")
                    and (ENDS | COPIES) & set(names)
                ):
                    yield ast.unparse(node)
            elif isinstance(node, ast.Call) and _reads(node) and _touches(node, databases):
                yield ast.unparse(node)


def _assigned(part: ast.stmt, wanted: object) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(part):
        if isinstance(node, ast.Assign) and wanted(node.value, names):  # type: ignore[operator]
            for target in node.targets:
                names |= {ast.unparse(each) for each in (target.elts if isinstance(target, ast.Tuple) else [target])}
    return names


def _opens(value: ast.expr, names: set[str]) -> bool:
    if names and ast.unparse(value) in names:
        return True
    return any(_called(node) in OPENERS for node in ast.walk(value) if isinstance(node, ast.Call))


def _called(call: ast.Call) -> str:
    """Return the last name of what is called; empty where that has no name."""
    func = call.func
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _own(argument: ast.expr, opened: set[str]) -> bool:
    return ast.unparse(argument) in opened or (
        isinstance(argument, ast.Call) and _opens(argument, set()) and "dup" not in ast.unparse(argument)
    )


def _names_database(value: ast.expr, names: set[str]) -> bool:
    if isinstance(value, ast.Call) and not isinstance(value.func, ast.Name | ast.Attribute):
        return False
    parts = [value, *(value.args if isinstance(value, ast.Call) else ())]
    if (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and value.func.attr not in ("absolute", "resolve")
    ):
        return False
    return any(_is_database(node, names) for part in parts for node in ast.walk(part))


def _is_database(node: ast.AST, names: set[str]) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.endswith((".sqlite", ".sqlite3", ".db"))
    if isinstance(node, ast.Name):
        return node.id in names or node.id in DATABASES
    if isinstance(node, ast.Attribute):
        return node.attr in DATABASES or (
            (bool(names) or node.attr == "NAME") and ast.unparse(node) in {*names, "sqlite.NAME", "files.NAME"}
        )
    return False


def _reads(call: ast.Call) -> bool:
    return _called(call) in READERS


def _touches(call: ast.Call, databases: set[str]) -> bool:
    """Return whether a call reads a path that names a database; `State.open(path)` is no such call."""
    receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
    if isinstance(receiver, ast.Name) and receiver.id[:1].isupper():
        return False
    parts = [*call.args[:2], *([receiver] if receiver is not None else [])]
    return any(_is_database(node, databases) for part in parts for node in ast.walk(part))


def test_the_source_touches_only_descriptors_that_it_opened() -> None:
    seen = set()
    for path in sorted(SOURCE.rglob("*.py")):
        name, text = str(path.relative_to(SOURCE)), path.read_text("utf-8")
        seen |= {(name, expression) for expression in violations(name, text)} if WORDS.search(text) else set()
    assert sorted(seen - set(ALLOWED)) == []
    assert sorted(set(ALLOWED) - seen) == [], "exceptions that nothing needs any more"


@pytest.mark.parametrize(
    "text",
    [
        "import os\ndef f(file):\n    copy = os.dup(file)\n",
        "import os\ndef f(file):\n    os.close(file)\n",
        "import os\ndef f(file):\n    with os.fdopen(file) as opened:\n        opened.read()\n",
        "import os\nclass A:\n    def f(self):\n        os.close(self.file)\n",
        "import weakref, os\ndef f(a):\n    weakref.finalize(a, os.close, 3)\n",
        "from os import dup\n",
        "import socket\ndef f(n):\n    return socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=n)\n",
        "import socket\ndef f(n):\n    return socket.fromfd(n, 1, 1)\n",
        "def f(connection):\n    return connection.dup()\n",
        "import os\ndef f():\n    return os.scandir('/proc/self/fd')\n",
        "import os\nif os.fork() == 0:\n    pass\n",
        "import multiprocessing\nc = multiprocessing.get_context('fork')\n",
        "import subprocess\ndef f(s):\n    subprocess.Popen(['a'], pass_fds=(s,))\n",
        "import subprocess\ndef f():\n    subprocess.run(['a'], close_fds=False)\n",
        "import apsw\n",
        "def f(folder):\n    return (folder / 'fleet.sqlite').read_bytes()\n",
        "def f(folder):\n    path = folder / STORE_FILE\n    with path.open('rb') as file:\n        file.read()\n",
        "import shutil\ndef f(folder, to):\n    path = folder / sqlite.NAME\n    shutil.copyfile(path, to)\n",
    ],
)
def test_the_contract_refuses(text: str) -> None:
    assert list(violations("example.py", text)) != []


@pytest.mark.parametrize(
    "text",
    [
        "import os\ndef f(path):\n    handle = os.open(path, 0)\n    os.close(handle)\n",
        "import os, tempfile\ndef f():\n    handle, name = tempfile.mkstemp()\n    return os.fdopen(handle)\n",
        "import os\nclass A:\n    def f(self):\n        self.a, b = os.pipe()\n    def g(self): os.close(self.a)\n",
        "import sqlite3\ndef f(folder):\n    return sqlite3.connect(folder / 'a.sqlite')\n",
        "def f(folder):\n    return State.open(folder / 'a.sqlite')\n",
        "def f(folder):\n    (folder / 'a.sqlite').stat()\n    return (folder / 'a.json').read_bytes()\n",
    ],
)
def test_the_contract_allows(text: str) -> None:
    assert list(violations("example.py", text)) == []
