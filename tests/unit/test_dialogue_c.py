"""A dialogue in C takes the steps of the one in Python, on random sequences, with every compiler, under sanitisers."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import tomllib
from pathlib import Path

import pytest

from c99_examples import WARNINGS
from edgewright.core.errors import ExportError, StateTableError
from edgewright.core.state_machine.table import CheckedTable, StateTable, check_table
from edgewright.core.toml_tables import convert_table
from edgewright.export.c99_language.dialogue import WORD, dialogue_files
from edgewright.language.dialogue.conversation import read_dialogue
from edgewright.nlp.dialogue import Dialogue, DialogueOutput, spoken
from support import ROOT, left_out, need_sanitizers

FLAGS = (*WARNINGS, "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
VENDING = ROOT / "docs" / "examples" / "vending.toml"

# Every sign of a guard, words and numbers, time-outs in a row, a final state, and text that C must not read as its own.
ODD = r"""
name = "odd"
states = ["a", "b", "c", "end"]
initial = "a"
final = ["end"]
[[steps]]
state = "a"
event = "go"
when = "abs(n) >= 2 and not (word == 'stop') or word != other"
to = "b"
actions = [{ say = "ü {n} \"%s\" ?? {word} {none} @ {" }, { forget = "word" }, { alarm = "al@rm" }]
[[steps]]
state = "a"
event = "go"
when = "n < -1 or n > 5 and confidence <= 0.5"
to = "c"
actions = [{ say = "{n}{n}" }]
[[steps]]
state = ["a", "b"]
event = "*"
when = "word"
to = "c"
actions = [{ command = "light" }]
[[steps]]
state = "*"
event = "*"
actions = [{ say = "what? {other}" }, { forget = "other" }]
[[steps]]
state = "b"
event = "timeout"
after = 2.5
to = "c"
actions = [{ event = "late" }]
[[steps]]
state = "c"
event = "timeout"
after = 0.1
to = "a"
[[steps]]
state = "c"
event = "out_of_scope"
when = "confidence == 1 and 2 > n and true"
to = "end"
actions = [{ say = "bye" }]
"""

MAIN = r"""
#include <stdio.h>
#include <string.h>
#include "@.h"

static void act(void *context, const @_machine *m, int kind, const char *text, int step) {
    char out[600];
    char cut[7];
    (void)context;
    @_render(m, text, cut, sizeof cut);
    if (@_render(m, text, out, sizeof out) >= sizeof out || strncmp(out, cut, 6) != 0) {
        puts("cut wrongly");
    }
    printf("%d %d %s\n", step, kind, kind == @@_DO_SAY ? out : text);
}

