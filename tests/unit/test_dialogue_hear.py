"""The vending machine in C from text to action: the conversation of the one in Python, word for word."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest

from c99_language_example import built, memory
from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.export.emulator import Entry, missing_tools, run_on_device
from edgewright.language.utterances import read
from support import ROOT, left_out, need_sanitizers

EXAMPLES = ROOT / "docs" / "examples"
VENDING = str(EXAMPLES / "vending.toml")
UTTERANCES = EXAMPLES / "vending-utterances.toml"
FILES = ("vending.c", "vending_words.c", "vending_hear.c")
TALK = (
    *("I want a soda please", "yes please", "I'm hungry", "a sandwich", "rather a green tea", "no thanks", "help"),
    *("\N{SLIGHTLY SMILING FACE}", "?!", "what is the weather", "/wait 12", "give me a Cola", "/wait 45", "thank you"),
    *(
        "x" * 1200,
        "\u05e9\u05dc\u05d5\u05dd",
        "something to drink",
        "blah blah",
        "an ORANGE juice",
        "sure",
        "caf\u00e9",
    ),
    *("caf\u00e9", "cancel", "I want two sandwiches", "apple", "yes", "pour me a espresso now", "stop"),
)
MAIN = """\
#include "vending_hear.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void act(void *context, const vending_machine *m, int kind, const char *text, int step) {
    char out[600];
    (void)context;
    (void)step;
    vending_render(m, text, out, sizeof out);
    printf(kind == VENDING_DO_SAY ? "%s\\n" : "[%s]\\n", kind == VENDING_DO_SAY ? out : text);
}
int main(void) {
    static char line[1 << 14];
    static vending_machine m;
    static vending_hear_context context;
    double now = 0.0;
    vending_begin(&m, now, act, 0);
    while (fgets(line, sizeof line, stdin)) {
        const size_t length = strcspn(line, "\\n");
        if (strncmp(line, "/wait", 5) == 0) {
            now += atof(line + 5);
            vending_tick(&m, now, act, 0);
        } else {
            vending_hear(&context, &m, line, length, VENDING_WORDS_NO_DATE, now, act, 0);
        }
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("pycrfsuite")
    out = tmp_path_factory.mktemp("vending") / "vending.language"
    arguments = ["--slots", "--size", "8kB", "--out", str(out), "--json"]
    assert run(["language", "train", str(UTTERANCES), *arguments]) == 0
    return out


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_c_holds_the_conversation_of_python(
    compiler: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    need_sanitizers(compiler)
    assert "vending_hear(&context, &machine, text" in cli(
        "language", "dialogue", "c", VENDING, "--with", model, "--out", tmp_path
    )
    (tmp_path / "main.c").write_text(MAIN)
    flags = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    program = built(compiler, tmp_path, *flags, sources=(*FILES, "main.c"))
    lines = [*TALK, *(one.text for one in read(UTTERANCES).utterances)]
    talk = "\n".join(lines) + "\n"
    done = subprocess.run([program], input=talk.encode(), capture_output=True, check=False, env={"ASAN_OPTIONS": ""})
    assert not done.returncode, done.stderr.decode()[:2000]
    monkeypatch.setattr("sys.stdin", io.StringIO(talk))
    wanted = cli("language", "chat", VENDING, "--model", model).splitlines()
    assert done.stdout.decode().splitlines() == wanted
    assert wanted[1:4] == ["You chose soda. Shall I take it out?", "[dispense_drink]", "Here is your soda. Enjoy!"]
    assert "[dispense_food]" in wanted
    assert "You are silent, so I begin anew." in wanted


@pytest.mark.slow
def test_what_does_not_fit_is_told(model: Path, tmp_path: Path, cli: Cli) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(Path(VENDING).read_text().replace('event = "thanks"', 'event = "thnaks"'))
    out = ["--out", str(tmp_path)]
    assert "Did you mean 'thanks'?" in cli("language", "dialogue", "c", wrong, "--with", model, *out, code=2)
    assert run(["language", "dialogue", "c", VENDING, "--with", str(model), "--model", str(model), *out]) == 2
    assert run(["language", "dialogue", "c", VENDING, "--with", str(tmp_path / "none"), *out]) == 2
    assert run(["language", "dialogue", "c", VENDING, *out]) == 0
    assert run(["language", "dialogue", "c", VENDING, *out, "--json"]) == 0, "the same bytes are no loss"
    (tmp_path / "vending.c").write_text("mine")
    assert run(["language", "dialogue", "c", VENDING, *out]) == 2
    assert (tmp_path / "vending.c").read_text() == "mine"


ANSWER = """\
#include "vending_hear.h"
#include <string.h>
static char said[200];
static void act(void *context, const vending_machine *m, int kind, const char *text, int step) {
    (void)context;
    (void)step;
    if (kind == VENDING_DO_SAY) {
        vending_render(m, text, said, sizeof said);
    }
}
"""


@pytest.mark.slow
def test_a_microcontroller_answers_and_needs_no_heap(model: Path, tmp_path: Path) -> None:
    if missing_tools():
        left_out(", ".join(missing_tools()))
    assert run(["language", "dialogue", "c", VENDING, "--with", str(model), "--out", str(tmp_path)]) == 0
    files = {path.name: path.read_text() for path in tmp_path.iterdir()} | {"answer.h": ANSWER}
    text = b"I want a soda please"
    call = (
        "static vending_machine m; static vending_hear_context context; vending_begin(&m, 0.0, act, 0); "
        f"vending_hear(&context, &m, (const char *)in, {len(text)}u, VENDING_WORDS_NO_DATE, 1.0, act, 0); "
        "memcpy(out, said, 200);"
    )
    rows = np.frombuffer(text, np.uint8)[None]
    # It would not link if anything asked for memory: the harness has no place for a heap.
    device = run_on_device(files, Entry("answer.h", call, len(text), 200), "cortex-m0", rows)
    assert bytes(device.outputs[0]).split(b"\0")[0] == b"You chose soda. Shall I take it out?"
    assert memory(files["vending_words.h"]) < device.ram < 16_000
