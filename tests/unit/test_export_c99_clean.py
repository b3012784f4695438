"""Generated C is what the ADR says: no warning, no heap, no recursion, no library, memory as the header has it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from c99_examples import WARNINGS, Files, call, everything, harness, need, parallel_branches, pipelines, put
from edgewright.core.integer.network import run_integer, with_rounding
from edgewright.core.records.network import Rounding
from edgewright.export.c99_code.pipeline import write_network_c99
from edgewright.export.c99_host.host import load_c99
from edgewright.export.emulator import Entry, installed_tools, run_on_device
from support import left_out

# What <math.h> of C99 has for float, and what a compiler puts in for copies and zeros.
_MATH = (
    "sqrt",
    "exp",
    "log",
    "pow",
    "sin",
    "cos",
    "tanh",
    "erf",
    "floor",
    "ceil",
    "rint",
    "nearbyint",
    "round",
    "fabs",
)
MATH = {f"{name}f" for name in _MATH}
MEMORY = {"memcpy", "memset", "memmove"}
_CALL = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all of the code, and its object with every stage visible."""
    need("gcc", "nm", "objdump")
    folder = tmp_path_factory.mktemp("all")
    # Without optimisation every call in the source is in the graph.
    call(folder, "gcc", *WARNINGS, *taps(), "-O0", "-fcallgraph-info", "-c", put(folder), "-o", "taps.o")
    return folder


@pytest.fixture(scope="module", params=["-O0", pytest.param("-O1", marks=pytest.mark.slow)])
def plain(request: pytest.FixtureRequest, folder: Path) -> str:
    """Return the object without taps; some warnings of gcc come of its optimiser alone."""
    call(folder, "gcc", *WARNINGS, request.param, "-c", "all.c", "-o", "plain.o")
    return "plain.o"


def taps() -> list[str]:
    """Return options that make every stage visible."""
    return [f"-D{name.upper()}_TAPS" for name in everything()]


@pytest.mark.slow
def test_gcc_warns_of_nothing_with_taps_or_without(folder: Path, plain: str) -> None:
    assert (folder / plain).exists()
    assert (folder / "taps.o").exists()


@pytest.mark.slow
def test_clang_warns_of_nothing_with_taps_or_without(tmp_path: Path) -> None:
    need("clang")
    source = put(tmp_path)
    call(tmp_path, "clang", *WARNINGS, "-fsyntax-only", source)
    call(tmp_path, "clang", *WARNINGS, "-fsyntax-only", *taps(), source)


def test_a_compiler_that_is_asked_for_strictness_is_strict(tmp_path: Path) -> None:
    need("gcc")
    (tmp_path / "loose.c").write_text("int f(float x);\nint f(float x) { return x; }\n")
    with pytest.raises(AssertionError, match="conversion"):
        call(tmp_path, "gcc", *WARNINGS, "-fsyntax-only", "loose.c")


@pytest.mark.slow
def test_objects_need_nothing_but_the_functions_of_math_h(folder: Path, plain: str) -> None:
    needed = {line.split()[-1] for line in call(folder, "nm", "-u", plain).splitlines()}
    assert needed <= MATH | MEMORY
    assert {"expf", "sqrtf", "memcpy"} <= needed, "the pipelines do use some"
    # Code that runs before main would have a place in the list of constructors.
    assert not re.search(r"\.(init_array|ctors|preinit_array)", call(folder, "objdump", "-h", plain, "taps.o"))


def test_networks_of_integers_take_no_mathematics(folder: Path) -> None:
    calls = graph(folder)
    for name, files in everything().items():
        if f"{name}_network(" in files[f"{name}.c"]:
            assert {word for word in reached(calls, f"{name}_network") if ":" not in word} <= {
                f"{name}_network",
                *MEMORY,
            }, name


def graph(folder: Path) -> dict[str, set[str]]:
    """Who calls whom; functions of the code's own have the name of the source before theirs."""
    calls: dict[str, set[str]] = {}
    for a, b in _CALL.findall(next(folder.glob("*.ci")).read_text()):
        calls.setdefault(a, set()).add(b)
    return calls


