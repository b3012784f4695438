"""Axes of charts."""

from __future__ import annotations

from edgewright.trace.blocks.charts import round_marks, running_axis


def test_marks_that_read_alike_are_written_once() -> None:
    """A few minutes of reports, in hours: five marks of 0 say no more than one."""
    axis = running_axis((0.0, 0.01, 0.04), 40.0, 400.0, "count")
    assert len(axis.marks) > 2
    assert axis.labels() == [(40.0, "0")]
    assert [text for _, text in running_axis((0.0, 4.0), 40.0, 400.0, "count").labels()] == ["0", "1", "2", "3", "4"]


def test_a_value_a_hair_below_zero_makes_no_mark_below_zero() -> None:
    assert round_marks(-0.0007, 62.0) == [0.0, 20.0, 40.0, 60.0, 80.0]
    assert round_marks(-1.0, 62.0)[0] == -20.0
