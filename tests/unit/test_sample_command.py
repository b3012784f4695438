"""`edgewright sample`: small simulated tables that say so, the same for a seed, and never over a file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.input.riff import wav_bytes
from edgewright.data.load import load_data, simulated_title
from edgewright.data.preview import guess_pattern
from edgewright.data.simulated import PREFIX
from edgewright.data.tabular import SAMPLES, SPEECH
from edgewright.trace.page_model import read_trace

_WHOLE = dict(SPEECH)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_sample_is_a_table_with_a_target_that_says_that_it_is_simulated(kind: str, cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "my.csv"
    assert "simulated: no sensor measured them" in cli("sample", kind, "--out", out)
    frame = pl.read_csv(out)
    assert len(frame) == SAMPLES[kind]["rows"]
    assert 2 <= frame[frame.columns[-1]].n_unique() <= 3
    before = out.read_bytes()
    assert "--force" in cli("sample", kind, "--out", out, code=2)
    assert out.read_bytes() == before
    cli("sample", kind, "--out", out, "--force", "--seed", "1")
    assert out.read_bytes() != before


@pytest.mark.slow
def test_sentences_lead_to_the_command_that_trains_on_them(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "simulated by a grammar: nobody said them" in cli("sample", "utterances")
    frame = pl.read_csv("utterances.csv")
    assert frame.columns == ["text", "intent"]
    assert frame["intent"].n_unique() == 4
    assert frame["text"].n_unique() == len(frame) > 400
    for command in ("init", "run"):
        err = cli(command, "utterances.csv", code=2)
        assert err.count("\n") == 1
        assert "sentences in column 'text'" in err
    named = err.partition("Train on sentences: edgewright ")[2].split()
    cli(*named)
    assert "set_temperature" in cli("language", "parse", "please warm the office to twenty", "--model", named[-1])


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_run_on_a_sample_begins_with_simulated_data(ending: str, cli: Cli, tmp_path: Path) -> None:
    cli("sample", "machine", "--out", tmp_path / f"my.{ending}")
    options = ("--target", "alarm", "--decision", "row", "--out", tmp_path / "runs")
    printed = cli("run", tmp_path / f"my.{ending}", *options)
    assert "Simulated data" in printed.splitlines()[0]
    page = (tmp_path / "runs" / "my" / "trace.html").read_text()
    assert "The data are simulated: no sensor measured them." in page
    assert page.index("Simulated data") < page.index("Data flow")


def test_rows_of_a_user_are_never_called_simulated(tmp_path: Path) -> None:
    """Also where names come near, or a user added rows of their own to a sample."""
    path, rows = tmp_path / "my.csv", "x,recording,label\n1,{},a\n2,{},b\n"
    table: dict[str, object] = {"kind": "csv", "path": str(path)}
    for first, last, simulated in (
        (PREFIX + "1", PREFIX + "2", True), (PREFIX + "1", "mine", False), ("simulated fall", "simulated fall", False),
        ("", "", False),
    ):  # fmt: skip
        path.write_text(rows.format(first, last))
        assert simulated_title("My title", table) == ("Simulated data. My title" if simulated else "My title")
    for text in ("x,label\n1,a\n", "x,recording\n", "", '"'):
        path.write_text(text)
        assert simulated_title("My title", table) == "My title"
    pl.DataFrame({"x": [1.0, 2.0], "label": ["a", "b"]}).write_parquet(tmp_path / "my.parquet")
    pl.DataFrame({"recording": [1, None]}).write_parquet(tmp_path / "numbers.parquet")
    (tmp_path / "broken.parquet").write_text("x")
    for name in ("my.parquet", "numbers.parquet", "broken.parquet", "none.parquet"):
        assert simulated_title("My title", {"kind": "parquet", "path": str(tmp_path / name)}) == "My title"


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAMPLES)
def test_three_commands_lead_from_a_sample_to_c(
    kind: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cli("sample", kind, "--out", "my.csv")
    cli("init", "my.csv", "--yes")
    printed = cli("run", "pipeline.toml")
    # A sample of few sensors may miss one of them.
    assert "ready for cortex-m4: " in printed or "ready, with a weakness for cortex-m4: " in printed
    assert "not ready" not in printed
    cli("export", "runs/my", "--to", "c99", "--out", "firmware")
    assert list((tmp_path / "firmware").glob("*.c"))


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the folder that `sample speech` writes, of three speakers while this module runs its fast tests."""
    out = tmp_path_factory.mktemp("sample") / "speech"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SPEECH, "speakers", 3)
        patch.setitem(SPEECH, "repetitions", 2)
        assert run(["sample", "speech", "--out", str(out)]) == 0
        yield out


