"""Data on real servers of S3 and HTTP: copies, what is refused, and commands whose workers read addresses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

# Of the extra dev.
s3fs = pytest.importorskip("s3fs")
fsspec = pytest.importorskip("fsspec")
for library in ("moto.server", "flask_cors", "aiohttp"):
    pytest.importorskip(library)

from cli_runner import Cli  # noqa: E402
from cluster_stories import package  # noqa: E402
from edgewright.core.errors import InputError  # noqa: E402
from edgewright.data.load import load_data  # noqa: E402
from edgewright.data.remote import located  # noqa: E402
from edgewright.language.labelling.project import Project  # noqa: E402
from small_pipeline import rows, write_rows  # noqa: E402
from storage_servers import S3, http_server, left_in, s3_server, stops_after  # noqa: E402

pytestmark = pytest.mark.slow
# Puts a folder on a server, and gives its address.
Put = Callable[[Path], str]


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide the folder of copies, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    s3fs.S3FileSystem.clear_instance_cache()
    return tmp_path / "cache" / "edgewright" / "data"


@pytest.fixture(params=["s3", "http"])
def put(
    request: pytest.FixtureRequest, s3: S3, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Put]:
    for key, value in s3.settings.items():
        monkeypatch.setenv(key, value)
    if request.param == "s3":
        yield lambda folder: s3.put(folder, f"{tmp_path.name}/{folder.name}")
        return
    with http_server(tmp_path) as address:
        yield lambda folder: f"{address}{folder.name}"


def _folder(path: Path) -> Path:
    """Return a folder of six files of rows."""
    path.mkdir()
    for number in range(6):
        write_rows(path / f"{number}.csv", rows()[number * 20 : number * 20 + 20])
    return path


def test_a_file_and_a_folder_are_copied_once_and_again_when_one_changes(put: Put, tmp_path: Path, cache: Path) -> None:
    folder = _folder(tmp_path / "readings")
    address = put(folder)
    first = located(f"{address}/1.csv")
    assert Path(first).read_bytes() == (folder / "1.csv").read_bytes()
    assert located(f"{address}/1.csv") == first
    whole = Path(located(f"{address}/"))
    assert {path.name: path.read_bytes() for path in whole.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    before = left_in(cache)
    assert located(f"{address}/") == str(whole)
    assert left_in(cache) == before
    # Another content of the same size, a second later as servers count.
    (folder / "1.csv").write_bytes((folder / "1.csv").read_bytes().replace(b"on", b"no"))
    os.utime(folder / "1.csv", (1e9, 1e9))
    put(folder)
    assert b"no" in Path(located(f"{address}/1.csv")).read_bytes()
    assert located(f"{address}/") != str(whole)
    assert b"no" in (Path(located(f"{address}/")) / "1.csv").read_bytes()
    assert b"no" not in Path(first).read_bytes()


def test_nothing_at_an_address_is_refused_and_leaves_nothing(put: Put, tmp_path: Path, cache: Path) -> None:
    address = put(_folder(tmp_path / "readings"))
    with pytest.raises(InputError, match=r"data that can be read, got nothing there - at .*/nowhere\.csv\. Check"):
        located(f"{address}/nowhere.csv")
    assert not left_in(cache)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "Forbidden"),
        ({"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, "Forbidden"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "Unable to locate credentials"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "Could not connect"),
    ],
    ids=["secret", "key", "none", "server"],
)
def test_without_the_right_to_read_a_command_says_so_in_a_line(
    changes: dict[str, str], reason: str, s3: S3, tmp_path: Path, cache: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = s3.put(_folder(tmp_path / "readings"), tmp_path.name)
    for key, value in {**s3.settings, **changes, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(key, value) if value else monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # no file of credentials
    message = cli("check", f"{address}/1.csv", "--target", "label", code=2)
    assert f"expected data that can be read, got {reason}" in message
    assert f"{address}/1.csv" in message
    assert "Traceback" not in message
    assert not left_in(cache)


def test_a_server_that_stops_in_the_middle_leaves_no_part_of_a_file(
    s3: S3, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "rows.csv").write_bytes(b"a,b\n" + b"1.5,2.5\n" * 200_000)
    address = s3.put(folder, tmp_path.name)
    for key, value in s3.settings.items():
        monkeypatch.setenv(key, value)
    with stops_after(s3.endpoint, 100_000) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with pytest.raises(InputError, match="data that can be read"):
            located(f"{address}/rows.csv")
    with (
        http_server(folder) as served,
        stops_after(served, 100_000) as endpoint,
        pytest.raises(InputError, match=r"data that can be read, got .*not completed"),
    ):
        located(f"{endpoint}/rows.csv")
    assert not left_in(cache)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    s3fs.S3FileSystem.clear_instance_cache()
    assert Path(located(f"{address}/rows.csv")).read_bytes() == (folder / "rows.csv").read_bytes()


def test_a_file_that_changes_while_it_is_copied_is_refused(
    put: Put, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _folder(tmp_path / "readings")
    address = put(folder)
    system = fsspec.core.url_to_fs(f"{address}/1.csv")[0]
    real = system.get_file

    def changing(name: str, copy: str) -> None:
        real(name, copy)
        write_rows(folder / "1.csv", rows()[:30])
        put(folder)

    monkeypatch.setattr(system, "get_file", changing)
    with pytest.raises(InputError, match="got files that changed while they were copied"):
        located(f"{address}/1.csv")
    assert not left_in(cache)


def test_a_signature_behind_an_address_is_no_part_of_a_name(tmp_path: Path, cache: Path) -> None:
    folder = _folder(tmp_path / "readings")
    with http_server(folder) as address:
        data = load_data({"target": "label"}, seed=0, path=f"{address}1.csv?X-Signature=a.b&expires=1")
    assert len(data.recordings[0].values) == 20


def test_commands_take_addresses_and_their_workers_read_them(
    put: Put, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = _folder(tmp_path / "readings")
    x = np.random.default_rng(0).normal(size=(120, 2))
    people = [[f"{a:.3f}", f"{b:.3f}", f"p{n % 6}", "up" if a > b else "down"] for n, (a, b) in enumerate(x)]
    write_rows(folder.parent / "people.csv", people, header="a,b,who,label")
    (tmp_path / "people").mkdir()
    (tmp_path / "people.csv").rename(tmp_path / "people" / "people.csv")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(12):
        colour = (200 if number % 2 else 30, 90, 6 * number)
        Image.new("RGB", (8, 8), colour).save(pictures / f"{number}.png")
    addresses = [put(path) + "/" for path in (folder, pictures)]
    run = package(tmp_path)
    spread = ("--cluster", "local:2")
    # score: workers read the copy of the folder.
    words = ["score", str(run), "--target", "label", "--data"]
    here, there = cli.json(*words, str(folder)), cli.json(*words, addresses[0], *spread)
    assert _without_names(here) == _without_names(there)
    # label: workers read pictures.
    classes = ("--class", "red", "--class", "dark")
    for name, data, more in (("here", str(pictures), ()), ("there", addresses[1], spread)):
        cli("label", "suggest", data, "--out", f"{name}.labelling", *classes, *more)
    with Project(Path("here.labelling")) as mine, Project(Path("there.labelling")) as others:
        query = "SELECT item, data FROM vectors ORDER BY item"
        assert list(map(tuple, mine.execute(query))) == list(map(tuple, others.execute(query)))
        assert others.meta("source") == addresses[1]
        assert (others.source / "3.png").read_bytes() == (pictures / "3.png").read_bytes()
    # run: the race spreads.
    cli(
        "run",
        f"{put(tmp_path / 'people')}/people.csv",
        "--target",
        "label",
        "--group",
        "who",
        "--budget",
        "2s",
        "--out",
        "runs",
        *spread,
    )
    assert "task" in cli.err and "2 workers" in cli.err


def _without_names(score: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in score.items() if key not in ("data", "name")}
