"""Slots in C: the same as in Python on real and on random text, without a warning, in the memory told."""

from __future__ import annotations

import os
import re
import subprocess
from datetime import date
from functools import cache
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from c99_language_example import Library, built, in_python, jumble, memory, model, written
from edgewright.export.c99_language.student import Slots, write_language_c99
from edgewright.export.emulator import Entry, missing_tools, run_on_device
from edgewright.language.utterances import read
from edgewright.nlp.records import LanguageSpec
from edgewright.nlp.utterance.parse import Arrays, Understanding
from edgewright.nlp.utterance.values import LONGEST, NAMES, compose
from support import left_out, need_sanitizers, shared_data

CALL = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
DAYS = (None, date(2026, 11, 20), date(2024, 2, 28), date(1969, 12, 30), date(1, 1, 1))
ODD = ("", " ", "\0", "a" * LONGEST, "7 " * 500, "1 hour " * 142, "one " * 250, "\U0001f600" * LONGEST, "soda " * 200)


@cache
def example() -> tuple[LanguageSpec, Arrays]:
    return model(jumble(1, 150))


def same(library: Library, texts: list[str], understanding: Understanding) -> set[tuple[str, str]]:
    """Compare, and gives the names and finders that there were."""
    seen = set()
    for text, today, intent in zip(texts, cycle(DAYS), cycle(range(3)), strict=False):
        slots, wanted = library.slots(text, intent, today), in_python(understanding, text, intent, today)
        assert slots == wanted, (text, today)
        seen |= {(name, by) for name, *_, by in slots}
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_c_finds_the_slots_of_python(name: str, tmp_path: Path) -> None:
    written(tmp_path, *example())
    library = Library(built(name, tmp_path, "-O1", "-shared", "-fPIC"), *example())
    seen = same(library, [*ODD, *jumble(4, 1500)], Understanding(*example()))
    tagged = {(name, "tagger") for name in ("drink", "am@unt", "number")}
    lists = {(name, "gazetteer") for name in ("drink", "city")}
    assert seen == tagged | lists | {(name, "rule") for name in NAMES}


@pytest.mark.slow
@pytest.mark.parametrize(("tagger", "lists"), [(False, False), (True, False), (False, True)])
def test_parts_that_a_model_lacks_are_not_written(tagger: bool, lists: bool, tmp_path: Path) -> None:
    spec, arrays = model(jumble(1, 50), tagger=tagger, lists=lists)
    source = written(tmp_path, spec, arrays).read_text()
    assert ("crc" in source) == tagger
    assert ("green tea" in source) == lists
    for name in ("gcc", "clang"):
        library = Library(built(name, tmp_path, "-O0", "-shared", "-fPIC"), spec, arrays)
        same(library, jumble(2, 200), Understanding(spec, arrays))


