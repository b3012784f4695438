"""Generated C as a library: symbols, two models in one image, placed tables, licence, and the build systems."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from c99_examples import Files, call, need
from c99_exports import WRITERS, export
from denoiser_example import random_denoiser
from document_blocks import blocks_of
from edgewright.core.catalogue import find
from edgewright.core.errors import InputError, OutputError
from edgewright.core.records.device import DecisionSpec
from edgewright.export.c99_code.linkable import LICENCE_LINE, linkable
from edgewright.export.contract import Exported, Stream, Subject, Target
from edgewright.export.targets.c99 import TARGET as C99
from edgewright.export.targets.library import TARGET
from edgewright.export.write import write_files
from integer_networks import small
from runtime_example import classifier

STREAM = Stream(None, ("a", "b", "c"), DecisionSpec(smoothing=2))
_WORDS = {
    "rows": "and", "features": "xor", "dialogue": "bitand", "denoiser": "this", "forecast operator": "operator",
    "detector var": "of_var",
}  # fmt: skip
_SLOW = {"windows": "export", "language": "not", "boards": "compl"}
_KINDS = [*_WORDS.items(), *(pytest.param(*pair, marks=pytest.mark.slow) for pair in _SLOW.items())]


@cache
def rows(word: str) -> Files:
    """Return the C of a model of rows with its stream, under a name."""
    files = C99.files(Subject(word, classifier(), stream=STREAM))
    return {name: data.decode() for name, data in files.items()}


@cache
def quantised(word: str) -> Files:
    """Return the C of an int8 pipeline under a name."""
    return {name: data.decode() for name, data in C99.files(Subject(word, small("dense"))).items()}


def put(files: Files, folder: Path) -> None:
    """Write files and say which are compiled."""
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize(("kind", "word"), _KINDS)
def test_every_name_that_others_see_begins_with_the_prefix_and_no_state_is_static(
    kind: str, word: str, tmp_path: Path
) -> None:
    need("gcc", "nm")
    files = export(kind)
    put(files, tmp_path)
    sources = [name for name in files if name.endswith(".c")]
    flags = ["-DCOMPL_PAGE=256u"] if kind == "boards" else []
    # In code that is moved when it is loaded, constants with addresses are not in read-only memory.
    call(tmp_path, "gcc", "-std=c99", "-O1", "-fno-pie", *flags, "-c", *sources)
    shown = call(tmp_path, "nm", "-g", "--defined-only", *(name.replace(".c", ".o") for name in sources))
    symbols = call(tmp_path, "nm", *(name.replace(".c", ".o") for name in sources))
    # The slots of a board, its flash and its line are one each.
    assert (kind == "boards") == bool(re.search(r" [bBdDcCsSgG] ", symbols)), "state belongs to the caller"
    names = [line.split()[-1] for line in shown.splitlines() if len(line.split()) == 3]
    assert names and not [name for name in names if not name.startswith(f"{word}_")]
    headers = "\n".join(text for name, text in files.items() if name.endswith(".h"))
    macros = re.findall(r"^#define (\w+)", headers, re.MULTILINE)
    assert macros and not [name for name in macros if not name.startswith(f"{word.upper()}_")]


_TOGETHER = """\
#include <stdio.h>
#include "%(one)s_stream.h"
#include "%(two)s.h"
static %(one)s_stream_context first[2];
static %(two)s_context second[2];
int main(void) {
    int apart = 0;
    for (int k = 0; k < 2; ++k) {
        %(one)s_init(&first[k]);
    }
    for (int i = 0; i < 200; ++i) {
        float row[2][%(ONE)s_INPUTS], other[2][%(TWO)s_INPUTS];
        for (int k = 0; k < 2; ++k) {
            %(one)s_event event;
            %(two)s_answer answer;
            for (int j = 0; j < %(ONE)s_INPUTS; ++j) {
                row[k][j] = (float)((i * i * (7 + k) + j * j * 13) %% 41) / 2.5f - 8.0f;
            }
            for (int j = 0; j < %(TWO)s_INPUTS; ++j) {
                other[k][j] = (float)((i * (5 + k) + j * 11) %% 37) / 9.0f - 2.0f;
            }
            if (k == %(skip)d) {
                continue;
            }
            if (%(one)s_push(&first[k], row[k], &event)) {
                printf("%%d one %%d %%a\\n", k, event.label, (double)event.confidence);
            }
            (void)%(two)s_predict(&second[k], other[k], &answer);
            printf("%%d two %%a\\n", k, (double)((const float *)&answer)[0]);
        }
    }
    return apart;
}
"""


@pytest.mark.slow
def test_two_models_and_two_contexts_each_interleave_in_one_image(tmp_path: Path) -> None:
    need("gcc")
    put({**rows("one"), **quantised("two")}, tmp_path)
    outputs = []
    for skip in (-1, 1, 0):
        names = {"one": "one", "ONE": "ONE", "two": "two", "TWO": "TWO", "skip": skip}
        (tmp_path / "main.c").write_text(_TOGETHER % names)
        sources = sorted(path.name for path in tmp_path.glob("*.c"))
        call(tmp_path, "gcc", "-std=c99", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
             "-ffp-contract=off", *sources, "-lm", "-o", "run")  # fmt: skip
        outputs.append(call(tmp_path, "./run").splitlines())
    together, first, second = outputs
    assert len(first) > 205 and len(second) > 205
    assert [line for line in together if line.startswith("0")] == first
    assert [line for line in together if line.startswith("1")] == second


@pytest.mark.slow
def test_a_macro_places_every_table(tmp_path: Path) -> None:
    need("gcc", "objdump")
    put({**rows("one"), **quantised("two")}, tmp_path)
    for word, name in (("one", "one.c"), ("two", "two.c"), ("one", "one_self_test.c")):
        attribute = f'-D{word.upper()}_WEIGHTS=__attribute__((section(".far")))'
        call(tmp_path, "gcc", "-std=c99", "-Wall", "-Werror", "-O1", attribute, "-c", name, "-o", "placed.o")
        matches = re.findall(r"^ +\d+ (\S+) +([0-9a-f]+) ", call(tmp_path, "objdump", "-h", "placed.o"), re.MULTILINE)
        sections = {section: int(size, 16) for section, size in matches}
        header = (tmp_path / f"{word}.h").read_text()
        constants = int(re.findall(r" \* (\d+) bytes of constants", header)[0])
        if name == f"{word}.c":
            assert constants <= sections[".far"] <= constants + 64
        assert sections[".far"] > 8 * sum(size for name, size in sections.items() if name == ".rodata")


def test_finite_math_is_refused_with_what_to_do(tmp_path: Path) -> None:
    need("gcc")
    put(rows("one"), tmp_path)
    command = ["gcc", "-std=c99", "-O2", "-ffast-math", "-c", "one.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode and "add -fno-finite-math-only" in done.stderr
    call(tmp_path, *command, "-fno-finite-math-only")
    integers = linkable({"n.c": "/* float */\nint n_one(void);\nint n_one(void) {\n    return 1;\n}\n"}, "n")
    put(integers, tmp_path)
    call(tmp_path, "gcc", "-std=c99", "-O2", "-ffast-math", "-c", "n.c")


@pytest.mark.slow
def test_every_generated_file_names_its_licence() -> None:
    for files in (rows("one"), quantised("two"), export("rows"), export("boards")):
        assert all(text.startswith(LICENCE_LINE) for name, text in files.items() if name.endswith((".c", ".h")))
    assert len(WRITERS) > 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "one"
    write_files(path, TARGET.files(Subject("one", classifier(), stream=STREAM)))
    return path


_USE = """\
#include <stdio.h>
#include "one_self_test.h"
static one_self_test_context context;
int main(void) {
    printf("%d\\n", one_self_test(&context));
    return 0;
}
"""


def test_cmake_builds_it_in_the_project_of_a_user(folder: Path, tmp_path: Path) -> None:
    need("cmake", "gcc")
    (tmp_path / "main.c").write_text(_USE)
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(user LANGUAGES C)\n"
        f"add_subdirectory({folder} one)\nadd_executable(user main.c)\ntarget_link_libraries(user PRIVATE one)\n"
    )
    call(tmp_path, "cmake", "-S", ".", "-B", "build", "-DCMAKE_BUILD_TYPE=Release")
    assert "-ffp-contract=off" in (tmp_path / "build/one/CMakeFiles/one.dir/flags.make").read_text()
    call(tmp_path, "cmake", "--build", "build")
    assert call(tmp_path, "build/user").strip() == "0"


_NEWLIB = "-mthumb -specs=nano.specs -specs=nosys.specs"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("compiler", "core"),
    [
        ("arm-none-eabi-gcc", f"-mcpu=cortex-m0plus {_NEWLIB}"),
        ("arm-none-eabi-gcc", f"-mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16 {_NEWLIB}"),
        ("riscv64-unknown-elf-gcc", "-march=rv32imc -mabi=ilp32 --specs=picolibc.specs --oslib=semihost"),
    ],
)
def test_cmake_links_it_without_a_system(compiler: str, core: str, folder: Path, tmp_path: Path) -> None:
    need("cmake", compiler)
    (tmp_path / "toolchain.cmake").write_text(
        f"set(CMAKE_SYSTEM_NAME Generic)\nset(CMAKE_SYSTEM_PROCESSOR none)\nset(CMAKE_C_COMPILER {compiler})\n"
        f'set(CMAKE_C_FLAGS_INIT "{core}")\nset(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)\n'
    )
    (tmp_path / "main.c").write_text(_USE)
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.16)\nproject(user LANGUAGES C)\n"
        f"add_subdirectory({folder} one)\nadd_executable(user main.c)\ntarget_link_libraries(user PRIVATE one)\n"
    )
    call(tmp_path, "cmake", "-S", ".", "-B", "build", "-DCMAKE_TOOLCHAIN_FILE=toolchain.cmake")
    call(tmp_path, "cmake", "--build", "build")
    assert (tmp_path / "build/user").read_bytes()[:4] == b"\x7fELF"


@pytest.mark.slow
def test_an_arduino_sketch_compiles_and_links_with_it(folder: Path, tmp_path: Path) -> None:
    need("arm-none-eabi-gcc", "arm-none-eabi-g++")
    # What the Arduino builder does: compile all of src/ with src/ among the includes, and link with the sketch.
    properties = dict(line.split("=", 1) for line in (folder / "library.properties").read_text().splitlines())
    assert properties["name"] == "one" and (folder / "src" / properties["includes"]).exists()
    flags = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-DARDUINO=10819", "-Os",
             "-ffunction-sections", "-fdata-sections", f"-I{folder}/src"]  # fmt: skip
    sketch = "#include <one.h>\nstatic one_context context;\nstatic float row[ONE_INPUTS];\n"
    sketch += "static one_answer answer;\nint main() { return one_predict(&context, row, &answer); }\n"
    (tmp_path / "sketch.cpp").write_text(sketch)
    call(tmp_path, "arm-none-eabi-g++", "-std=gnu++11", *flags, "-c", "sketch.cpp")
    call(tmp_path, "arm-none-eabi-gcc", "-std=gnu11", *flags, "-c", *map(str, sorted((folder / "src").glob("*.c"))))
    objects = sorted(path.name for path in tmp_path.glob("*.o"))
    link = ["-Wl,--gc-sections", "-specs=nano.specs", "-specs=nosys.specs"]
    call(tmp_path, "arm-none-eabi-g++", *flags, *link, *objects, "-lm", "-o", "sketch.elf")


# Bursts of rows, some longer than the ring; a second stream is pushed as it should be, and must say the same.
_AROUND_THE_RING = """
#include "gesture_stream.h"
#include <stdio.h>
#include <stdlib.h>
void sensor_interrupt(void);
static uint32_t next;
static void row_of(uint32_t number, float *row) {
    for (uint32_t i = 0; i < GESTURE_CHANNELS; ++i) {
        row[i] = (float)((number / 7u * 2654435761u + i * 40503u) >> 8 & 1023u) / 128.0f - 4.0f;
    }
}
void read_sensor(float row[GESTURE_CHANNELS]) { row_of(next++, row); }
void report(const char *label, float confidence) { printf("ring %s %.9g\\n", label, (double)confidence); }
void wait_for_interrupt(void) {
    static gesture_stream_context stream;
    static const char *const names[] = GESTURE_LABEL_NAMES;
    static uint32_t bursts, lost;
    if (bursts == 0) {
        gesture_init(&stream);
    }
    if (++bursts == 90) {
        exit(0);
    }
    const uint32_t rows = bursts % 9 == 0 ? 40 : bursts % 9;
    for (uint32_t i = 0; i < rows; ++i) {
        float row[GESTURE_CHANNELS];
        gesture_event event;
        row_of(next, row);
        sensor_interrupt();
        if (i >= 32) {
            ++lost;
            continue;
        }
        if (lost) {
            gesture_gap(&stream, lost);
            lost = 0;
        }
        if (gesture_push(&stream, row, &event)) {
            printf("plain %s %.9g\\n", names[event.label], (double)event.confidence);
        }
    }
}
"""


def test_the_ring_of_the_documents_loses_no_row_unsaid(tmp_path: Path) -> None:
    need("gcc")
    (example,) = [block.text for block in blocks_of("docs/generated-c.md") if block.language == "c"]
    put({**rows("gesture"), "ring.c": example, "around.c": _AROUND_THE_RING}, tmp_path)
    strict = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
    call(tmp_path, "gcc", *strict, *(path.name for path in tmp_path.glob("*.c")), "-lm", "-o", "ring")
    lines = call(tmp_path, "./ring").splitlines()
    plain, ring = ([line.split()[1:] for line in lines if line.startswith(word)] for word in ("plain", "ring"))
    assert len(plain) > 10
    assert ring == plain


def test_an_int_of_16_bits_is_refused(tmp_path: Path) -> None:
    need("avr-gcc")
    put(quantised("two"), tmp_path)
    done = subprocess.run(["avr-gcc", "-c", "two.c"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode and "int has 16 bits" in done.stderr


def test_the_library_claims_no_arduino_whose_int_has_16_bits(folder: Path) -> None:
    properties = dict(line.split("=", 1) for line in (folder / "library.properties").read_text().splitlines())
    claimed = set(properties["architectures"].split(","))
    assert {"mbed_nano", "esp32", "rp2040"} <= claimed
    assert not claimed & {"*", "avr", "megaavr"}


def test_the_other_descriptions_name_files_that_are_there(folder: Path) -> None:
    sources = {path.name for path in (folder / "src").glob("*.c")}
    assert sources == {"one.c", "one_self_test.c", "one_serial.c", "one_stream.c"}
    module = yaml.safe_load((folder / "zephyr/module.yml").read_text())
    assert module == {"name": "one", "build": {"cmake": "."}}
    component = yaml.safe_load((folder / "idf_component.yml").read_text())
    assert re.fullmatch(r"\d+\.\d+\.\d+", component["version"])
    described = json.loads((folder / "library.json").read_text())
    assert {"name", "version", "license", "headers", "build"} <= set(described) and described["license"] == "0BSD"
    assert (folder / described["build"]["srcDir"] / described["headers"]).exists()
    pack = ET.parse(folder / "Edgewright.one.pdsc").getroot()  # noqa: S314 - written by the test
    named = {file.attrib["name"] for file in pack.iter("file") if file.attrib["category"] == "sourceC"}
    assert named == {f"src/{name}" for name in sources}
    assert (folder / str(pack.findtext("license"))).read_text().startswith("BSD Zero Clause License")


def test_a_file_where_a_folder_belongs_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "src").write_text("mine")
    with pytest.raises((InputError, OutputError), match="src"):
        write_files(tmp_path, TARGET.files(Subject("one", classifier())))


def test_a_denoiser_and_a_name_of_its_own(tmp_path: Path) -> None:
    target: Target = find("edgewright.export.targets", "library", "TARGET", "target")
    exported: Exported = target.writers["denoiser"](random_denoiser(), "hush")
    assert "src/hush.c" in exported.files and "Edgewright.hush.pdsc" in exported.files and exported.notes
    named = target.files(replace(Subject("one", classifier()), name="two"))
    assert "src/two.c" in named and b"project(two" in named["CMakeLists.txt"]
