"""File name patterns: `{label}_{speaker}_{index}` says what the parts of a name mean."""

from __future__ import annotations

import re
from pathlib import PurePath

import msgspec

from edgewright.schema.errors import InputError

_PART = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_GROUP = ("group", "person", "speaker", "user", "subject", "machine", "device")


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """What a file's name says about its rows; empty where it says nothing."""

    label: str = ""
    group: str = ""
    session: str = ""


def name_in(file: str) -> str:
    """The file name without folder and endings: `walk/a.csv.gz` gives `a`."""
    return PurePath(file).name.split(".")[0]


def read_name(file: str, pattern: str) -> Meaning:
    """What a file's name means.

    Args:
        file: path below the folder that is read, with '/'.
        pattern: text with `{label}`, `{group}` (also person, speaker, user, subject, machine, device), `{session}`;
            other names in braces match and are not used. With a '/' it is matched against folders and name, else
            against the name; endings are left out. Empty: the folder the file lies in is its label.

    Raises:
        InputError: when the file does not match, or the pattern has no part or one twice.
    """
    path = PurePath(file)
    if not pattern:
        return Meaning(label=path.parent.name)
    names = _PART.findall(pattern)
    if not names or len(set(names)) < len(names):
        raise InputError("parts such as {label}_{group}_{index}, each once", repr(pattern), "pattern")
    text = "/".join([*path.parent.parts, name_in(file)]) if "/" in pattern else name_in(file)
    pieces = _PART.split(pattern)
    form = "".join(re.escape(piece) if i % 2 == 0 else f"(?P<{piece}>[^/]+?)" for i, piece in enumerate(pieces))
    found = re.fullmatch(form, text)
    if not found:
        raise InputError(f"a name like {pattern}", repr(text), file)
    parts = found.groupdict()
    group = next((parts[name] for name in _GROUP if name in parts), "")
    return Meaning(label=parts.get("label", ""), group=group, session=parts.get("session", ""))