@pytest.mark.slow
def test_c_finds_the_slots_of_python_in_any_text(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("any")
    written(folder, *example())
    library = Library(built("gcc", folder, "-O1", "-shared", "-fPIC"), *example())
    understanding = Understanding(*example())
    some = st.characters(exclude_categories=["Cs"])

    @settings(max_examples=300, suppress_health_check=list(HealthCheck))
    @given(st.text(some, min_size=1, max_size=60), st.sampled_from(DAYS), st.integers(0, 2))
    def compared(text: str, today: date | None, intent: int) -> None:
        text = compose(text)[:LONGEST]
        assert library.slots(text, intent, today) == in_python(understanding, text, intent, today)

    compared()


@pytest.mark.needs_data
@pytest.mark.slow
@pytest.mark.heavy
def test_c_finds_the_slots_of_python_on_real_utterances(tmp_path: Path) -> None:
    texts = [compose(one.text) for path in sorted((shared_data("snips")).glob("train_*_full.json"))
             for one in read(path).utterances]  # fmt: skip
    assert len(texts) > 13_000
    spec, arrays = model(texts[::60])
    written(tmp_path, spec, arrays)
    library = Library(built("gcc", tmp_path, "-O1", "-shared", "-fPIC"), spec, arrays)
    assert len(same(library, texts, Understanding(spec, arrays))) >= 6


MAIN = """\
#include "words.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void) {
    static char line[1 << 14];
    static words_context context;
    words_slot slots[WORDS_MOST_SLOTS];
    words_answer answer;
    unsigned long length = 0;
    while (fread(&length, sizeof length, 1u, stdin) == 1u && fread(line, 1u, length, stdin) == length) {
        char *exact = malloc(length ? length : 1u);
        if (!exact) { return 2; }
        memcpy(exact, line, length);
        const int status = words_parse(&context, exact, length, &answer);
        printf("%d %d\\n", status, (int)words_find_slots(&context, exact, length, 1, 20000, slots));
        free(exact);
    }
    return 0;
}
"""


@pytest.mark.slow
def test_nothing_is_read_beyond_its_end(tmp_path: Path) -> None:
    need_sanitizers("clang")
    written(tmp_path, *example())
    (tmp_path / "main.c").write_text(MAIN)
    flags = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    program = built("clang", tmp_path, *flags, sources=("words.c", "main.c"))
    texts = [text.encode() for text in (*ODD, *jumble(5, 2500))]
    texts += [text[: -1 - len(text) % 3] for text in texts[10:800]] + [b"\xff", b"x" * 5000, b"\xed\xa0\x80"]
    given_bytes = b"".join(len(text).to_bytes(8, "little") + text for text in texts)
    done = subprocess.run([program], input=given_bytes, capture_output=True, check=False,
                          env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # fmt: skip
    assert not done.returncode, done.stderr.decode()[:2000]
    lines = done.stdout.split(b"\n")[:-1]
    assert len(lines) == len(texts)
    assert lines[-3:] == [b"3 -3", b"2 -2", b"3 -3"]


@pytest.mark.slow
def test_a_microcontroller_finds_the_same_slots() -> None:
    if missing_tools():
        left_out(", ".join(missing_tools()))
    spec, arrays = example()
    files = write_language_c99(spec, arrays, name="words")
    texts = ["two green teas and a Soda for half an hour, tomorrow at 7:30 pm", "1.5 hours caf\u00e9 cr\u00e8me now"]
    longest = max(len(text.encode()) for text in texts)
    call = (
        "static words_context context; words_answer answer; words_slot slots[WORDS_MOST_SLOTS]; "
        "const char *text = (const char *)in; "
        "(void)words_parse(&context, text, strlen(text), &answer); "
        "const int32_t count = words_find_slots(&context, text, strlen(text), answer.nearest, 20000, slots); "
        "memset(out, 0, 512); ((int32_t *)out)[0] = answer.nearest; ((int32_t *)out)[1] = count; "
        "for (int32_t i = 0; i < count; ++i) { int16_t *o = (int16_t *)out + 4 + 8 * i; o[0] = (int16_t)slots[i].name; "
        "o[1] = (int16_t)slots[i].begin; o[2] = (int16_t)slots[i].end; o[3] = (int16_t)slots[i].by; "
        "memcpy(o + 4, &slots[i].number, 8); }"
    )
    rows = np.zeros((len(texts), longest + 1), np.uint8)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text.encode())] = np.frombuffer(text.encode(), np.uint8)
    files["words_all.h"] = '#include <string.h>\n#include "words.h"\n'
    run = run_on_device(files, Entry("words_all.h", call, longest + 1, 512), "cortex-m4", rows)
    understanding = Understanding(spec, arrays)
    today = date.fromordinal(date(1970, 1, 1).toordinal() + 20000)
    names = Slots(spec, arrays).names
    for text, answer in zip(texts, run.outputs, strict=True):
        intent, count = answer[:8].view(np.int32).tolist()
        assert intent == int(understanding.intent(text)[1].argmax())
        wanted = in_python(understanding, text, intent, today)
        assert count == len(wanted) > 1
        for position, (name, begin, end, value, _) in enumerate(wanted):
            cells = answer[8 + 16 * position : 24 + 16 * position]
            assert cells[:6].view(np.int16).tolist() == [
                names.index(name), len(text[:begin].encode()), len(text[:end].encode())
            ]  # fmt: skip
            assert cells[8:].view(np.float64)[0] == (value if isinstance(value, int | float) else 0)
    # newlib keeps 96 bytes for errno once a function of <math.h> is called; both ends of memory lie at multiples of 8.
    library = 0 if run.tools.startswith("zig") else 96
    assert abs(run.ram - memory(files["words.h"]) - library) <= 16


def test_no_heap_and_no_function_reaches_itself(tmp_path: Path) -> None:
    written(tmp_path, *example())
    built("gcc", tmp_path, "-O0", "-c", "-fcallgraph-info", sources=("words.c",))
    undefined = subprocess.run(["nm", "-u", tmp_path / "gcc.out"], capture_output=True, text=True, check=True).stdout
    assert {line.split()[-1] for line in undefined.splitlines()} <= {"expf", "memcpy", "memset", "strcmp"}
    calls: dict[str, set[str]] = {}
    for caller, called in CALL.findall(next(tmp_path.glob("*.ci")).read_text()):
        calls.setdefault(caller, set()).add(called)
    assert len(calls) > 30
    for start, first in calls.items():
        seen: set[str] = set()
        waiting = set(first)
        while waiting - seen:
            word = (waiting - seen).pop()
            seen.add(word)
            waiting |= calls.get(word, set())
        assert start not in seen