def test_speech_is_a_folder_whose_names_say_word_and_speaker(speech: Path) -> None:
    names = [path.name for path in sorted(speech.iterdir())]
    assert len(names) == 4 * 3 * 2
    assert names[:2] == ["go_speaker01_1.wav", "go_speaker01_2.wav"]
    assert guess_pattern(names)[0] == "{label}_speaker{group}_{index}"
    data = load_data({"kind": "wav", "path": str(speech), "pattern": "{label}_speaker{group}_{index}"}, seed=0)
    assert data.rate == 8000
    lengths = [len(one.values) / 8000 for one in data.recordings]
    assert 0.25 < min(lengths) < max(lengths) < 1.2
    assert min(float(np.abs(one.values).max()) for one in data.recordings) > 0.1


def test_speech_says_in_every_file_that_it_is_simulated(speech: Path, tmp_path: Path) -> None:
    """Also in a ZIP and in folders by word; not beside one recording of a user's."""
    table: dict[str, object] = {"kind": "wav", "path": str(speech)}
    assert simulated_title("Mine", table) == "Simulated data. Mine"
    shutil.make_archive(str(tmp_path / "all"), "zip", speech)
    assert simulated_title("Mine", {**table, "path": str(tmp_path / "all.zip")}) == "Simulated data. Mine"
    mine = tmp_path / "mine"
    for word in ("go", "yes"):
        (mine / word).mkdir(parents=True)
        shutil.copy(speech / f"{word}_speaker01_1.wav", mine / word / "a.wav")
    (mine / "labels.csv").write_text("file,label\n")
    folder: dict[str, object] = {"kind": "folder", "path": str(mine)}
    assert simulated_title("Mine", folder) == "Simulated data. Mine"
    (mine / "go" / "b.wav").write_bytes(wav_bytes(np.zeros((8, 1)), 8000))
    assert simulated_title("Mine", folder) == "Mine"
    (mine / "go" / "b.wav").write_bytes(wav_bytes(np.zeros((8, 1)), 8000, comment="said by me"))
    assert simulated_title("Mine", folder) == "Mine"


def test_speech_of_another_seed_replaces_its_own_files_only(speech: Path, tmp_path: Path, cli: Cli) -> None:
    before = (speech / "go_speaker01_1.wav").read_bytes()
    assert "--force" in cli("sample", "speech", "--out", speech, code=2)
    cli("sample", "speech", "--out", speech, "--force", "--seed", "1")
    assert (speech / "go_speaker01_1.wav").read_bytes() != before
    cli("sample", "speech", "--out", speech, "--force")
    assert (speech / "go_speaker01_1.wav").read_bytes() == before
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "dear.wav").write_bytes(before)
    assert "expected an empty folder, got 1 file in it" in cli("sample", "speech", "--out", mine, "--force", code=2)
    assert "a new folder" in cli("sample", "speech", "--out", mine / "dear.wav", code=2)
    assert [path.name for path in mine.iterdir()] == ["dear.wav"]


@pytest.mark.slow
def test_three_commands_lead_from_spoken_words_to_c(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for key, value in _WHOLE.items():
        monkeypatch.setitem(SPEECH, key, value)
    assert "wrote speech: 320 recordings" in cli("sample", "speech")
    assert "edgewright init speech" in cli.out
    cli("init", "speech", "--yes")
    printed = cli("run", "pipeline.toml")
    assert "Simulated data" in printed.splitlines()[0]
    assert "ready for cortex-m4: " in printed or "ready, with a weakness for cortex-m4: " in printed
    assert "not ready" not in printed
    cli("export", "runs/speech", "--to", "c99", "--out", "firmware")
    assert list((tmp_path / "firmware").glob("*.c"))
    trace = read_trace(tmp_path / "runs" / "speech" / "trace.json")
    config: Any = trace.config
    assert config["split"]["by"] == "group"
    assert trace.evaluation is not None and trace.evaluation.accuracy is not None
    assert 0.85 < trace.evaluation.accuracy.value < 1.0
    cli("prove", "runs/speech")


def test_what_it_cannot_write_is_refused(cli: Cli, tmp_path: Path) -> None:
    assert "machine" in cli("sample", "nothing", code=2)
    assert "ends in .csv" in cli("sample", "utterances", "--out", tmp_path / "my.parquet", code=2)
    assert ".parquet or .csv" in cli("sample", "motion", "--out", tmp_path / "my.txt", code=2)
    assert "an existing folder" in cli("sample", "motion", "--out", tmp_path / "none" / "my.csv", code=2)
