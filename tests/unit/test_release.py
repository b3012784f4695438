"""What stands against a release, and what a version is: tools/release.py."""

from __future__ import annotations

import importlib.util

import pytest

from edgewright._version import __version__
from support import ROOT

SPEC = importlib.util.spec_from_file_location("release", ROOT / "tools" / "release.py")
assert SPEC is not None
assert SPEC.loader is not None
release = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(release)
CHANGELOG = "# 1.2.0 (2026-11-28)\n\n- A line.\n"


def test_a_dated_version_without_a_tag_is_released_from_a_clean_checkout() -> None:
    assert list(release.obstacles("1.2.0", CHANGELOG, "\n", ["v1.1.0"])) == []


@pytest.mark.parametrize(
    ("version", "status", "tags", "message"),
    [
        ("1.2.0", " M README.md", [], "expected a clean checkout"),
        ("1.2", "", [], "expected the title '# 1.2 "),
        ("1.2.1", "", [], "expected the title '# 1.2.1 "),
        ("1.2.0", "", ["v1.2.0"], "the tag v1.2.0 exists"),
    ],
)
def test_what_stands_against_a_release_is_named(version: str, status: str, tags: list[str], message: str) -> None:
    (line,) = release.obstacles(version, CHANGELOG, status, tags)
    assert message in line


def test_an_undated_section_is_no_release() -> None:
    assert len(list(release.obstacles("1.2.0", CHANGELOG.replace("2026-11-28", "unreleased"), "", []))) == 1


def test_the_version_is_read_from_its_file() -> None:
    assert release.version_of((ROOT / "src/edgewright/_version.py").read_text()) == __version__
    with pytest.raises(SystemExit, match="expected a line __version__"):
        release.version_of("version = 1")
