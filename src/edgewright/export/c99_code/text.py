"""Numbers and arrays as C99 text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from edgewright.core.errors import ExportError
from edgewright.core.records.network import Array
from edgewright.export.c99_code.parts import parts

# Tables begin at multiples of this: the largest number in them has eight bytes.
ALIGNMENT = 8


def slot_offsets(tables: Mapping[str, Array]) -> tuple[dict[str, int], int]:
    """Byte offsets by table, and how many bytes they take together."""
    offsets, end = {}, 0
    for name, array in tables.items():
        offsets[name] = end
        end += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
    return offsets, end


def slot_bytes(tables: Mapping[str, Array]) -> bytes:
    """Return the tables as a slot holds them: little-endian, zeros between them."""
    offsets, end = slot_offsets(tables)
    content = bytearray(end)
    for name, array in tables.items():
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        content[offsets[name] : offsets[name] + len(data)] = data
    return bytes(content)


def slot_tables(name: str, tables: Mapping[str, Array]) -> list[str]:
    """Return the C by which code finds its tables: a pointer, and a macro for each."""
    offsets, end = slot_offsets(tables)
    lines = [
        "/* Constants lie in a slot of flash; NAME_update.c sets the pointer, 0 where there are none. */".replace(
            "NAME", name
        ),
        f"const unsigned char *{name}_constants = 0;",
        f"const uint32_t {name}_constants_length = {end}u;",
    ]
    for table, array in tables.items():
        kind = TYPES[array.dtype.name]
        # A number of entries in the text makes the lengths of tables part of the layout.
        lines.append(
            f"#define {table} ((const {kind} *)(const void *)({name}_constants + {offsets[table]})) /* {array.size} */"
        )
    return ["\n".join(lines)]


# Of two or more, as trigraphs begin with.
_QUESTIONS = re.compile(r"\?(?=\?)")
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Words of C99 that a prefix cannot be, and prefixes the libraries keep for themselves.
_WORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while main
"""
_RESERVED = frozenset(_WORDS.split())
C = parts(__file__, "attributes.c")
# Keeps a function out of the one that calls it.
NOINLINE = C["apart"]
# What runs once an answer is made for size; what runs for every number of a window is in functions of its own.
SMALL = C["small"]
TYPES = {"float32": "float", "int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t"}
TYPES |= {"uint8": "uint8_t", "uint16": "uint16_t", "uint32": "uint32_t", "bool": "uint8_t"}


def identifier(name: str) -> str:
    """Return the name, if C takes it as a prefix of names.

    Raises:
        InputError: for other characters than letters, digits and underscores, or a word of C.
    """
    if not _IDENTIFIER.fullmatch(name) or name in _RESERVED or len(name) > 40:
        raise ExportError(
            "a name of letters, digits and underscores that is no word of C", repr(name), "name of C code"
        )
    return name


def number(value: float) -> str:
    """Return a float32 constant that reads back as the same bits."""
    single = np.float32(value)
    if np.isnan(single):
        return "NAN"
    if np.isinf(single):
        return "INFINITY" if single > 0 else "(-INFINITY)"
    text = np.format_float_scientific(single, unique=True, trim="0", exp_digits=1)
    plain = str(single)
    text = (plain if len(plain) <= len(text) and "." in plain and "e" not in plain else text) + "f"
    return f"({text})" if text.startswith("-") else text


def smallest(array: Array) -> Array:
    """Whole numbers in the smallest type that the code uses for them."""
    for dtype in (np.int8, np.uint8, np.int16, np.uint16, np.int32):
        limits = np.iinfo(dtype)
        if array.size == 0 or (array.min() >= limits.min and array.max() <= limits.max):
            return np.asarray(array, dtype)
    return np.asarray(array, np.int64)


def entries(array: Array) -> str:
    """Return entries of an array between braces, in lines of at most 120 characters."""
    flat = array.ravel()
    if flat.dtype.kind == "f":
        words = [number(value).strip("()") for value in flat]
    elif flat.dtype == np.int64:
        words = [f"INT64_C({value})" for value in flat.tolist()]
    else:
        # The smallest 32-bit number has no literal of its own: it would be minus a number that does not fit.
        words = ["INT32_MIN" if value == -(2**31) else str(int(value)) for value in flat.tolist()]
    return "\n".join(
        textwrap.wrap(", ".join(words), 116, break_long_words=False, initial_indent="    ", subsequent_indent="    ")
    )


def comment(text: str) -> str:
    """Text of a user for a comment: UTF-8, without what ends a comment, joins lines, or is not seen where it stands."""
    safe = "".join(c if c.isprintable() else " " for c in text).replace("\\", "/")
    safe = _QUESTIONS.sub("? ", safe.replace("*/", "* /").replace("/*", "/ *"))
    return " ".join(safe.split())


def template_comment(text: str) -> str:
    """Return the same where @ stands for the prefix of names."""
    return comment(text).replace("@", " at ")


def literal(text: str) -> str:
    """Return a string constant in UTF-8 whose bytes do not depend on the compiler's encoding."""
    characters = []
    for byte in text.encode("utf-8"):
        plain = 32 <= byte < 127 and chr(byte) not in '"\\?'
        # Octal escapes end after three digits, hexadecimal ones do not.
        characters.append(chr(byte) if plain else f"\\{byte:03o}")
    return f'"{"".join(characters)}"'


def label_lines(upper: str, labels: Sequence[str]) -> list[str]:
    r"""Return what a header says of its labels: a comment each, and a macro with their names for an array.

    Args:
        upper: prefix of macros.
        labels: in the order of the answers; their @ is written as \100, as templates have @ for the prefix of names.
    """
    lines = [f"/* Label {i}: {comment(label)} */" for i, label in enumerate(labels)]
    if labels:
        lines += [
            f"/* The names, for an array: const char *const names[] = {upper}_LABEL_NAMES; */",
            f"#define {upper}_LABEL_NAMES {{ \\",
            *(f"    {literal(label)}, \\".replace("@", "\\100") for label in labels),
            "}",
        ]
    return lines


def guarded(word: str, includes: str, body: str) -> str:
    """Return the body of a header within its guard, as C and as C++.

    Args:
        word: of the guard.
        includes: headers that it includes, with spaces between.
        body: between them and the end.
    """
    lines = "".join(f"#include {name}\n" for name in includes.split())
    head = f'#ifndef {word}\n#define {word}\n\n{lines}\n#ifdef __cplusplus\nextern "C" {{\n#endif\n\n'
    return f"{head}{body}\n#ifdef __cplusplus\n}}\n#endif\n\n#endif\n"


def assembly(lines: str) -> str:
    """Return instructions as a string constant of C; one a line, comments after @@ left out."""
    strings = []
    for raw in lines.splitlines():
        line = raw.partition("@@")[0].rstrip()
        if line:
            strings.append(f'        "{line.strip()}\\n"')
    return "\n".join(strings)
