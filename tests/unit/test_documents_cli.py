"""`edgewright language index` and `ask`: what a person sees, and exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli_runner import Cli
from documents_example import MANUAL, manual
from edgewright.cli.main import run
from llm_server import language_model
from pdf_files import pdf_bytes

QUESTION = "How long does the warranty last?"
SENTENCE = "The warranty lasts 24 months from the date of purchase."


def indexed(folder: Path, cli: Cli) -> str:
    path = folder / "drill.index"
    cli("language", "index", manual(folder), "--out", path)
    return str(path)


def test_index_tells_what_it_holds_and_replaces_only_by_force(tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "drill.index"
    command = ["language", "index", str(manual(tmp_path)), "--out", str(out)]
    index_report = cli.json(*command)
    assert (index_report["passages"], index_report["documents"][0]["kind"], index_report["encoder"]) == (
        3,
        "markdown",
        "",
    )
    assert "--force" in cli(*command, code=2)
    assert "3 passages" in cli(*command, "--force")
    (tmp_path / "empty.md").write_text("# Only a heading\n")
    assert "note: it has no text" in cli(*command, "--force", tmp_path / "empty.md")


def test_ask_marks_the_sentence_and_says_where(tmp_path: Path, cli: Cli) -> None:
    index = indexed(tmp_path, cli)
    text = cli("language", "ask", QUESTION, "--index", index, "--top", "1")
    assert "[1] drill.md: Drill X200 > Warranty" in text
    assert f"»{SENTENCE}«" in text
    record = cli.json("language", "ask", QUESTION, "--index", index)
    assert (record["answered"], record["found"][0]["sentence"], record["note"]) == (True, SENTENCE, "")


def test_what_is_allowed_is_quoted_and_not_judged(tmp_path: Path, cli: Cli) -> None:
    text = cli("language", "ask", "Is it allowed to clean it with water?", "--index", indexed(tmp_path, cli))
    assert "»Never use water.«" in text
    assert text.endswith("This quotes the rule in the document. It does not judge whether something is allowed.\n")


@pytest.mark.slow
def test_the_page_of_a_pdf_is_named(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf_bytes([[(10, "Nothing here.")], [(14, "Warranty"), (10, SENTENCE)]]))
    index = str(tmp_path / "a.index")
    assert run(["language", "index", str(tmp_path / "a.pdf"), "--out", index]) == 0
    assert "a.pdf, page 2: Warranty" in cli("language", "ask", QUESTION, "--index", index)


def test_not_in_this_document_is_exit_code_1(tmp_path: Path, cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    index = indexed(tmp_path, cli)
    assert "not in this document" in cli("language", "ask", "Who painted the Mona Lisa?", "--index", index, code=1)
    assert run(["language", "ask", "Who painted the Mona Lisa?", "--index", index, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["answered"] is False
    assert run(["language", "ask", "Who painted pictures of zebras?", "--index", index]) == 1
    captured = capsys.readouterr()
    assert "(no word like painted, pictures, zebras). Rephrase the question\n" in captured.err, (
        "words as they were asked"
    )
    assert captured.out == "", "there is no nearest to see"


@pytest.mark.parametrize("question", ["", "🙂", "x" * 100_000])
def test_no_question_is_exit_code_2(tmp_path: Path, cli: Cli, question: str) -> None:
    error = cli("language", "ask", question, "--index", tmp_path / "none", code=2)
    assert "question" in error
    assert error.count("\n") == 1
    assert len(error) < 300


def test_wrong_use_is_told_in_one_line(tmp_path: Path, cli: Cli) -> None:
    index = indexed(tmp_path, cli)
    for arguments in (
        ["language", "ask", "why", "--index", str(tmp_path / "none")],
        ["language", "ask", QUESTION, "--index", index, "--encoder", str(tmp_path)],
        ["language", "ask", QUESTION, "--index", index, "--phrase", "http://192.0.2.1"],
        ["language", "index", str(tmp_path / "none.pdf"), "--out", str(tmp_path / "x")],
        ["language", "index", str(manual(tmp_path)), "--out", str(tmp_path / "x"), "--encoder", str(tmp_path)],
    ):
        error = cli(*arguments, code=2)
        assert error.startswith("edgewright: error[")
        assert error.count("\n") == 1


def test_a_phrased_answer_is_shown_or_refused(tmp_path: Path, cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    index = indexed(tmp_path, cli)
    with language_model() as model:
        command = ["language", "ask", QUESTION, "--index", index, "--phrase", model.url]
        model.says = "The warranty lasts 24 months [1]."
        text = cli(*command)
        assert "tiny says: The warranty lasts 24 months [1]." in text
        assert f"»{SENTENCE}«" in text
        model.says = "The warranty lasts 10 years [1]."
        assert run(command) == 1
        captured = capsys.readouterr()
        assert "the number 10" in captured.out
        assert "refused" in captured.err
        assert run([*command, "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["phrased"]["carried"] is False
        model.manner = "garbage"
        assert run(command) == 74
        assert SENTENCE in capsys.readouterr().out
        requested = len(model.asked)
        assert run(["language", "ask", "Who painted the Mona Lisa?", "--index", index, "--phrase", model.url]) == 1
        assert len(model.asked) == requested


def test_a_document_cannot_write_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = MANUAL.replace("The warranty lasts", "\x1b[2J\x1b]0;x\x07The \u202ewarranty lasts")
    index = str(tmp_path / "evil.index")
    assert run(["language", "index", str(manual(tmp_path, evil)), "--out", index]) == 0
    run(["language", "ask", QUESTION, "--index", index])
    text = capsys.readouterr().out
    assert "24 months" in text
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_a_question_loads_the_base_install_alone(tmp_path: Path, cli: Cli) -> None:
    index = indexed(tmp_path, cli)
    requested = ["language", "ask", QUESTION, "--index", index]
    code = f"import sys; from edgewright.cli.main import run; run({requested!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert SENTENCE in done.stdout
    loaded = {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}
    heavy = {"onnxruntime", "onnx", "jax", "sklearn", "scipy", "polars", "tokenizers", "pypdf", "PIL", "rich"}
    assert not loaded & heavy
    assert "edgewright.language" not in done.stdout.splitlines()[-1].split()
