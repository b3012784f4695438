"""The C99 library folder for Arduino, PlatformIO, CMake, Zephyr, ESP-IDF and CMSIS-Pack (docs/research/targets.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from importlib import resources
from typing import Any

from edgewright.export.c99_code.linkable import linkable
from edgewright.export.contract import Exported, Subject, Target
from edgewright.export.targets.c99 import TARGET as C99

_TEMPLATES = "edgewright.export.library"
# Between a folder and what lies in it, in the name of a template.
_FOLDER = "__"


def library(files: Mapping[str, bytes], word: str) -> dict[str, bytes]:
    """Return C files in src/ and a description for each build system around it.

    Args:
        files: by name.
        word: name of the library and prefix of its names.
    """
    sources = sorted(name for name in files if name.endswith(".c"))
    values = {
        "@NAME@": word,
        "@CMAKE_SOURCES@": "\n    ".join(f"${{CMAKE_CURRENT_LIST_DIR}}/src/{name}" for name in sources),
        "@HEADER@": f"{word}.h" if f"{word}.h" in files else next(n for n in sorted(files) if n.endswith(".h")),
        "@PACK_FILES@": "\n        ".join(f'<file category="sourceC" name="src/{name}"/>' for name in sources),
    }
    described = {f"src/{name}": content for name, content in files.items()}
    for template in resources.files(_TEMPLATES).iterdir():
        if template.name.endswith(".in"):
            text = template.read_text("utf-8")
            for mark, value in values.items():
                text = text.replace(mark, value)
            described[template.name.removesuffix(".in").replace("NAME", word).replace(_FOLDER, "/")] = text.encode()
    return described


def model_hash(files: Mapping[str, bytes], word: str) -> bytes:
    """Return the 16 bytes by which a board says which model it runs: of the code as `--to c99` writes it."""
    return hashlib.sha256(files[f"{word}.h"] + files[f"{word}.c"]).digest()[:16]


def _files(subject: Subject) -> dict[str, bytes]:
    files, word = C99.files(subject), subject.word
    digits = ", ".join(f"0x{byte:02x}" for byte in model_hash(files, word))
    texts = {}
    for ending in ("h", "c"):
        text = (resources.files("edgewright.export") / "board" / f"serial.{ending}").read_text("utf-8")
        text = text.replace("@HASH@", digits).replace("@@", word.upper()).replace("@", word)
        texts[f"{word}_serial.{ending}"] = text
    serial = {name: text.encode() for name, text in linkable(texts, word).items()}
    return library({**files, **serial}, word)


def _writer(write: Callable[[Any, str], Exported], content: Any, name: str) -> Exported:  # noqa: ANN401 - kinds of files
    exported = write(content, name)
    return Exported(library(exported.files, name), exported.notes)


TARGET = Target(
    description="the C99 as a library for Arduino, PlatformIO, CMake, Zephyr, ESP-IDF and CMSIS-Pack, in one folder",
    files=_files, note=C99.note, watches=True, networks=False,
    writers={kind: partial(_writer, write) for kind, write in C99.writers.items()},
)  # fmt: skip
