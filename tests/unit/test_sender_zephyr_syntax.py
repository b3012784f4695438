"""The Zephyr application as far as it can be looked at without Zephyr: syntax and types, and that its files agree.

The declarations in `fixtures/zephyr_declared` are ours: this says nothing of Zephyr's own headers, and nothing is run.
"""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from support import ROOT, left_out

APP = ROOT / "senders" / "zephyr"
DECLARED = ROOT / "tests" / "fixtures" / "zephyr_declared"
STRICT = ["-Wall", "-Wextra", "-Werror", "-Wno-sign-conversion", "-std=c17"]


@pytest.mark.parametrize(
    ("program", "options"), [("gcc", []), ("arm-none-eabi-gcc", ["-mcpu=cortex-m4", "-mfloat-abi=soft"])]
)
def test_its_c_agrees_with_declarations_of_what_it_calls(program: str, options: list[str]) -> None:
    if shutil.which(program) is None:
        left_out(f"{program} is not installed")
    folders = [f"-I{DECLARED}", f"-I{ROOT / 'senders' / 'arduino' / 'edgewright_sender'}"]
    command = [program, *options, *STRICT, *folders, "-fsyntax-only", str(APP / "src" / "main.c")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_its_build_names_files_that_are_there_and_the_drivers_that_it_includes() -> None:
    build = (APP / "CMakeLists.txt").read_text()
    for command in ("target_sources", "target_include_directories"):
        (named,) = re.findall(rf"{command}\(app PRIVATE (\S+)\)", build)
        assert (APP / named).exists()
    options = dict(re.findall(r"^CONFIG_(\w+)=(\w)$", (APP / "prj.conf").read_text(), re.MULTILINE))
    source = (APP / "src" / "main.c").read_text()
    needs = {"drivers/sensor.h": "SENSOR", "drivers/uart.h": "SERIAL"}
    included = re.findall(r"#include <zephyr/(drivers/\S+)>", source)
    assert {needs[header] for header in included} <= {name for name, value in options.items() if value == "y"}
    # Frames alone may go over the line.
    assert [options[name] for name in ("CONSOLE", "UART_CONSOLE", "LOG")] == ["n", "n", "n"]
