"""Labels that are likely wrong, listed beside the studio's map."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from studio_example import client

pytest.importorskip("cleanlab", reason="of the extra language")
WRONG = (17, 111, 205)


def table(path: Path) -> None:
    """Write rows of six people whose two classes lie far apart, three of them with the other's label."""
    X = np.random.default_rng(0).normal(size=(240, 2)) + 4 * (np.arange(240) % 2)[:, None]
    labels = [("off", "on")[(i % 2) ^ (i + 1 in WRONG)] for i in range(240)]
    lines = [f"p{i // 40},{a:.4f},{b:.4f},{label}" for i, ((a, b), label) in enumerate(zip(X, labels, strict=True))]
    path.write_text("\n".join(["who,a,b,label", *lines]) + "\n", encoding="utf-8")


def test_rows_with_the_label_of_another_class_are_listed(tmp_path: Path) -> None:
    table(tmp_path / "rows.csv")
    studio = client(tmp_path)
    address = "/data/at/rows.csv?view=map&target=label&group=who"
    text = studio.get(address).text
    assert "errors=1" in text
    assert "Labels that are likely wrong" not in text
    page = studio.get(address + "&errors=1").text
    listed = [int(number) for number in re.findall(r">Row (\d+)</a>: labelled", page)]
    assert set(WRONG) <= set(listed)
    assert len(listed) <= 6
    assert f"{len(listed)} of 240 rows" in page


def test_too_few_labels_say_so(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,label\n1,x\n2,y\n3,x\n4,y\n", encoding="utf-8")
    answer = client(tmp_path).get("/data/at/rows.csv?view=map&target=label&errors=1")
    assert answer.status_code == 200
    assert "two classes of at least 5 labelled items" in answer.text
