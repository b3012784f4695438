"""The generated C of a language model: the same integers as Python on real and odd utterances, and no warning."""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import subprocess
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest

from c99_examples import WARNINGS
from edgewright.core.errors import ExportError
from edgewright.export.c99_language.student import write_language_c99
from edgewright.nlp.records import LanguageSpec, StudentSpec
from edgewright.nlp.utterance.parse import Arrays, student_of
from edgewright.nlp.utterance.values import LONGEST, normalised
from support import left_out, shared_data

ROWS, HIDDEN, CLASSES = 900, 16, 9
ODD = (
    *("\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467 family", "\u2764\ufe0f\u2764"),
    *("\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "\u200f\u0645\u0631\u062d\u0628\u0627\u200e 7:30"),
    *("caf\u00e9 CAFE\u0301 \u00c5\u212b", "\u0130stanbul \u1e9e \u01c5", "don\u2019t DON'T", "\u00a0a\u00a0", "a"),
    *("\u4e2d\u6587\u3000\u4f60\u597d", "\u0939\u093f\u0902\u0926\u0940", "\uff28\uff25\uff2c\uff2c\uff2f\uff01"),
    *("x" * LONGEST, "1 2 3 " * 166),
)


def model(words: tuple[int, ...] = (1, 2)) -> tuple[LanguageSpec, Arrays]:
    numbers = np.random.default_rng(3)
    student = StudentSpec(characters=(2, 3, 4), words=words, rows=ROWS, hidden=HIDDEN, factor=900_000_000, shift=24,
                          scale=0.003, threshold=5000)  # fmt: skip
    names = ("plain", 'quo"te\\', "at@home", "\u00e9t\u00e9", "??/", *(f"i{k}" for k in range(CLASSES - 5)))
    arrays: Arrays = {
        "table": numbers.integers(-127, 128, (ROWS, HIDDEN)).astype(np.int8),
        "bias": numbers.integers(-9000, 9000, HIDDEN).astype(np.int32),
        "head": numbers.integers(-127, 128, (HIDDEN, CLASSES)).astype(np.int8),
        "last": numbers.integers(-3000, 3000, CLASSES).astype(np.int32),
    }
    return LanguageSpec(name="words", intents=names, student=student), arrays


@cache
def texts() -> list[str]:
    chance = random.Random(5)  # noqa: S311 - no secret
    blocks = [(0x20, 0x7F), (0xA0, 0x600), (0x900, 0x980), (0x1E00, 0x2100), (0x3000, 0x3100), (0xFE00, 0x10000),
              (0x1F300, 0x1F700)]  # fmt: skip
    words = ["".join(chr(chance.randrange(*chance.choice(blocks))) for _ in range(chance.randrange(1, 50)))
             for _ in range(1500)]  # fmt: skip
    return [*ODD, *words]


def compiler(name: str) -> str:
    executable = shutil.which(name)
    if not executable:
        left_out(f"no {name}")
    return str(executable)


def build(name: str, folder: Path, *flags: str, words: tuple[int, ...] = (1, 2)) -> Path:
    for file, text in write_language_c99(*model(words), name="words").items():
        (folder / file).write_text(text)
    out = folder / f"{name}.out"
    done = subprocess.run(
        [compiler(name), *WARNINGS, "-O2", "-ffp-contract=off", *flags, "-o", str(out), str(folder / "words.c"), "-lm"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return out


class Answer(ctypes.Structure):
    _fields_ = (("intent", ctypes.c_int32), ("nearest", ctypes.c_int32), ("logit", ctypes.c_int32),
                ("confidence", ctypes.c_float))  # fmt: skip


class Code:
    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        # More than the code takes.
        self._context = ctypes.create_string_buffer(1 << 20)
        self._library.words_logits.restype = ctypes.POINTER(ctypes.c_int32)

    def parse(self, data: bytes) -> tuple[int, Answer, list[int]]:
        answer = Answer()
        status = self._library.words_parse(self._context, data, ctypes.c_size_t(len(data)), ctypes.byref(answer))
        return status, answer, self._library.words_logits(self._context)[:CLASSES]


@pytest.mark.slow
@pytest.mark.parametrize("words", [(1, 2), (), (3,)])
@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_c_has_the_integers_of_python(name: str, words: tuple[int, ...], tmp_path: Path) -> None:
    compare(Code(build(name, tmp_path, "-shared", "-fPIC", words=words)), words, texts())


@pytest.mark.slow
@pytest.mark.needs_data
def test_c_has_the_integers_of_python_on_real_utterances(tmp_path: Path) -> None:
    examples = msgspec.json.decode((shared_data("clinc150") / "data_full.json").read_bytes())
    given = [text for part in examples.values() for text, _ in part]
    assert len(given) > 15_000
    compare(Code(build("gcc", tmp_path, "-shared", "-fPIC")), (1, 2), given[::5])


def compare(code: Code, words: tuple[int, ...], given: list[str]) -> None:
    spec, arrays = model(words)
    student = student_of(spec, arrays, "here")
    assert student is not None
    assert spec.student is not None
    for text in given:
        status, answer, logits = code.parse(text.encode())
        if normalised(text) == " ":
            assert status == 1
            continue
        wanted = student.logits(text)
        assert status == 0, text
        assert logits == wanted.tolist(), text
        best = int(wanted.argmax())
        assert (answer.nearest, answer.logit) == (best, wanted[best])
        assert answer.intent == (best if wanted[best] >= student.limits[best] else -1)
        powers = np.exp((wanted - wanted.max()) * spec.student.scale)
        assert answer.confidence == pytest.approx(1 / powers.sum(), rel=1e-4)


@pytest.mark.slow
def test_what_is_no_utterance_is_told(tmp_path: Path) -> None:
    code = Code(build("gcc", tmp_path, "-shared", "-fPIC"))
    for data, status in ((b"", 1), (b" ?! ", 1), (b"x" * (LONGEST + 1), 2), (("\u05e9" * (LONGEST + 1)).encode(), 2),
                         (b"a\xff", 3), (b"a\xc3", 3), (b"\xc0\xaf", 3), (b"\xed\xa0\x80", 3), (b"\xf4\x90\x80\x80", 3),
                         (b"\xe0\x80\xaf", 3), (b"x" * 100_000, 2)):  # fmt: skip
        assert code.parse(data)[0] == status, data[:10]


@pytest.mark.slow
def test_nothing_is_read_beyond_its_end(tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text(
        '#include "words.h"\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n'
        "int main(void) {\n    static char line[1 << 17];\n    static words_context context;\n"
        "    words_answer answer;\n"
        '    while (fgets(line, sizeof line, stdin)) {\n        const size_t n = strcspn(line, "\\n");\n'
        "        char *own = malloc(n + 1u);\n        if (!own) { return 2; }\n        memcpy(own, line, n);\n"
        "        char *exact = realloc(own, n ? n : 1u);\n"
        '        printf("%d\\n", words_parse(&context, exact, n, &answer));\n        free(exact);\n'
        "    }\n    return 0;\n}\n"
    )
    built = build("gcc", tmp_path, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
                  str(tmp_path / "main.c"))  # fmt: skip
    chance = random.Random(1)  # noqa: S311 - no secret
    lines = [text.replace("\n", " ").encode() for text in texts()]
    lines += [bytes(b for b in chance.randbytes(chance.randrange(60)) if b != 10) for _ in range(1500)]
    lines += [b"y" * 100_000]
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run([built], input=b"\n".join(lines) + b"\n", capture_output=True, check=False, env=environment)
    assert not done.returncode, done.stderr.decode()[:2000]
    assert len(done.stdout.split()) == len(lines)


def test_names_that_c_does_not_take() -> None:
    for name in ("int", "1a", "a-b", ""):
        with pytest.raises(ExportError):
            write_language_c99(*model(), name=name)
