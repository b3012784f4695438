"""trace.json: whole or not at all, older read, newer refused."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trace_example as example
from edgewright.core.errors import FormatNewerError, InputError, OutputError, RunError
from edgewright.core.records.trace import TRACE_VERSION
from edgewright.trace.page_model import parse_trace, read_trace, trace_bytes, write_trace


def test_written_and_read_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    write_trace(example.trace(), path)
    assert read_trace(path) == example.trace()
    assert [p.name for p in tmp_path.iterdir()] == ["trace.json"]


def test_same_record_same_bytes() -> None:
    trace = example.trace()
    turned = msgspec.structs.replace(trace.insight, numbers=dict(reversed(list(trace.insight.numbers.items()))))
    assert trace_bytes(trace) == trace_bytes(msgspec.structs.replace(trace, insight=turned))


def test_writing_replaces_and_keeps_the_old_one_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    write_trace(example.trace(), path)
    write_trace(example.trace(80), path)
    assert read_trace(path) == example.trace(80)
    with pytest.raises(OutputError, match=r"expected to write [0-9]+ bytes"):
        write_trace(example.trace(), tmp_path / "absent" / "trace.json")


def test_newer_version_is_refused_by_name(tmp_path: Path) -> None:
    content = json.loads(trace_bytes(example.trace()))
    content["version"] = TRACE_VERSION + 1
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(content))
    with pytest.raises(FormatNewerError, match=rf"version {TRACE_VERSION + 1} - at .*trace\.json\. Update edgewright"):
        read_trace(path)


def test_a_part_that_came_later_may_be_absent() -> None:
    content = json.loads(trace_bytes(example.trace()))
    del content["scaling"], content["warnings"], content["title"]
    content["of a later minor version"] = 1
    read = parse_trace(json.dumps(content).encode(), "trace.json")
    assert read.warnings == ()
    assert read.training == example.trace().training


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"version": "one"}', b'{"version": 0}', b'{"version": 1}']
)
def test_garbage_is_one_clear_line(content: bytes) -> None:
    with pytest.raises(InputError) as caught:
        parse_trace(content, "runs/x/trace.json")
    assert "runs/x/trace.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(RunError):
        read_trace(tmp_path / "trace.json")


CONTENT = trace_bytes(example.trace(3))


@settings(max_examples=50)
@given(st.integers(0, len(CONTENT) - 2))
def test_cut_off_anywhere(length: int) -> None:
    with pytest.raises(RunError):
        parse_trace(CONTENT[:length], "trace.json")
