"""Fixed C that stands in a file beside the module that writes its tables, sizes and calls.

A comment begins each part: `/* block NAME */`, or `/* lines NAME */` where the last line end belongs to it. What stands
before the first part, or behind `/* alone */`, is there to compile the file alone: declarations of what is written
around the parts, and `#define $hole value` for what is filled in. `@` is the prefix of names, `@@` its capitals.
"""

from __future__ import annotations

import re
import string
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
    """Return a part with a value for each `$hole`."""
    return string.Template(text).substitute(values)
