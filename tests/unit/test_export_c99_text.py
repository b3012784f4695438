"""Text of users in generated C: units, names and labels in comments and strings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from c99_examples import call, need
from edgewright.export._c_text import comment, literal, template_comment
from edgewright.export.c99 import write_c99
from runtime_example import classifier

# What C reads in another way than it is written, alone and beside more of the same.
ODD = (
    *("*/", "/*", "*\\", "\\*/", "*/*/", "**//", "/*/", "??/", "???/", "????/", "a??'b", "\\", "x\\\n", "\n", "\r\n"),
    *("\N{DEGREE SIGN}C", "\N{DEGREE SIGN}Cafe", "m/s\N{SUPERSCRIPT TWO}", "\u03bcm", "%d %s %n", "@ @@", "\x00\x01"),
    *("\u2028\u2029", "\u202e*/ abc", "\ud800", "\U0001f600", '"', "'", "\\x41", "\\u0041", "//", "#define A"),
)
some = st.one_of(st.text(), st.lists(st.sampled_from([*ODD, *"*/\\?@"]), max_size=8).map("".join))


@settings(max_examples=400, deadline=None)
@given(some)
@example("???/")
@example("a*\\")
def test_a_comment_holds_text_and_nothing_that_c_reads_otherwise(text: str) -> None:
    for made in (comment(text), template_comment(text)):
        assert not re.search(r"\*/|/\*|\?\?|\\", made)
        assert made.isprintable()
        made.encode()
    # What is left is as it was, in order.
    kept = [c for c in text.replace("\\", "/") if c.isprintable() and c != " "]
    assert [c for c in comment(text) if c != " "] == kept


def test_text_in_comments_and_strings_compiles_and_strings_keep_their_bytes(tmp_path: Path) -> None:
    need("gcc", "g++")
    texts: list[str] = [text for text in ODD if text != "\ud800"]

    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(st.text(st.characters(exclude_categories=["Cs"])), some.filter(lambda t: "\ud800" not in t)))
    def collected(text: str) -> None:
        texts.append(text)

    collected()
    rows = [f"/* {comment(text)} */\n    {literal(text)}," for text in texts]
    lengths = ", ".join(str(len(text.encode())) for text in texts)
    source = (
        "#include <stdio.h>\nstatic const char *const all[] = {\n    " + "\n    ".join(rows) + "\n};\n"
        f"static const unsigned lengths[] = {{{lengths}}};\n"
        "int main(void) {\n    for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; ++i) {\n"
        "        fwrite(all[i], 1, lengths[i], stdout);\n    }\n    return 0;\n}\n"
    )
    (tmp_path / "text.c").write_text(source, encoding="utf-8")
    strict = ("-Wall", "-Wextra", "-pedantic", "-Werror", "-Wno-overlength-strings")
    # Both standards have trigraphs.
    for compiler in (("gcc", "-std=c99"), ("g++", "-x", "c++", "-std=c++11")):
        call(tmp_path, *compiler, *strict, "text.c", "-o", "text")
        call(tmp_path, "sh", "-c", "./text > out.bin")
        assert (tmp_path / "out.bin").read_bytes() == b"".join(text.encode() for text in texts)


@pytest.mark.parametrize("unit", ["\N{DEGREE SIGN}C", "\N{MICRO SIGN}T", "m/s\N{SUPERSCRIPT TWO}"])
def test_units_stand_in_the_header_as_they_are(unit: str) -> None:
    text = write_c99(classifier(), name="m", columns=["c"] * 10, units=[unit] * 10)["m.h"]
    assert text.count(f"c in {unit}\n") == 10
