"""Documents that were changed at random, and large ones: read or refused in one line, within time and memory."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from documents_example import MANUAL, manual_index
from edgewright.core.errors import EdgewrightError, OutputError
from edgewright.language.documents.document_file import DocumentFile
from edgewright.language.documents.index import Block, write_index
from edgewright.nlp.documents.search import DocumentIndex
from mutations import changed_bytes
from pdf_files import pdf_bytes
from support import environment, small_disk

SECONDS, SLOWEST, MIN_FILES = 3.0, 20.0, 5
_PDF = pdf_bytes([[(20, "Drill"), (10, "The drill takes two cells.")], [(14, "Cleaning"), (10, "Never use water.")]])
_WEB = ("<h1>Drill</h1><p>The drill takes two cells.<table><tr><td>a<td>b</table>" * 3).encode()


def nested(rng: random.Random) -> bytes:
    """Structure many times over, whole or cut off."""
    count = rng.choice((1, 50, 3000))
    piece = rng.choice(
        (b"<div>", b"<table><tr><td>", b"<h1>x", b"<script>", b"<!--", b"<a href='", b"&#", b"<![CDATA[")
    )
    return piece * count + b"text"


def marks(rng: random.Random) -> bytes:
    """Return signs of Markdown in any order."""
    signs = [*"#*_`[)|\n<\\é", "# ", "```\n", "](", "- ", "> ", "---\n", "word ", "==="]
    return "".join(rng.choices(signs, k=rng.choice((10, 300, 20_000)))).encode()


KINDS: dict[str, Callable[[random.Random], bytes]] = {
    ".pdf": lambda rng: changed_bytes(_PDF, rng),
    ".html": lambda rng: changed_bytes(_WEB, rng) if rng.random() < 0.5 else nested(rng),
    ".md": lambda rng: changed_bytes(MANUAL.encode(), rng) if rng.random() < 0.3 else marks(rng),
    ".txt": lambda rng: changed_bytes(MANUAL.encode(), rng) if rng.random() < 0.5 else rng.randbytes(5000),
}


@pytest.mark.slow
@pytest.mark.parametrize("suffix", sorted(KINDS))
def test_changed_documents_are_read_or_refused(tmp_path: Path, suffix: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, number = time.monotonic(), 0
    while number < MIN_FILES or time.monotonic() - started < SECONDS:
        rng = random.Random(number)  # noqa: S311 - no secret
        path = tmp_path / f"a{suffix}"
        path.write_bytes(KINDS[suffix](rng))
        begun = time.monotonic()
        try:
            write_index(tmp_path / "index", [DocumentFile(path)])
            with DocumentIndex(tmp_path / "index") as index:
                index.ask("Who takes two cells?")
        except EdgewrightError as error:
            assert "\n" not in str(error), f"{suffix} {number}"
        except Exception as error:
            raise AssertionError(f"{suffix} {number}: {error!r}") from error
        assert time.monotonic() - begun < SLOWEST, f"{suffix} {number}"
        number += 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 << 10


@pytest.mark.slow
def test_a_changed_index_answers_or_is_refused(tmp_path: Path) -> None:
    path = manual_index(tmp_path)
    whole, started, number = path.read_bytes(), time.monotonic(), 0
    while number < MIN_FILES or time.monotonic() - started < SECONDS:
        path.write_bytes(changed_bytes(whole, random.Random(number)))  # noqa: S311 - no secret
        try:
            with DocumentIndex(path) as index:
                index.ask("How long does the warranty last?")
                index.ask("Who takes two celsl?")
        except EdgewrightError as error:
            assert "\n" not in str(error), number
        except Exception as error:
            raise AssertionError(f"{number}: {error!r}") from error
        number += 1


_LARGE = """
import resource, sys
from pathlib import Path
from edgewright.language.documents.index import write_index
from edgewright.language.documents.index import Block
from edgewright.language.documents.document_file import DocumentFile
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
held = write_index(Path(sys.argv[2]), [DocumentFile(Path(sys.argv[1]))])
print(held.passages, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.slow
@pytest.mark.heavy
def test_thirty_megabytes_take_bounded_memory(tmp_path: Path) -> None:
    """Of few different words: what memory holds is the vocabulary, not the text."""
    paragraph = "The pump of line {} is serviced every {} hours. Close the valve and drain the housing first.\n\n"
    path = tmp_path / "large.txt"
    with path.open("w") as file:
        for number in range(330):
            file.write("".join(paragraph.format(n % 97, number % 89) for n in range(1000)))
    assert path.stat().st_size > 30e6
    command = [sys.executable, "-c", _LARGE, str(path), str(tmp_path / "index")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(), timeout=540)
    passages, megabytes = map(int, done.stdout.split())
    assert passages > 20_000
    assert megabytes < 200
    with DocumentIndex(tmp_path / "index") as index:
        assert index.ask("When is the pump serviced?").passages


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "300k") as disk:
        path = tmp_path / "large.txt"
        path.write_text("".join(f"Sentence {n} of word{n} says nothing.\n\n" for n in range(20_000)))
        with pytest.raises(OutputError, match="to write an index"):
            write_index(disk / "index", [DocumentFile(path)])
        assert not list(disk.iterdir())


@pytest.mark.slow
def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    class Interrupted(DocumentFile):
        def blocks(self) -> Iterator[Block]:
            yield next(iter(super().blocks()))
            raise KeyboardInterrupt

    path = tmp_path / "a.md"
    path.write_text(MANUAL)
    with pytest.raises(KeyboardInterrupt):
        write_index(tmp_path / "index", [Interrupted(path)])
    assert list(tmp_path.iterdir()) == [path]
