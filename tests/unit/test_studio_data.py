"""What the data pages draw: no peak is lost, windows stand where they lie, the map is always the same, text is text."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgewright.core.errors import UploadError
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.studio.view.data_cache import Opened, Shelf, lines, placed, windows
from edgewright.studio.view.data_sources import DataRequest, Origin, at_path
from edgewright.studio.view.drawing import clock, draw, path, thin, view
from edgewright.studio.view.feature_map import BINS, MAX_SAMPLES, chosen, draw_map, plane, spreads, statistics
from edgewright.studio.view.views import one_window
from edgewright.trace.blocks.charts import inside_marks
from labelled_folder import HOSTILE, NAMES, ROWS, write_labels, write_recordings
from studio_example import client


def _opened(dataset: DataSet, window: WindowConfig | None = None) -> Opened:
    return Opened(Origin("at", "x", {}, None, window=window), dataset)


def _data(rows: int = 300, **more: object) -> DataSet:
    generator = np.random.default_rng(1)
    values = generator.normal(size=(rows, 2)).astype(np.float32)
    target = np.repeat(["a", "b", ""], -(-rows // 3))[:rows]
    recording = Recording(name="r", values=values, target=target, **more)  # type: ignore[arg-type]
    columns = (Column(name="u", minimum=-1.0, maximum=1.0), Column(name="v"))
    return DataSet(name="d", columns=columns, recordings=(recording,), rate=10.0)


def test_thinning_loses_no_peak() -> None:
    values = np.random.default_rng(0).normal(size=1_000_000).astype(np.float32)
    peaks = [3, 123_456, 999_999]
    values[peaks] = [50, -60, 70]
    x, kept = thin(values, 1000)
    assert len(kept) == len(x) == 2000
    assert {50.0, -60.0, 70.0} <= set(kept.tolist())
    assert (np.diff(x) > 0).all()
    # Every column holds the least and the largest of its rows.
    for column in (0, 123, 999):
        rows = values[column * 1000 : (column + 1) * 1000]
        assert sorted(kept[2 * column : 2 * column + 2].tolist()) == [float(rows.min()), float(rows.max())]


def test_short_lines_are_drawn_whole_and_missing_values_break_them() -> None:
    values = np.array([1, np.nan, 2, 3], np.float32)
    x, kept = thin(values, 1000)
    assert kept is values
    assert path(x, kept) == "M0 1h.1M2 2h.1L3 3"
    values = np.full(5000, np.nan, np.float32)
    values[4000] = 7
    _, kept = thin(values, 10)
    assert np.nanmax(kept) == 7
    assert int(np.isfinite(kept).sum()) == 2


@pytest.mark.parametrize(
    ("first", "end", "seen"),
    [("", "", (0, 100)), ("10", "40", (10, 40)), ("90", "10", (0, 100)), ("5", "6", (5, 13)), ("99", "400", (92, 100)),
     ("-1", "x", (0, 100)), ("1e9", "2", (0, 8)), ("9" * 40, "", (0, 100))],
)  # fmt: skip
def test_what_an_address_asks_to_see_lies_in_the_recording(first: str, end: str, seen: tuple[int, int]) -> None:
    assert view(first, end, 100) == seen


def test_marks_are_round_and_times_short() -> None:
    assert inside_marks(-0.31, 1.02, 3) == [0.0, 0.5, 1.0]
    assert inside_marks(2.0, 2.0, 3) == [2.0]
    assert [clock(s) for s in (0.5, 65, 3725, 90_000)] == ["0.5 s", "1:05", "1:02:05", "1 d 01:00"]


def test_bands_gaps_and_windows_stand_where_they_lie() -> None:
    time = np.arange(300) / 10
    time[200:] += 60
    opened = _opened(_data(time=time), WindowConfig(samples=20, step=10))
    samples, _ = opened.samples()
    assert samples is not None
    drawing = draw(opened, 0, 0, 300, channels=[0, 1], windows=windows(opened.dataset, samples))
    assert [(b.label, b.first, b.end) for b in drawing.bands] == [("a", 0, 100), ("b", 100, 200)]
    assert [(round(b.x), round(b.width)) for b in drawing.bands] == [(0, 33), (33, 33)]
    assert [text for _, text in drawing.gaps] == ["1:00"]
    assert len(drawing.boxes) == len(samples.X) == 18
    assert {box.lane for box in drawing.boxes} == {0, 1}
    assert [p.name for p in drawing.panels] == ["u", "v"]
    assert lines(opened)[0].counts == (("a", 100), ("b", 100))
    assert lines(opened)[0].unlabelled == 100


def test_windows_are_found_in_their_recording_whatever_sessions_say() -> None:
    def one(name: str, sessions: list[str]) -> Recording:
        rows = np.arange(len(sessions), dtype=np.float32)[:, None] + (1000 if name == "b" else 0)
        target = np.repeat(["p", "q"], [6, len(sessions) - 6])
        return Recording(name=name, values=rows, target=target, sessions=np.array(sessions))

    parts = (one("a", ["s"] * 10 + ["t"] * 10 + ["s"] * 10), one("b", ["t"] * 15 + ["z"] * 5))
    dataset = DataSet(name="d", columns=(Column(name="c"),), recordings=parts)
    for window in (None, WindowConfig(samples=4, step=2, within="recording")):
        samples = cut(dataset, window)
        where = windows(dataset, samples)
        for number, (index, row) in enumerate(zip(where.recording, where.row, strict=True)):
            first = samples.X[number].reshape(-1)[0]
            assert parts[index].values[row, 0] == first
    window = WindowConfig(samples=4, step=1, within="recording", fill_start=True)
    samples = cut(dataset, window)
    where = windows(dataset, samples, fill_start=True)
    for number, (index, row) in enumerate(zip(where.recording, where.row, strict=True)):
        assert parts[index].values[row + 3, 0] == samples.X[number, 0, -1]


def test_copies_of_the_first_row_are_not_drawn() -> None:
    opened = _opened(_data(), WindowConfig(samples=20, step=5, within="recording", fill_start=True))
    samples, where, _ = placed(opened)
    assert samples is not None
    assert where is not None
    assert where.within(0, 0, 6).tolist() == [*range(5)]
    context = one_window(opened, DataRequest("data", opened.origin, {}), samples, where, 2, {2: ("a", 1.0)})
    assert [context[key] for key in ("first", "end", "from", "seconds")] == [0, 6, 0, 0.6]
    assert context["mark"] == (0.0, round(100 * 6 / context["to"], 3))
    drawing = draw(opened, 0, 0, 100, channels=[0], windows=where)
    assert [(box.x, box.width) for box in drawing.boxes][:2] == [(0.0, 1.0), (0.0, 6.0)]


def test_distributions_count_every_row_once() -> None:
    ranges, step = spreads(_opened(_data(3000)), 0)
    assert step == 1
    first = ranges[0]
    assert [part.label for part in first.parts] == ["", "a", "b"]
    assert [part.count for part in first.parts] == [3000, 1000, 1000]
    values = _data(3000).recordings[0].values[:, 0]
    assert first.outside == pytest.approx(float((np.abs(values) > 1).mean()))
    assert ranges[1].outside is None
    assert first.parts[0].d.count("M") <= BINS
    assert first.minimum == float(values.min())


def test_the_map_is_the_same_every_time_and_no_class_is_lost() -> None:
    y = np.array(["many"] * 5000 + ["few"] * 12 + ["one"])
    picked = chosen(y)
    assert len(picked) <= MAX_SAMPLES
    assert {str(label) for label in y[picked]} == {"many", "few", "one"}
    assert (picked == chosen(y)).all()
    opened = _opened(_data(), WindowConfig(samples=20, step=5))
    samples, _ = opened.samples()
    assert samples is not None
    first, again = draw_map(opened, samples), draw_map(opened, samples)
    assert first == again
    assert len(first.points) == len(samples.X)
    assert all(0 <= p.x <= 400 and 0 <= p.y <= 300 for p in first.points)


def test_features_with_holes_and_constants_make_a_plane() -> None:
    X = np.random.default_rng(3).normal(size=(40, 3, 30)).astype(np.float32)
    X[0, 0] = np.nan
    X[:, 2] = 4
    X[:20, 1] += 9
    features, _ = statistics(X)
    assert features.shape == (40, 15)
    places, shares = plane(features)
    assert np.isfinite(places).all()
    assert shares[0] > shares[1] > 0
    # What differs most lies on two sides.
    assert np.median(places[:20, 0]) * np.median(places[20:, 0]) < 0
    flat, none = plane(np.ones((5, 2), np.float32))
    assert (flat == 0).all()
    assert none == (0.0, 0.0)


def test_opened_data_are_kept_until_they_change_and_up_to_a_bound(tmp_path: Path) -> None:
    root = tmp_path / "studio"
    write_labels(write_recordings(root / "moves"))
    write_recordings(root / "others")
    shelf = Shelf(maximum=ROWS)
    origin = at_path(root, "moves", {"rate": "50"})
    first = shelf.open(origin)
    assert shelf.open(origin) is first
    assert first.dataset.rate == 50
    assert first.window() == WindowConfig(samples=100, within="recording", pad=True)
    (root / "moves" / "labels.csv").write_text("file,label\none.csv,x\ntwo.csv,y\n")
    assert shelf.open(origin) is not first
    changed = shelf.open(origin)
    shelf.open(at_path(root, "others", {}))
    assert shelf.open(origin) is not changed


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "studio"
    folder = write_recordings(root / "moves")
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    (folder / "five.csv").symlink_to(secret)
    with pytest.raises(UploadError, match="leads out"):
        at_path(root, "moves", {})
    (root / "alone.csv").symlink_to(secret)
    browser = client(root)
    assert browser.get("/data/at/alone.csv").status_code == 404
    assert browser.get("/data/at/moves").status_code == 400
    assert "five.csv" not in browser.get("/data?in=moves").text
    (folder / "five.csv").unlink()
    (folder / "round.csv").symlink_to("round.csv")
    with pytest.raises(UploadError, match="leads out"):
        at_path(root, "moves", {})


@pytest.mark.parametrize(
    "path_in_folder", ["x/..%2F..%2Fsecret.csv", "..%2Fsecret.csv", "%2Fetc%2Fpasswd", ".edgewright/x", "no.csv"]
)
def test_nothing_outside_the_folder_is_opened(tmp_path: Path, path_in_folder: str) -> None:
    root = tmp_path / "studio"
    root.mkdir()
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    browser = client(root)
    for kind in ("data/at", "labels/at", "data/run", "labels/run", "data/elsewhere"):
        assert browser.get(f"/{kind}/{path_in_folder}").status_code == 404
    assert browser.get(f"/data?in={path_in_folder}").status_code == 404


def test_an_address_names_no_other_path(tmp_path: Path) -> None:
    root = tmp_path / "studio"
    write_recordings(root / "moves")
    other = tmp_path / "labels.csv"
    other.write_text("file,label\none.csv,secret\n")
    origin = at_path(root, "moves", {"labels": str(other), "path": str(tmp_path), "kind": "wav"})
    assert origin.path == str((root / "moves").resolve())
    assert "labels" not in origin.table
    assert "secret" not in client(root).get(f"/data/at/moves?labels={other}&path={tmp_path}").text


@pytest.mark.slow
def test_names_and_labels_from_data_stay_text(tmp_path: Path) -> None:
    root = tmp_path / "studio"
    folder = write_recordings(root / "moves", columns=(HOSTILE, "y"))
    cell = '"' + HOSTILE.replace('"', '""') + '"'
    rest = "".join(f"{name},0,6,b,p\n" for name in NAMES)
    (folder / "labels.csv").write_text(f"file,start,end,label,person\none.csv,6,12,{cell},{cell}\n{rest}")
    browser = client(root)
    for view_of in ("recordings", "signal", "spread", "map", "map&sample=1"):
        for rate in ("50", HOSTILE.replace("&", "%26")):
            text = browser.get(f"/data/at/moves?view={view_of}&rate={rate}").text
            assert "<img" not in text
            assert "onerror=window.harmed=1&gt;" in text or rate == "50"
    assert "&lt;img src=x" in browser.get("/data/at/moves?view=signal&rate=50").text
    text = browser.get("/labels/at/moves?recording=one.csv&rate=50").text
    assert "<img" not in text
    assert text.count("&lt;img src=x") > 3


def test_what_cannot_be_read_says_so_and_how_to_read_it(tmp_path: Path) -> None:
    root = tmp_path / "studio"
    root.mkdir()
    (root / "rows.csv").write_text("when,a\n2020-01-01,1\n2020-01-02,2\n")
    browser = client(root)
    answer = browser.get("/data/at/rows.csv")
    assert answer.status_code == 400
    assert "name the column &#39;when&#39; as time" in answer.text
    assert browser.get("/data/at/rows.csv?time=when").status_code == 200
    assert browser.get("/data/at/rows.csv?ignore=when&view=map").status_code == 200
    assert browser.get("/data/at/rows.csv?ignore=when&view=map&window=abc").status_code == 400


def test_all_views_of_rows_and_amounts_answer(tmp_path: Path) -> None:
    root = tmp_path / "studio"
    root.mkdir()
    rows = "".join(f"{i},{i * i % 17},{i / 7}\n" for i in range(100))
    (root / "rows.csv").write_text(f"a,b,c\n{rows}")
    browser = client(root)
    for view_of in ("recordings", "signal", "spread", "map", "map&sample=3", "nonsense"):
        answer = browser.get(f"/data/at/rows.csv?target=c&view={view_of}")
        assert answer.status_code == 200, answer.text
    assert "the columns themselves" in browser.get("/data/at/rows.csv?target=c&view=map").text


def test_a_large_data_set_gives_fewer_windows_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgewright.studio.view.data_cache.MOST_SAMPLES", 20_000)
    root = tmp_path / "studio"
    write_labels(write_recordings(root / "moves"))
    opened = Shelf().open(at_path(root, "moves", {"rate": "50", "window": "50", "step": "5"}))
    samples, why = opened.samples()
    assert samples is not None
    assert why == ""
    assert opened.every > 1
    assert samples.X.nbytes <= 2 * 20_000
    message = client(root).get("/data/at/moves?rate=50&window=50&step=5&view=map").text
    assert f"the map uses one in {opened.every}" in message


def test_the_folder_source_reads_as_before(tmp_path: Path) -> None:
    folder = write_recordings(tmp_path / "moves")
    write_labels(folder)
    data = load_data({"kind": "folder", "rate": 50.0}, seed=0, path=str(folder))
    assert [str(r.target[0]) for r in data.recordings] == ["shake"] * 4
    assert msgspec.structs.asdict(data)["group_name"] == "group"