int main(void) {
    @_machine m;
    double time;
    int event, count;
    if (scanf("%lf", &time) != 1) {
        return 2;
    }
    printf("= %d", @_begin(&m, time, act, 0));
    printf(" %d %d %.17g\n", m.state, @_over(&m), @_due(&m));
    while (scanf("%d %lf %d", &event, &time, &count) == 3) {
        @_slot slots[8];
        static char words[8][100];
        for (int i = 0; i < count; ++i) {
            char kind;
            if (scanf("%d %c %99s", &slots[i].slot, &kind, words[i]) != 3) {
                return 2;
            }
            slots[i].word = kind == 'w' ? words[i] : 0;
            slots[i].number = 0.0;
            if (kind == 'n' && sscanf(words[i], "%lf", &slots[i].number) != 1) {
                return 2;
            }
        }
        const int taken = event < 0 ? @_tick(&m, time, act, 0) : @_push(&m, event, slots, count, time, act, 0);
        printf("= %d %d %d %.17g\n", taken, m.state, @_over(&m), @_due(&m));
    }
    return 0;
}
"""


def odd() -> CheckedTable:
    return check_table(convert_table(tomllib.loads(ODD), StateTable, "odd.toml"), "odd.toml")


def numbers(header: str, kind: str) -> list[str]:
    """Return names of constants in the order of their numbers."""
    lines = [line.split() for line in header.splitlines() if line.startswith("#define ") and f"_{kind}_" in line]
    return [name for _, name, _ in lines]


def script(checked: CheckedTable, seed: int, steps: int) -> list[tuple[str, float, dict[str, float | str]]]:
    """Random events with slots at random times; an empty event is silence."""
    rng = random.Random(seed)  # noqa: S311 - a script, no secret
    events = [*sorted(checked.events - {"*", "timeout"}), "other", ""]
    slots = sorted({name for guard in checked.guards for name in guard.names} | {"drink", "food", "other", "none"})
    turns, time = [], 0.0
    for _ in range(steps):
        time += rng.choice([0.0, 0.05, 0.1, 1.0, 2.5, 2.7, 31.0, -1.0])
        entities: dict[str, float | str] = {}
        for slot in rng.sample(slots, rng.randint(0, 3)):
            word = rng.choice(["stop", "tea", "crêpe", "w" * 63, "{n}"])
            several: list[float | str] = [word, float(rng.randint(-8, 8)), rng.random() * 1e-6, float("nan"), 1.0, 2e9]
            entities[slot] = rng.choice(several)
        turns.append((rng.choice(events), time, entities))
    return turns


def in_python(checked: CheckedTable, seed: int, steps: int) -> str:
    dialogue, lines = Dialogue(checked), []

    def write_steps(steps: list[DialogueOutput]) -> None:
        for step in steps:
            answers, doings = iter(step.answers), iter(step.does)
            for action in checked.table.steps[step.step].actions:
                if action.say:
                    lines.append(f"{step.step} 0 {next(answers)}")
                elif not action.forget:
                    kind = 1 if action.event else 2 if action.alarm else 3
                    lines.append(f"{step.step} {kind} {next(doings)}")
        due = dialogue.due
        position = checked.table.states.index(dialogue.machine.state)
        lines.append(f"= {len(steps)} {position} {dialogue.over:d} {-1 if due == float('inf') else due:.17g}")

    write_steps(dialogue.begin(0.0))
    for event, time, slots in script(checked, seed, steps):
        write_steps(dialogue.event(event, slots, time) if event else dialogue.wait(time))
    return "\n".join(lines) + "\n"


def for_c(checked: CheckedTable, header: str, seed: int, steps: int) -> str:
    name = checked.table.name.upper()
    events = numbers(header.partition("Event 0")[2].partition("Kinds of")[0], "EVENT")
    slots = numbers(header.partition("Event 0")[2].partition("Kinds of")[0], "SLOT")
    lines = ["0.0"]
    for event, time, values in script(checked, seed, steps):
        known = {k: v for k, v in values.items() if f"{name}_SLOT_{k.upper()}" in slots}
        parts = [
            f"{slots.index(f'{name}_SLOT_{k.upper()}')} {'w' if isinstance(v, str) else 'n'} {v!r}".replace("'", "")
            for k, v in known.items()
        ]
        number = -1 if not event else events.index(f"{name}_EVENT_{event.upper()}")
        lines.append(" ".join([str(number), repr(time), str(len(parts)), *parts]))
    return "\n".join(lines) + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("which", ["vending", "odd"])
def test_the_same_steps(tmp_path: Path, compiler: str, which: str) -> None:
    need_sanitizers(compiler)
    checked = read_dialogue(VENDING)[0] if which == "vending" else odd()
    files = dialogue_files(checked, which)
    for name, text in files.items():
        assert text.isascii()
        (tmp_path / name).write_text(text)
    (tmp_path / "main.c").write_text(MAIN.replace("@@", which.upper()).replace("@", which))
    build = [compiler, *FLAGS, f"{which}.c", "main.c", "-o", "main"]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    states = set()
    for seed in range(40):
        message = for_c(checked, files[f"{which}.h"], seed, 100)
        ran = subprocess.run(
            [str(tmp_path / "main")], input=message, capture_output=True, text=True, timeout=60, check=False
        )
        assert ran.returncode == 0, ran.stderr
        expected = in_python(checked, seed, 100)
        assert ran.stdout == expected
        states |= {line.split()[2] for line in expected.splitlines() if line.startswith("= ")}
    assert states == {str(number) for number in range(len(checked.table.states))}, "every state was seen"


def test_names_that_are_one_in_c_are_refused() -> None:
    text = ODD.replace('"end"', '"a_b"').replace('["a", "b", "c"', '["a", "b", "c", "a.b"')
    text += '[[steps]]\nstate = "a"\nevent = "x"\nto = "a.b"\n[[steps]]\nstate = "a.b"\nevent = "x"\nto = "a"\n'
    table = check_table(convert_table(tomllib.loads(text), StateTable, "odd.toml"), "odd.toml")
    with pytest.raises(StateTableError, match=r"names that differ in C, got 'a\.b' and 'a_b'"):
        dialogue_files(table, "odd")
    with pytest.raises(ExportError):
        dialogue_files(odd(), "int")


def test_a_dialogue_has_no_heap(tmp_path: Path) -> None:
    source = dialogue_files(odd(), "odd")["odd.c"]
    assert not {"malloc", "calloc", "realloc", "free("} & set(source.replace("(", "( ").split())
    assert f"#define ODD_WORD {WORD}" in dialogue_files(odd(), "odd")["odd.h"]


@pytest.mark.slow
def test_numbers_are_written_alike(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        left_out("gcc")
    for name, text in dialogue_files(odd(), "odd").items():
        (tmp_path / name).write_text(text)
    (tmp_path / "main.c").write_text(
        '#include "odd.c"\n#include <stdio.h>\nint main(void) {\n    double x;\n    char out[32];\n'
        "    while (fread(&x, sizeof x, 1u, stdin) == 1u) {\n"
        '        printf("%.*s\\n", (int)odd_spoken(x, out), out);\n    }\n    return 0;\n}\n'
    )
    build = ["gcc", *FLAGS, "main.c", "-o", "main"]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    rng = random.Random(2)  # noqa: S311 - no secret
    given = [0.0, -0.0, 999999.5, 1e-5, 1e-4, -1.5e308, 5e-324, float("inf"), float("-inf"), 99999.95, 1e100]
    given += [rng.choice([rng.randint(-(10**7), 10**7) / 100, rng.random() * 10.0 ** rng.randint(-300, 300)])
              for _ in range(3000)]  # fmt: skip
    data = struct.pack(f"{len(given)}d", *given)
    ran = subprocess.run([str(tmp_path / "main")], input=data, capture_output=True, timeout=60, check=True)
    assert ran.stdout.decode().splitlines() == [spoken(number) for number in given]
    # As %g but for halves, which go away from zero.
    assert all(float(spoken(n)) == pytest.approx(n, rel=5.1e-6) for n in given if abs(n) > 1e-300)
    assert [spoken(n) for n in (0.5, 86400.0, 1234567.0, 1e-5, -2.25)] == [
        "0.5",
        "86400",
        "1.23457e+06",
        "1e-05",
        "-2.25",
    ]
