"""The picture of a race: a point a pipeline, the chosen one ringed, those too large hollow, the flash as a line."""

from __future__ import annotations

import re
from pathlib import Path

from edgewright.core.records.footprint import Footprint, Spread
from edgewright.core.records.race import EntrantRecord, RaceRecord
from edgewright.core.records.trace import Interval
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run_folder.journal import Journalling
from edgewright.trace.journal import journals, read_progress
from edgewright.trace.sections.race import race_figure


def entrant(name: str, score: float, size: float, beyond: str = "") -> EntrantRecord:
    flash = Spread(value=size, low=size, high=size, unit="B", how="estimated")
    return EntrantRecord(
        name=name, title=f"{name} <b>", beyond=beyond,
        footprint=Footprint(profile="tiny", form="int8", flash=flash, ram=flash, instructions=None, latency_us=None),
        score=Interval(value=score, low=score - 0.1, high=score + 0.05, method="wilson"),
    )  # fmt: skip


def race(*entrants: EntrantRecord, chosen: str = "small", flash: int = 65_536) -> RaceRecord:
    return RaceRecord(
        metric="accuracy", metric_title="accuracy", metric_why="balanced", higher=True, kept="group", units=3,
        samples=90, entrants=entrants, chosen=chosen, why="small is enough", profile="tiny", flash=flash,
    )  # fmt: skip


ALL = (entrant("large", 0.95, 1e6, "flash"), entrant("small", 0.9, 2_000), entrant("middle", 0.91, 20_000))


def places(svg: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="4.5"', svg)]


def test_points_stand_by_the_logarithm_of_their_bytes_and_by_their_score() -> None:
    svg = str(race_figure(race(*ALL)))
    (large, small, middle) = places(svg)
    assert small[0] < middle[0] < large[0]
    # 2 kB to 20 kB is a decade; 20 kB to 1 MB is 1.7 of them.
    assert abs((large[0] - middle[0]) / (middle[0] - small[0]) - 1.699) < 0.01
    assert large[1] < middle[1] < small[1]


def test_the_chosen_one_is_ringed_and_the_limit_is_a_line() -> None:
    svg = str(race_figure(race(*ALL)))
    assert svg.count('r="8"') == 1
    assert svg.index("small &lt;b&gt;: 0.900") < svg.index('r="8"') < svg.index("middle &lt;b&gt;: 0.910")
    assert "flash of tiny: 65.5 kB" in svg
    limit = float(re.search(r'd="M([\d.]+) [\d.]+V[\d.]+" stroke="var\(--bad\)"', svg)[1])  # type: ignore[index]
    assert places(svg)[2][0] < limit < places(svg)[0][0]
    assert "one does not fit tiny" in svg and "small &lt;b&gt; is chosen, 0.900 in 2 kB" in svg
    assert "<b>" not in svg


def test_a_race_that_goes_on_has_no_ring_and_one_point_is_no_picture() -> None:
    svg = str(race_figure(race(*ALL, chosen="", flash=0)))
    assert 'r="8"' not in svg and "Ring" not in svg and "flash of tiny" not in svg
    assert race_figure(race(ALL[0], EntrantRecord(name="late", title="late"))) == ""


def test_a_journal_goes_from_the_race_to_the_training(tmp_path: Path) -> None:
    listener = Journalling(tmp_path, None, "edgewright run rows.csv")
    listener.start("rows", "", "")
    listener.race(race(*ALL, chosen=""))
    (path,) = journals(tmp_path).iterdir()
    before = read_progress(path)
    assert before.race is not None and [one.name for one in before.race.entrants] == ["large", "small", "middle"]
    assert before.opening.config == {}
    listener.config = read_config("activity")
    listener.start("activity", "a title", "phone-arm64")
    (same,) = journals(tmp_path).iterdir()
    after = read_progress(same)
    assert (same, after.opening.title, after.race) == (path, "a title", before.race)
    assert after.opening.config["name"] == "activity"
    listener.end("finished", "")
