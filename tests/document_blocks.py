"""Code blocks of README.md and docs/, each with the comment in front of it, and a shell that runs those of a page."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support import ROOT, environment

# A block without a language is read by people as something to type, so it is one of these.
SHELL = ("", "sh", "bash", "shell", "console")
_BLOCK = re.compile(r"^(?:<!-- ([a-z ]+): ([^\n]*?) -->\n+)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: path of the document, relative to the repository.
        line: number of the line that opens it, from 1.
        kind: word of the comment in front: 'run', 'composed', 'not run'; empty without a comment.
        note: text of the comment: the block's name, or why nothing runs it.
        language: after the opening fence.
        text: what the block holds.
    """

    page: str
    line: int
    kind: str
    note: str
    language: str
    text: str


def pages() -> list[str]:
    """Return the documents whose blocks are checked, relative to the repository."""
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path.relative_to(ROOT).as_posix() for path in documents]


def blocks_of(page: str) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = []
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start(3)) + 1
        blocks.append(Block(page, line, match[1] or "", match[2] or "", match[3], match[4]))
    return blocks


def write_sources(page: str, folder: Path, names: Mapping[str, str]) -> None:
    """Save the blocks of other languages as the page tells its reader to.

    Args:
        page: relative to the repository.
        folder: where they are written.
        names: language -> file name; the page has one block of each.
    """
    for language, name in names.items():
        [block] = [block for block in blocks_of(page) if block.language == language]
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")


def type_page(
    page: str, folder: Path, *, seconds: float, port: str = "", python: Path = Path(sys.executable)
) -> dict[str, str]:
    """Type the blocks marked 'run' of a page into one shell, which ends at the first failure.

    Args:
        page: relative to the repository.
        folder: where the shell starts.
        seconds: longest time for all of them.
        port: TCP port of the page; a free one takes its place.
        python: of the environment whose commands are typed.

    Returns:
        What each block printed, by its name.
    """
    script = "".join(f"echo '##### {block.note}'\n{block.text}" for block in blocks_of(page) if block.kind == "run")
    if port:
        with socket.create_server(("127.0.0.1", 0)) as free:
            script = script.replace(port, str(free.getsockname()[1]))
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    output_path = folder / "said"
    with output_path.open("wb") as output:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env={**environment(), "PATH": path},
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        try:
            code = shell.wait(timeout=seconds)
        finally:
            # Everything that a page leaves in the background is of this session.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)
            shell.wait()
    text = output_path.read_text(encoding="utf-8", errors="replace")
    assert code == 0, f"{page}: exit code {code}\n{text[-4000:]}"
    parts = re.split(r"^##### ([\w-]+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
