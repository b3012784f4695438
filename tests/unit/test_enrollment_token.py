"""Where the enrolment token of a device comes from."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.cli.options import enrollment_token
from edgewright.core.errors import EnrollmentTokenMissingError


def test_a_token_comes_from_a_file_or_standard_input_and_not_from_two_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token.txt"
    file.write_text("ew1.from-file\nmore\n")
    assert enrollment_token("", str(file)) == "ew1.from-file"
    assert enrollment_token("ew1.argument", "") == "ew1.argument"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"ew1.from-input\n")))
    assert enrollment_token("", "-") == "ew1.from-input"
    with pytest.raises(EnrollmentTokenMissingError, match="expected one token, got two"):
        enrollment_token("ew1.argument", str(file))
    file.write_text("\n")
    with pytest.raises(EnrollmentTokenMissingError):
        enrollment_token("", str(file))
    with pytest.raises(EnrollmentTokenMissingError, match="No such file"):
        enrollment_token("", str(tmp_path / "none"))


def test_enrolment_takes_the_token_from_a_file(tmp_path: Path, cli: Cli) -> None:
    words, store = ("fleet", "enroll", "http://127.0.0.1:9"), tmp_path / "store"
    file = tmp_path / "token.txt"
    file.write_text("ew1.of-another-form\n")
    assert "expected an enrolment token ew1.SECRET" in cli(*words, "--token-file", file, "--store", store, code=2)
    assert "an enrolment token" in cli(*words, "--store", store, code=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "message"), [(["--token-file", "-"], "an enrolment token ew1.SECRET"), ([], "expected an enrolment token")]
)
def test_an_agent_takes_the_token_that_its_launcher_read(tmp_path: Path, more: list[str], message: str) -> None:
    command = [sys.executable, "-m", "edgewright", "device", "run", "--fleet", "http://127.0.0.1:9", "--store", "store"]
    done = subprocess.run(
        [*command, *more], input="ew1.of-another-form\n", cwd=tmp_path, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert (done.returncode, message in done.stderr, done.stderr.count("\n")) == (2, True, 1), done.stderr
