"""A day at a till: limits by what the cashier named, baskets, and pictures charged or asked about."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli_runner import Cli
from edgewright.jobs.steps.checkout import Answer, Basket, _timeline, cheapest, drawn_baskets

HUES = {"apple": (200, 30, 30), "lime": (60, 180, 40), "plum": (110, 40, 130), "lemon": (240, 220, 40),
        "berry": (40, 60, 190), "melon": (240, 140, 60)}  # fmt: skip
PIPELINE = """
name = "goods"
refit = false
[data]
kind = "pictures"
path = "{path}"
pattern = "{{label}}_{{group}}_{{index}}"
height = 16
width = 16
without = ["berry", "melon"]
[split]
test_groups = ["second"]
validation_groups = ["third"]
[[model.layers]]
kind = "conv2d"
filters = 8
kernel = 3
[[model.layers]]
kind = "global_average_pool"
[training]
epochs = 20
learning_rate = 0.01
[device]
profile = "gateway-arm64"
"""
JOB = """
title = "What is in the basket?"
shows = "A till."
minutes = 0.1
limits = ["Simulated."]
[[steps]]
kind = "run"
[[steps]]
kind = "few_shot"
labels = 2
draws = 20
[[steps]]
kind = "checkout"
data = {{ kind = "csv", path = "{path}", time = "time" }}
judge = {judge}
drawn = 5
"""


@pytest.fixture
def goods(tmp_path: Path) -> Path:
    """Provide a job with pictures of six colours, and people who come at three hours of two days."""
    folder, pictures = tmp_path / "goods", tmp_path / "pictures"
    folder.mkdir()
    pictures.mkdir()
    rng = np.random.default_rng(0)
    for label, hue in HUES.items():
        for group in ("first", "second", "third"):
            for number in range(8):
                values = np.clip(rng.normal(hue, 20, (16, 16, 3)) * rng.uniform(0.8, 1.0), 0, 255).astype(np.uint8)
                Image.fromarray(values).save(pictures / f"{label}_{group}_{number}.png")
    hours = [10 * (hour % 24 in (9, 12, 17)) * (1 + hour // 24) for hour in range(48)]
    lines = [f"{hour * 3600},{people}" for hour, people in enumerate(hours)]
    (tmp_path / "people.csv").write_text("\n".join(["time,people", *lines]), encoding="utf-8")
    (folder / "pipeline.toml").write_text(PIPELINE.format(path=pictures), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_a_till_charges_what_it_knows_and_asks_about_the_rest(goods: Path, tmp_path: Path, cli: Cli) -> None:
    (goods / "job.toml").write_text(JOB.format(path=tmp_path / "people.csv", judge=48), encoding="utf-8")
    cli("jobs", "run", goods, "--out", tmp_path / "runs")
    goods_run = tmp_path / "runs" / "goods"
    step = json.loads((goods_run / "job.json").read_text())["steps"][2]
    figures = {one["name"]: one["value"] for one in step["figures"]}
    assert figures["right"] + figures["wrong"] + figures["asked"] == pytest.approx(1)
    assert figures["right"] > 0.8
    assert figures["right_new"] > 0.8
    assert figures["network"] == 0
    assert "48 pictures" in step["says"][0]
    line = step["timeline"]
    assert len(line["states"]) == 5
    assert {one["label"][:2] for one in line["states"]} <= {"09", "12", "17"}
    assert len(line["truth"]) == len(line["answers"]) + sum(mark["kind"] == "event" for mark in line["marks"])
    index = goods_run / "checkout" / "goods.neighbours"
    rows = cli.rows("few-shot", "predict", index, "--pictures", tmp_path / "pictures", "--json")
    assert np.mean([one["place"].startswith(one["nearest"]) for one in rows]) > 0.9


@pytest.mark.slow
def test_counts_of_less_than_a_day_bring_no_customers(goods: Path, tmp_path: Path, cli: Cli) -> None:
    (goods / "job.toml").write_text(JOB.format(path=tmp_path / "people.csv", judge=23), encoding="utf-8")
    assert "failed at checkout" in cli("jobs", "run", goods, "--out", tmp_path / "runs", code=1)


def test_limits_follow_what_a_wrong_charge_costs() -> None:
    # The package is right above .8; examples nearer than .1 are right, one at .2 is not.
    answers = [Answer("a", 0.9, "b", 0.5), Answer("b", 0.7, "b", 0.05), Answer("a", 0.6, "b", 0.2),
               Answer("c", 0.85, "c", 0.4)]  # fmt: skip
    truth = ["a", "b", "c", "c"]
    near, sure = cheapest(answers, truth, 5.0)
    assert [one.charged(near, sure) for one in answers] == ["a", "b", "", "c"]
    near, sure = cheapest(answers, ["x"] * 4, 5.0)
    assert [one.charged(near, sure) for one in answers] == [""] * 4


def test_customers_come_when_people_did_and_bring_every_product() -> None:
    counts = np.array([0.0, 5.0, 0.0, 1.0])
    baskets = drawn_baskets(50, counts, 3600.0, 6, np.random.default_rng(0))
    assert [number for basket in baskets for number in basket.products] == list(range(50))
    assert max(len(basket.products) for basket in baskets) <= 6
    assert all(before.time <= after.time for before, after in pairwise(baskets))
    assert {int(basket.time // 3600) for basket in baskets} <= {1, 3}


@pytest.mark.parametrize("seed", range(8))
def test_a_timeline_shows_the_baskets_in_a_row_with_the_fewest_right_products(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ends = np.cumsum(rng.integers(1, 4, 9)).tolist()
    baskets = [
        Basket(3600.0 * 9 + 61 * number, range(first, end)) for number, (first, end) in enumerate(pairwise([0, *ends]))
    ]
    truth = rng.choice(["apple", "lime", "plum"], ends[-1]).tolist()
    charged = [str(rng.choice([name, "", "apple"])) for name in truth]
    config: Any = SimpleNamespace(item_s=2.0, shown=4)
    timeline = _timeline(baskets, truth, charged, ["plum"], config)
    rights = [sum(truth[product] == charged[product] for product in basket.products) for basket in baskets]
    sums = [sum(rights[first : first + 4]) for first in range(6)]
    row = baskets[sums.index(min(sums)) :][:4]
    # A product takes 2 s, and there are 2 s from one basket to the next.
    spots, seconds = list[tuple[float, int]](), 0.0
    for basket in row:
        spots += [(seconds + 2.0 * number, product) for number, product in enumerate(basket.products)]
        seconds += 2.0 * (len(basket.products) + 1)
    known = {"apple": "known", "lime": "known", "plum": "new"}
    assert [(part.start, part.end, part.label) for part in timeline.truth] == [
        (start, start + 2.0, known[truth[product]]) for start, product in spots
    ]
    assert [(part.start, part.label) for part in timeline.answers] == [
        (start, known[charged[product]]) for start, product in spots if charged[product]
    ]
    assert [(mark.time, mark.kind, mark.text) for mark in timeline.marks] == [
        (start + 1.0, "false alarm", f"{truth[product]} charged as {charged[product]}") if charged[product]
        else (start + 1.0, "event", truth[product])
        for start, product in spots if charged[product] != truth[product]
    ]  # fmt: skip
    assert [part.label for part in timeline.states] == [f"09:{int(basket.time - 9 * 3600) // 60:02}" for basket in row]
    assert all(
        part.end - part.start == 2.0 * len(basket.products) for part, basket in zip(timeline.states, row, strict=True)
    )
    assert timeline.seconds == spots[-1][0] + 2.0 and timeline.title.startswith("4 baskets")
