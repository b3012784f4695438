"""Fixed C that stands in a file beside the module that writes its tables, sizes and calls.

A comment begins each part: `/* block NAME */`, or `/* lines NAME */` where the last line end belongs to it. What stands
before the first part, or behind `/* alone */`, is there to compile the file alone: declarations of what is written
around the parts, and `#define $hole value` for what is filled in. `@` is the prefix of names, `@@` its capitals.
`#include "student.h" /* as @_words */` includes what another part declares, under another prefix.

`#if $hole > 1`, with `#elif`, `#else` and `#endif`, is decided by the writer: what does not hold is left out, and so
are these lines. A condition is one of `$hole`, `!$hole` and `$hole > 1`, several of them joined by `&&` and `||`.
"""

from __future__ import annotations

import operator
import re
import string
from collections.abc import Mapping
from pathlib import Path

_MARK = re.compile(r"^/\* (?:(block|lines) (\w+)|alone) \*/\n", re.MULTILINE)


def parts(module: str, file: str) -> dict[str, str]:
    """Return parts of a file of C by name.

    Args:
        module: `__file__` of the module beside it.
        file: its name.
    """
    pieces = _MARK.split(Path(module).with_name(file).read_text(encoding="utf-8"))
    return {
        name: text.strip("\n") + ("\n" if kind == "lines" else "")
        for kind, name, text in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True)
        if name
    }


def filled(text: str, /, **values: object) -> str:
    """Return a part with a value for each `$hole`, and of its `#if $hole` what holds."""
    lines: list[str] = []
    # Of each `#if` around a line: whether the writer decides it, whether a branch was kept, and whether this one is.
    around: list[tuple[bool, bool, bool]] = []
    for line in text.split("\n"):
        word, _, condition = line.strip().partition(" ")
        decided = word in ("#elif", "#else", "#endif") and around[-1][0]
        if word in ("#if", "#ifdef", "#ifndef"):
            decided = word == "#if" and "$" in condition
            kept = decided and _holds(condition, values)
            around.append((decided, kept, kept or not decided))
        elif decided and word != "#endif":
            kept = not around[-1][1] and (word == "#else" or _holds(condition, values))
            around[-1] = (True, around[-1][1] or kept, kept)
        if not decided and all(active for _, _, active in around):
            lines.append(line)
        if word == "#endif":
            around.pop()
    return string.Template("\n".join(lines)).substitute(values)


def written(text: str, name: str, /, **values: object) -> str:
    """Return a part with a prefix of names, and then a value for each `$hole`: what users wrote may have an @."""
    return filled(text.replace("@@", name.upper()).replace("@", name), **values)


def named(texts: Mapping[str, str], name: str) -> dict[str, str]:
    """Return texts by file name with the prefix of names in place of `@`."""
    return {file: text.replace("@@", name.upper()).replace("@", name) for file, text in texts.items()}


_COMPARED = re.compile(r"(!?)\$(\w+)(?: (==|!=|<=|>=|<|>) (\d+))?$")
_SIGNS = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def _holds(condition: str, values: Mapping[str, object]) -> bool:
    """Return whether a condition on values holds; a text holds where it is not empty."""
    return any(all(_compared(part, values) for part in terms.split(" && ")) for terms in condition.split(" || "))


def _compared(text: str, values: Mapping[str, object]) -> bool:
    match = _COMPARED.match(text.strip())
    if match is None:
        raise ValueError(f"a condition of C that the writer cannot decide: {text}")
    value = values[match[2]]
    if match[3]:
        return bool(_SIGNS[match[3]](int(str(value)), int(match[4])))
    return bool(value) != bool(match[1])
