"""Every shell block of the documents is run by a test or says why not, and every command in it exists."""

from __future__ import annotations

import re
import shlex
from collections import Counter

import click
import pytest

from document_blocks import SHELL, Block, blocks_of, pages
from edgewright.cli.main import cli
from edgewright.core.errors import UnknownNameError
from support import ROOT

# Document -> the test that runs its blocks.
RUN_BY = {
    "README.md": "tests/unit/test_docs_tutorials.py",
    "docs/boards.md": "tests/faults/test_docs_boards.py",
    "docs/compression.md": "tests/unit/test_docs_examples.py",
    "docs/foundation-models.md": "tests/unit/test_docs_foundation_models.py",
    "docs/generated-c.md": "tests/unit/test_docs_examples.py",
    "docs/importing.md": "tests/unit/test_docs_examples.py",
    "docs/monitoring.md": "tests/unit/test_docs_examples.py",
    "docs/operations.md": "tests/faults/test_operations.py",
    "docs/proof.md": "tests/unit/test_docs_examples.py",
    "docs/tutorials/fleet-in-15-minutes.md": "tests/faults/test_docs_fleet.py",
    "docs/tutorials/lessons.md": "tests/unit/test_docs_tutorials.py",
    "docs/tutorials/own-data-to-arduino.md": "tests/unit/test_docs_tutorials.py",
}
COMPOSED_BY = {"docs/operations.md": "tests/composed_fleet.py"}
BLOCKS = [block for page in pages() for block in blocks_of(page) if block.language in SHELL]


def test_every_block_is_run_or_says_why_not() -> None:
    missing = [f"{block.page}:{block.line}" for block in BLOCKS if block.kind not in ("run", "composed", "not run")]
    assert missing == [], "write <!-- run: NAME --> or <!-- not run: REASON --> on the line above"
    assert [block for block in BLOCKS if block.kind == "not run" and len(block.note) < 10] == []


def test_a_block_to_run_has_a_test_and_a_name_of_its_own() -> None:
    for kind, tests in (("run", RUN_BY), ("composed", COMPOSED_BY)):
        marked = [block for block in BLOCKS if block.kind == kind]
        assert {block.page for block in marked} == set(tests)
        assert all(re.fullmatch(r"[\w-]+", block.note) for block in marked)
        assert max(Counter((block.page, block.note) for block in marked).values()) == 1
        for page, test in tests.items():
            assert page.rpartition("/")[2] in (ROOT / test).read_text(encoding="utf-8")


def _commands(block: Block) -> list[list[str]]:
    """Return the words of every `edgewright` command of a block, without what a shell does around it."""
    spans = []
    for line in block.text.replace("\\\n", " ").splitlines():
        try:
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>()")
            lexer.whitespace_split = True
            words = list(lexer)
        except ValueError:
            continue
        for start, word in enumerate(words):
            if word == "edgewright" and (start == 0 or words[start - 1] in ("|", ";", "&&", "do", "||", "until")):
                end = next((n for n in range(start + 1, len(words)) if words[n] in "|;&&||<>>>"), len(words))
                spans.append(words[start + 1 : end])
    return spans


def _unknown(words: list[str]) -> str:
    """Return what a command line names that does not exist: a command or an option; empty otherwise."""
    if words[:1] and words[0].startswith("$"):
        return ""  # a variable of the shell holds the command
    command: click.Command = cli
    context = click.Context(cli, info_name="edgewright")
    while isinstance(command, click.Group) and words and not words[0].startswith(("-", "$")):
        try:
            inner = command.get_command(context, words[0])
        except UnknownNameError:
            inner = None
        if inner is None:
            # A group such as `forecast` takes data in place of a command.
            return "" if "DATA" in (command.help or "") else words[0]
        command, words = inner, words[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help", "-h"}
    given = [word.partition("=")[0] for word in words if re.match(r"--\w", word)]
    return next((name for name in given if name not in known), "")


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS}))
def test_commands_and_options_of_a_document_exist(page: str) -> None:
    wrong = []
    for block in BLOCKS:
        for words in _commands(block) if block.page == page else ():
            name = _unknown(words)
            if name:
                wrong.append(f"{page}:{block.line}: edgewright {' '.join(words)}: {name}")
    assert wrong == []


def test_commands_are_found_in_a_line() -> None:
    text = "P=1; edgewright run x --set a.b=1 > log &  # why\nuntil edgewright show y | grep z; do\n"
    assert _commands(Block("a.md", 1, "run", "a", "sh", text)) == [["run", "x", "--set", "a.b=1"], ["show", "y"]]
    unknown = [_unknown(words) for words in (["run", "x", "--sett"], ["walk"], ["fleet", "key", "new"])]
    assert unknown == ["--sett", "walk", ""]
