"""What lets generated C be linked into the program of somebody else: its licence, placed tables, and guards."""

from __future__ import annotations

import re
from collections.abc import Mapping

LICENCE_LINE = "/* SPDX-License-Identifier: 0BSD */\n"
_TABLE = re.compile(r"^static const ((?:u?int\d+_t|int|float|double) \w+(?:\[[^\]\n]*\])+ = \{)", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_REAL = re.compile(r"\b(?:float|double)\b")
_WIDE = """\
#include <limits.h>
#if INT_MAX < 2147483647
#error "int has 16 bits here: generated code needs 32, as on Cortex-M, RISC-V and Xtensa"
#endif
"""
_FINITE = """\
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "-ffinite-math-only (also in -ffast-math, -Ofast) drops checks for missing numbers: add -fno-finite-math-only"
#endif
"""
_PLACED = """\
#ifndef {0}
#define {0} /* Stands before every table of constants: an attribute that names a section, for example. */
#endif
"""


def linkable(files: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the files with the licence, guards against compilers that change it, and NAME_WEIGHTS before tables.

    Args:
        files: text by name.
        name: prefix of all names.
    """
    return {file: _linkable(file, text, f"{name.upper()}_WEIGHTS") for file, text in files.items()}


def _linkable(file: str, text: str, macro: str) -> str:
    if not file.endswith((".c", ".h")) or text.startswith(LICENCE_LINE):
        return text
    if file.endswith(".h"):
        return LICENCE_LINE + text
    made, tables = _TABLE.subn(rf"{macro} static const \1", text)
    head = _WIDE + (_FINITE if _REAL.search(_COMMENT.sub("", text)) else "")
    head += _PLACED.format(macro) if tables else ""
    return LICENCE_LINE + head + "\n" + made
