"""Functions of the C library that code for cores with float instructions has of its own.

Those of newlib look after an error number, which takes a kilobyte of flash. These are within a digit of the last place,
as newlib's are, and treat what is not finite as C99 says.
"""

from __future__ import annotations

import re

from edgewright.export.c99_code.parts import parts
from edgewright.export.c99_code.text import APART

C = parts(__file__, "math.c")
_OWN = {"sqrtf": "root", "logf": "log", "expf": "exp", "roundf": "nearest"}
_CALL = re.compile(rf"(?<!\w)({'|'.join(_OWN)})\(")


def own_functions(text: str, name: str) -> str:
    """Return C with calls of its own functions instead of the library's, and what they need before them.

    Args:
        text: functions, without includes.
        name: prefix of names.
    """
    called = [word for word in _OWN if re.search(rf"(?<!\w){word}\(", text)]
    made = _CALL.sub(lambda found: f"{name}_{_OWN[found[1]]}(", text)
    blocks = [C["guard"]] if "sqrtf" in called or f"{name}_FLOATS" in text else []
    apart = APART.replace("@", name)
    if {"logf", "expf"} & set(called):
        blocks.append(apart)
        made = made.replace(f"{apart}\n\n", "")
    blocks += [C["bits"]] if {"logf", "expf"} & set(called) else []
    blocks += [C[_OWN[word]] for word in called]
    return "\n\n".join([block.replace("@", name) for block in blocks] + [made])
