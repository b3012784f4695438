"""The guided start: a file is kept safely, its columns are recognised and corrected, and a run begins with them."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from edgewright.data.simulated import is_simulated
from edgewright.studio import paths
from edgewright.studio.pages.guided import PAGE
from small_pipeline import rows, write_rows
from studio_example import HOSTILE, Client, client


def people(path: Path) -> Path:
    """Write rows of four people with a clock, two readings and a state."""
    lines = ["who,t,a,b,state"]
    lines += [f"p{i // 30},{i * 0.02:.2f},{a},{b},{label}" for i, (a, b, label) in enumerate(rows())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def upload(studio: Client, name: str, content: bytes) -> str:
    """Upload a file and return where the studio goes on."""
    answer = studio.post("/new", files={"file": (name, content)})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_an_empty_folder_begins_with_the_guided_start(tmp_path: Path) -> None:
    text = client(tmp_path).get("/").text
    assert 'action="/new"' in text
    assert 'href="/start"' in text
    assert 'type="file"' in text
    assert PAGE.address == "/new"


def test_columns_are_recognised_and_corrected(tmp_path: Path) -> None:
    studio = client(tmp_path)
    address = upload(studio, "my rows.csv", people(tmp_path / "rows.csv").read_bytes())
    assert address == "/new/data/my-rows.csv"
    text = studio.get(address).text
    assert "state (recognised)" in text
    assert "t (recognised)" in text
    assert "No column names a person or machine" in text
    assert '<svg class="bands"' in text
    changed = studio.get(f"{address}?group=who&decision=window&rows=24&ignore=b")
    assert changed.status_code == 200
    assert '<option value="who" selected>' in changed.text
    assert "Only 4 people or machines" in changed.text
    assert '<output for="rows">24</output>' in changed.text
    assert "left out: as you asked" in changed.text
    # A window of 24 rows of one reading, float32.
    assert "<dd>96 B</dd>" in changed.text


def test_the_command_says_what_the_form_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = client(tmp_path)
    calls: list[tuple[list[str], str]] = []

    def start(arguments: list[str], name: str, back: str) -> int:
        assert name == "rows.csv"
        calls.append((arguments, back))
        return 7

    monkeypatch.setattr(studio.app.state.studio.jobs, "start", start)
    address = upload(studio, "rows.csv", people(tmp_path / "rows.csv").read_bytes())
    form = {"group": "who", "decision": "window", "rows": "24", "ignore": "b", "device": "esp32-s3", "session": "none"}
    assert studio.post(address, data=form).headers["location"] == "/started/7"
    ((arguments, back),) = calls
    path = str(tmp_path / "data" / "rows.csv")
    assert arguments == [
        "--group=who", "--session=none", "--decision=24 rows", "--device=esp32-s3", "--ignore=b", "--", path,
    ]  # fmt: skip
    assert '<option value="who" selected>' in studio.get(back).text
    wrong = studio.post(address, data={"target": "nothing"})
    assert wrong.status_code == 400
    assert "Traceback" not in wrong.text
    assert len(calls) == 1


def stream() -> bytes:
    """Return rows of a state that lasts 120 rows, so that windows of 24 have one label."""
    waves = [(i, math.sin(i * 0.3) * (1 + i // 120 % 2), math.cos(i * 0.7)) for i in range(960)]
    lines = [f"{i * 0.02:.2f},{a:.4f},{b:.4f},{'on' if i // 120 % 2 else 'off'}" for i, a, b in waves]
    return "\n".join(["t,a,b,state", *lines]).encode()


def test_as_many_features_as_chosen_are_drawn_and_make_the_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = client(tmp_path)
    address = upload(studio, "rows.csv", stream())
    window = "decision=window&rows=24"
    every = studio.get(f"{address}?{window}").text
    count = int(re.search(r'name="features" min="1" max="(\d+)"', every)[1])  # type: ignore[index]
    assert count > 10
    assert every.count('class="plot spread"') == 6
    assert f"components of {count} features" in every
    few = studio.get(f"{address}?{window}&keep=best&features=2").text
    assert few.count('class="plot spread"') == 2
    assert "components of 2 features" in few
    assert places(few) != places(every)
    # A number that no longer makes a choice, as after a shorter window, is all of them.
    assert f"components of {count} features" in studio.get(f"{address}?{window}&keep=best&features=999").text
    for wrong in ("0", "-1", "x", "9999999"):
        answer = studio.get(f"{address}?{window}&keep=best&features={wrong}")
        assert (answer.status_code, answer.text.count('role="alert"')) == (400, 1)
    calls: list[list[str]] = []
    monkeypatch.setattr(studio.app.state.studio.jobs, "start", lambda arguments, name, back: calls.append(arguments))
    for number in ("2", "999"):
        form = {"decision": "window", "rows": "24", "keep": "best", "features": number}
        assert studio.post(address, data=form).status_code == 303
    assert [[one for one in arguments if one.startswith("--features")] for arguments in calls] == [["--features=2"], []]


def places(page: str) -> list[str]:
    """Return where the points of the map are."""
    return re.findall(r'class="point k\d" transform="translate\(([^)]+)\)', page)


def test_nothing_is_replaced(tmp_path: Path) -> None:
    first, other = b"a,label\n1,x\n2,y\n", b"a,label\n1,x\n2,z\n"
    names = [paths.keep(tmp_path, "my.csv", io.BytesIO(content)) for content in (first, other, first, other)]
    assert names == ["data/my.csv", "data/my-2.csv", "data/my.csv", "data/my-2.csv"]
    assert (tmp_path / "data" / "my.csv").read_bytes() == first
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["my-2.csv", "my.csv"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("my.csv", b"", "Expected rows, got an empty file"),
        ("my.csv", bytes(range(256)) * 8, "my.csv"),
        ("my.parquet", b"PAR1 but no table", "Expected a whole Parquet file"),
        ("my.exe", b"a,b\n1,2\n", "a CSV, TSV, Parquet or WAV file"),
        ("../my.csv", b"a,b\n1,2\n", "a file name without folders"),
        ("..\\my.csv", b"a,b\n1,2\n", "a file name without folders"),
        (".csv", b"a,b\n1,2\n", "a file name without folders"),
        ("", b"", "Expected a file, got none"),
    ],
)
def test_a_file_that_is_no_table_is_one_line_and_not_kept(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    answer = client(tmp_path).post("/new", files={"file": (name, content)})
    assert answer.status_code == 400
    assert message in answer.text.replace("&#39;", "'")
    assert answer.text.count('role="alert"') == 1
    assert "Traceback" not in answer.text
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_huge_file_is_refused_before_it_is_kept(tmp_path: Path) -> None:
    answer = client(tmp_path, largest=2_097_152).post("/new", files={"file": ("my.csv", b"1,2\n" * 600_000)})
    assert (answer.status_code, answer.text) == (413, "The studio accepts forms of at most 2 MiB.\n")
    assert list(tmp_path.iterdir()) == []


def test_a_table_without_readings_says_so_and_trains_nothing(tmp_path: Path) -> None:
    studio = client(tmp_path)
    address = upload(studio, "one.csv", b"label\nx\ny\n" * 1)
    for answer in (studio.get(address), studio.post(address, data={})):
        assert answer.status_code == 400
        assert answer.text.count('role="alert"') == 1
        assert "Traceback" not in answer.text
    assert studio.app.state.studio.jobs.started == {}


@pytest.mark.parametrize("path", ["../x.csv", "/etc/passwd", "data/../../x.csv", "none.csv", ".edgewright", "%00"])
def test_paths_of_the_folder_only(tmp_path: Path, path: str) -> None:
    write_rows(tmp_path / "x.csv")
    root = tmp_path / "runs"
    root.mkdir()
    studio = client(root)
    answer = studio.post("/new", data={"path": path})
    assert answer.status_code == 404
    assert "Traceback" not in answer.text
    assert studio.get(f"/new/{quote(path, safe='')}").status_code == 404


def test_links_lead_nowhere(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    root.mkdir()
    (tmp_path / "out").mkdir()
    (root / "data").symlink_to(tmp_path / "out")
    answer = client(root).post("/new", files={"file": ("my.csv", b"a,label\n1,x\n2,y\n")})
    assert answer.status_code == 400
    assert list((tmp_path / "out").iterdir()) == []


def test_names_from_a_file_stay_text(tmp_path: Path) -> None:
    studio = client(tmp_path)
    quoted = HOSTILE.replace('"', '""')
    lines = [f'"{quoted}",label', *(f"{i % 7}.5,{'on' if i % 2 else 'off'}" for i in range(60))]
    text = studio.get(upload(studio, "my.csv", "\n".join(lines).encode())).text
    assert "<img" not in text
    assert "&lt;img" in text
    assert "<img" not in studio.get(f"/new/data/my.csv?target={quote(HOSTILE)}").text
    assert "<img" not in studio.get(f"/new/data/my.csv?device={quote(HOSTILE)}").text


def test_samples_are_offered(tmp_path: Path) -> None:
    studio = client(tmp_path)
    address = studio.post("/new", data={"sample": "machine"}).headers["location"]
    assert address == "/new/data/machine.csv"
    assert "alarm (recognised)" in studio.get(address).text
    (written,) = tmp_path.rglob("machine.csv")
    assert is_simulated(written)