def reached(calls: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        word = waiting.pop()
        if word not in seen:
            seen.add(word)
            waiting += calls.get(word, set())
    return seen


def test_no_function_calls_itself_even_by_way_of_others(folder: Path) -> None:
    calls = graph(folder)
    assert all(f"{name}_predict" in calls for name in pipelines())
    # Taking away, again and again, what calls nothing that is left ends with nothing, or with a ring.
    while ends := [word for word, others in calls.items() if not others & calls.keys()]:
        for word in ends:
            del calls[word]
    assert not calls, sorted(calls)


_TABLES = (
    r"\w*(?:table|weights|recurrent|late|given|bias|multiplier|shift|low|high|cosine|window|scale|radices|"
    r"rows|taps|biases|centres)"
    r"(?:_\d+)?"
)


def test_contexts_and_tables_are_what_the_header_says_and_nothing_is_static(folder: Path, plain: str) -> None:
    kinds = {name: "context" if name in pipelines() else "network_context" for name in everything()}
    lines = [f'#include "{name}.h"\nchar {name}_ram[sizeof({name}_{kind})];\n' for name, kind in kinds.items()]
    (folder / "sizes.c").write_text("".join(lines))
    call(folder, "gcc", "-std=c99", "-c", "sizes.c")
    # An optimiser puts the numbers of a small table into the code: all tables are in the object made without.
    tables, values = (sizes(folder, *of) for of in (("taps.o", "rR", _TABLES), ("sizes.o", "bBdDC", "ram")))
    for name, files in everything().items():
        reported = memory(files, name)
        # No structure of C is empty; that of a pipeline with integers holds four bytes at least.
        assert (values[name] if reported[0] else 0, tables[name]) == reported, name
    assert not re.search(r" [bBdD] ", call(folder, "nm", plain))


def sizes(folder: Path, file: str, kinds: str, names: str) -> dict[str, int]:
    """Return bytes of the symbols of these kinds and names, by example."""
    owners = sorted(everything(), key=len, reverse=True)
    text_bytes = dict.fromkeys(owners, 0)
    for words in map(str.split, call(folder, "nm", "-S", file).splitlines()):
        if len(words) == 4 and words[2] in kinds:
            owner = next((n for n in owners if re.fullmatch(f"{n}_{names}", words[3])), None)
            text_bytes |= {owner: text_bytes[owner] + int(words[1], 16)} if owner else {}
    return text_bytes


def memory(files: Files, name: str) -> tuple[int, int]:
    """Return bytes of RAM and of constants, as the header says."""
    match = re.search(r"Memory: (\d+) bytes of RAM.*\n.* (\d+) bytes of constants", files[f"{name}.h"])
    assert match is not None, name
    return int(match[1]), int(match[2])


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_sanitizers_find_nothing_whatever_the_numbers_are(compiler: str, tmp_path: Path) -> None:
    need(compiler)
    whole = list(pipelines())
    inside = [name for name, files in everything().items() if "_NETWORK_INPUTS" in files[f"{name}.h"]]
    (tmp_path / "main.c").write_text(f'#include "{put(tmp_path)}"\n' + harness(whole, inside))
    flags = ("-std=c99", "-O0", "-g1")
    # clang traps instead of speaking: its library of sanitizers is a package of its own.
    checks = ["-fsanitize=undefined,float-cast-overflow", "-fno-sanitize-recover=all"]
    checks += ["-fsanitize=address"] if compiler == "gcc" else ["-fsanitize-trap=all"]
    call(tmp_path, compiler, *flags, *checks, "main.c", "-lm", "-o", "run")
    assert call(tmp_path, str(tmp_path / "run")) == f"{16 * len(whole) + 8 * len(inside)} calls\n"


@pytest.mark.parametrize("rounding", ["litert", "tflm"])
@pytest.mark.parametrize("kind", ["conv", "depthwise"])
def test_places_where_the_kernel_lies_beside_the_image_hold_the_bias(
    kind: str, rounding: Rounding, tmp_path: Path
) -> None:
    need("cc")
    network = with_rounding(parallel_branches(kind), rounding)
    x = np.random.default_rng(2).integers(-128, 128, (30, *network.values[0].shape)).astype(np.int8)
    model = load_c99(write_network_c99(network, name="beside"), tmp_path)
    expected = run_integer(network, x)
    np.testing.assert_array_equal(model.network(x), expected.reshape(30, -1))
    assert (expected[:, 0] == expected[0, 0, 0]).all(), "nothing of the image reaches the first row"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["litert_dense", "stage_mfcc0", "stage_impute0"])
def test_a_microcontroller_has_the_memory_that_the_header_says(name: str) -> None:
    if "qemu" not in installed_tools("cortex-m4"):
        left_out("GCC and QEMU for a cortex-m4")
    files = pipelines()[name]
    inputs = int(re.findall(rf"#define {name.upper()}_INPUTS (\d+)", files[f"{name}.h"])[0])
    values, tables = memory(files, name)
    entry = Entry(
        f"{name}.h",
        f"static {name}_context context; {name}_answer made; {name}_predict(&context, in, &made); *(int *)out = 0;",
        4 * inputs,
        4,
    )
    run = run_on_device(files, entry, "cortex-m4", np.zeros((1, inputs), np.float32), tools="qemu")
    # Both ends of memory lie at multiples of 8; newlib keeps 96 bytes for errno once a function of <math.h> is called.
    library = 96 if re.search(r"\b(expf|sqrtf|logf)\(", files[f"{name}.c"]) else 0
    assert abs(run.ram - values - library) <= 12
    assert tables < run.flash < tables + 16_000
