"""Where the enrolment token of a device comes from."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.cli.enrollment_token import enrollment_token
from edgewright.schema.errors import InputError


def test_a_token_comes_from_a_file_or_standard_input_and_not_from_two_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token.txt"
    file.write_text("ew1.from-file\nmore\n")
    assert enrollment_token("", str(file)) == "ew1.from-file"
    assert enrollment_token("ew1.argument", "") == "ew1.argument"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"ew1.from-input\n")))
    assert enrollment_token("", "-") == "ew1.from-input"
    with pytest.raises(InputError, match="expected one token, got two"):
        enrollment_token("ew1.argument", str(file))
    file.write_text("\n")
    with pytest.raises(InputError, match="in the first line"):
        enrollment_token("", str(file))
    with pytest.raises(InputError, match="No such file"):
        enrollment_token("", str(tmp_path / "none"))


@pytest.mark.parametrize(
    "words", [("fleet", "enroll", "http://127.0.0.1:9"), ("device", "run", "--fleet", "http://127.0.0.1:9")]
)
def test_commands_of_a_device_take_the_token_from_a_file(tmp_path: Path, words: tuple[str, ...], cli: Cli) -> None:
    file, store = tmp_path / "token.txt", tmp_path / "store"
    file.write_text("ew1.of-another-form\n")
    assert "expected an enrolment token ew1.SECRET" in cli(*words, "--token-file", file, "--store", store, code=2)
    assert "an enrolment token" in cli(*words, "--store", store, code=2)
