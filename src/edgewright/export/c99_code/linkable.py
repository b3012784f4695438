"""What lets generated C be linked into the program of somebody else: its licence, placed tables, guards, mathematics.

Code for cores with float instructions has functions of its own instead of some of the C library's: those of newlib look
after an error number, which takes a kilobyte of flash. Its own are within a digit of the last place, as newlib's are,
and treat what is not finite as C99 says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from edgewright.export.c99_code.parts import parts
from edgewright.export.c99_code.text import NOINLINE

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
    marked, tables = _TABLE.subn(rf"{macro} static const \1", text)
    head = _WIDE + (_FINITE if _REAL.search(_COMMENT.sub("", text)) else "")
    head += _PLACED.format(macro) if tables else ""
    return LICENCE_LINE + head + "\n" + marked


MATH = parts(__file__, "math.c")
_OWN = {"sqrtf": "root", "logf": "log", "expf": "exp", "roundf": "nearest"}
_CALL = re.compile(rf"(?<!\w)({'|'.join(_OWN)})\(")


def own_functions(text: str, name: str) -> str:
    """Return C with calls of its own functions instead of the library's, and what they need before them.

    Args:
        text: functions, without includes.
        name: prefix of names.
    """
    called = [word for word in _OWN if re.search(rf"(?<!\w){word}\(", text)]
    code = _CALL.sub(lambda call: f"{name}_{_OWN[call[1]]}(", text)
    blocks = [MATH["guard"]] if "sqrtf" in called or f"{name}_FLOATS" in text else []
    attribute = NOINLINE.replace("@", name)
    if {"logf", "expf"} & set(called):
        blocks.append(attribute)
        code = code.replace(f"{attribute}\n\n", "")
    blocks += [MATH["bits"]] if {"logf", "expf"} & set(called) else []
    blocks += [MATH[_OWN[word]] for word in called]
    return "\n\n".join([block.replace("@", name) for block in blocks] + [code])
