"""A header that comes again with other columns: rows are read by the new one, or not at all."""

from __future__ import annotations

import numpy as np

from edgewright.device.sources._csv_lines import LineReader

WANTED = ("acc_x [g]", "acc_y [g]")


def test_a_header_in_another_order_counts_where_units_are_wanted() -> None:
    lines = LineReader(WANTED, name="log.csv")
    assert lines.feed(b"t,acc_x,acc_y\n0,1,2\n").values.tolist() == [[1.0, 2.0]]
    arrived = lines.feed(b"t,acc_y,acc_x\n1,2,1\n2,4,3\n")
    assert arrived.values.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert arrived.notices == ()


def test_a_header_with_a_column_less_leaves_the_others_at_work() -> None:
    lines = LineReader(WANTED, name="log.csv")
    lines.feed(b"t,acc_x,acc_y\n0,1,2\n")
    lines.begin_anew()
    arrived = lines.feed(b"t,acc_y\n1,2\n")
    assert np.isnan(arrived.values[0, 0])
    assert arrived.values[0, 1] == 2.0
    assert arrived.notices == ("no column acc_x [g]: it counts as missing",)


def test_no_row_is_read_after_a_header_with_another_unit() -> None:
    for begin in (b"", b"acc_x,acc_y\n1,2\n"):
        lines = LineReader(WANTED, name="log.csv")
        lines.feed(begin)
        arrived = lines.feed(b"acc_x [m/s2],acc_y\n9.8,0\n")
        assert not len(arrived.values)
        assert arrived.notices[0].startswith("expected acc_x in g, got acc_x in m/s2")
        assert not len(lines.feed(b"9.8,0\n").values)
        assert lines.feed(b"acc_x [g],acc_y\n1,0\n").values.tolist() == [[1.0, 0.0]]


def test_a_line_of_text_is_no_header() -> None:
    lines = LineReader(WANTED, name="log.csv")
    arrived = lines.feed(b"acc_x,acc_y\n1,2\nboard,restarted\n3,4\n")
    assert arrived.values.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert arrived.notices == ("a line that is no row: expected a number, got 'board'",)
