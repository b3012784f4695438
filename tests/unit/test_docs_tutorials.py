"""The tutorials, typed command by command."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from c99_stages import need_compiler
from document_blocks import type_page, write_sources
from support import left_out

pytestmark = pytest.mark.slow
TUTORIALS = "docs/tutorials"
# What the sketch uses of the Arduino core and of its library; nothing here is run.
ARDUINO = """
#pragma once
struct Stream { void begin(long); void print(const char *); void print(char); void println(float);
                void println(const char *); };
extern Stream Serial;
unsigned long micros();
struct Imu { bool begin(); bool accelerationAvailable(); void readAcceleration(float &, float &, float &); };
extern Imu IMU;
"""


def test_three_lessons(tmp_path: Path) -> None:
    printed = type_page(f"{TUTORIALS}/lessons.md", tmp_path, seconds=400)
    assert "activity-2 against activity" in printed["activity"]
    assert "latency-2 against latency" in printed["latency"]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        "activity", "activity-2", "latency", "latency-2", "scalability",
    ]  # fmt: skip


def test_own_data_of_the_readme(tmp_path: Path) -> None:
    printed = type_page("README.md", tmp_path, seconds=300)["own-data"]
    assert "simulated: no sensor measured them" in printed
    assert re.search(r"^ready(, with a weakness)? for cortex-m4", printed, re.MULTILINE)
    assert (tmp_path / "data.md").is_file()
    assert (tmp_path / "exported" / "src" / "my.c").is_file()


def test_own_data_to_an_arduino(tmp_path: Path) -> None:
    need_compiler()
    page = f"{TUTORIALS}/own-data-to-arduino.md"
    names = {"python": "simulate.py", "toml": "pipeline.toml", "c": "main.c", "cpp": "gesture/gesture.ino"}
    write_sources(page, tmp_path, names)
    printed = type_page(page, tmp_path, seconds=400)
    assert "8 of 8 test groups are also in the training data" in printed["check"]
    assert "ready for nrf52840" in printed["train"]
    assert "PROVEN" in printed["prove"]
    # Eight people do three things each; a window on the way from one to the next may be called a third.
    changes = printed["compile"].splitlines()
    assert 24 <= len(changes) <= 32, changes
    assert {line.split(": ")[1].split(",")[0] for line in changes} == {"still", "walk", "shake"}
    _compile_sketch(tmp_path / "gesture")


def _compile_sketch(folder: Path) -> None:
    compiler = shutil.which("arm-none-eabi-g++")
    if compiler is None:
        left_out("arm-none-eabi-g++ is not installed")
        return
    (folder / "Arduino_LSM9DS1.h").write_text(ARDUINO)
    command = [
        compiler,
        "-mcpu=cortex-m4",
        "-mthumb",
        "-Wall",
        "-Werror",
        "-fsyntax-only",
        "-I.",
        "-x",
        "c++",
        "gesture.ino",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
