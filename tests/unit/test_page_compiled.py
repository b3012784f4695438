"""Compiled templates are kept, and whatever happens to what is kept, a page is the same."""

from __future__ import annotations

import marshal
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from edgewright.trace.compiled import Compiled

TEXT = "{% for x in xs %}{{ x }};{% endfor %}"


def rendered(home: Path, text: str = TEXT) -> str:
    """A template filled in by an environment that has seen nothing."""
    cache = Compiled(home)
    made = Environment(loader=DictLoader({"a.html": text}), autoescape=True, bytecode_cache=cache)
    return made.get_template("a.html").render(xs=["<", 2])


def kept(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*") if path.is_file())


def test_code_is_kept_and_used_again(tmp_path: Path) -> None:
    assert rendered(tmp_path) == "&lt;;2;"
    (file,) = kept(tmp_path)
    planted = Environment(autoescape=True).compile("{{ xs[0] }} from what was kept", "a.html")
    file.write_bytes(marshal.dumps(planted))
    assert rendered(tmp_path) == "&lt; from what was kept"


def test_another_text_is_compiled_anew(tmp_path: Path) -> None:
    rendered(tmp_path)
    assert rendered(tmp_path, "{{ xs[1] }}!") == "2!"
    assert len(kept(tmp_path)) == 2


@pytest.mark.parametrize("spoiled", [b"", b"\x00", b"not code at all", marshal.dumps(None)])
def test_a_damaged_file_is_compiled_anew(tmp_path: Path, spoiled: bytes) -> None:
    rendered(tmp_path)
    (file,) = kept(tmp_path)
    file.write_bytes(spoiled)
    assert rendered(tmp_path) == "&lt;;2;"
    assert kept(tmp_path)[0].read_bytes() != spoiled


def test_what_others_may_write_is_left_alone(tmp_path: Path) -> None:
    rendered(tmp_path)
    (file,) = kept(tmp_path)
    file.parent.chmod(0o777)
    planted = Environment(autoescape=True).compile("planted", raw=False)
    file.write_bytes(marshal.dumps(planted))
    assert rendered(tmp_path) == "&lt;;2;"


def test_a_home_that_takes_nothing_spares_the_page(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert rendered(blocked) == "&lt;;2;"
