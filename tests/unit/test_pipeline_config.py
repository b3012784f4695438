"""A pipeline's TOML and `--set`: what is read, and how mistakes are told."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.core.errors import (
    ConfigKeyMissingError,
    EdgewrightError,
    InputError,
    MissingFileError,
    TextEncodingError,
    TomlSyntaxError,
    UnknownNameError,
    UnreadableFileError,
)
from edgewright.core.records.config import PipelineConfig
from edgewright.pipeline.config import parse, read_config, shipped, source_text
from edgewright.pipeline.plan import parts
from edgewright.pipeline.run import run_pipeline

TEXT = """\
name = "p"
[data]
kind = "csv"
path = "rows.csv"
[[stages]]
kind = "scale"
[[stages]]
kind = "select"
k = 5
[[model.layers]]
kind = "dense"
units = 4
"""


def changed(*changes: str) -> PipelineConfig:
    return parse(TEXT, "p.toml", changes)


@pytest.mark.parametrize("name", shipped())
def test_shipped_pipelines_are_valid_to_their_last_stage(name: str) -> None:
    config = read_config(name)
    assert config.name == name
    assert [part.kind for part in parts(config.stages, name)] == [table["kind"] for table in config.stages]


def test_the_lessons_and_the_demo_are_shipped() -> None:
    assert {"activity", "latency", "scalability", "demo"} <= set(shipped())


def test_set_reads_numbers_lists_truth_and_text() -> None:
    config = changed(
        "training.epochs=30", "training.learning_rate=1e-2", "compression.int8=false", "data.path=other file.csv",
        'title="two words"', "split.test_groups=['a', 'b']",
    )  # fmt: skip
    assert config.training.epochs == 30
    assert config.training.learning_rate == pytest.approx(0.01)
    assert config.compression.int8 is False
    assert config.data["path"] == "other file.csv"
    assert config.title == "two words"
    assert config.split.test_groups == ("a", "b")


def test_set_finds_an_entry_of_a_list_by_number_and_by_kind() -> None:
    assert changed("stages.1.k=3").stages[1]["k"] == 3
    assert changed("stages.select.k=2").stages[1]["k"] == 2
    assert changed("model.layers.dense.units=16").model.layers[0]["units"] == 16
    assert changed("stages.0={kind='impute'}").stages[0] == {"kind": "impute"}


def test_set_makes_tables_that_are_not_there_and_the_last_change_wins() -> None:
    window = changed("window.samples=10", "window.samples=20").window
    assert window is not None
    assert window.samples == 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("trainig.epochs=3", r"no key 'trainig'.*Did you mean 'training'\? - at p\.toml"),
        ("training.epoch=3", r"no key 'epoch'.*Did you mean 'epochs'\? - at p\.toml training"),
        ("training.epochs=abc", r"expected a whole number, got 'abc' - at p\.toml training\.epochs"),
        ("training.epochs=0", r"expected a whole number of at least 1, got 0 - at p\.toml training\.epochs"),
        ("split.test=1.5", r"expected a number below 1, got 1\.5 - at p\.toml split\.test"),
        ("split.by=person", r"person"),
        ("stages.7.k=1", r"no entry '7'. Known: scale, select - at --set stages\.7\.k=1"),
        ("stages.scal.k=1", r"Did you mean 'scale'\?"),
        ("name.first=x", r"expected a table or a list, got 'p' - at --set name\.first=x"),
        ("name.first.second=x", r"expected a table or a list, got 'p'"),
        ("training", r"expected key=value, got 'training' - at --set"),
        ("=3", r"expected key=value, got '=3'"),
        ("name=../up", r"got '\.\./up' - at p\.toml name"),
        ("seed=-1", r"expected a whole number of at least 0, got -1 - at p\.toml seed"),
    ],
)
def test_a_wrong_set_names_the_key_and_what_was_meant(change: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        changed(change)


def test_bad_toml_names_its_line() -> None:
    with pytest.raises(TomlSyntaxError, match=r"expected valid TOML, got .*line 3, column 8.* - at broken\.toml"):
        parse('name = "p"\n[data]\nkind = = "csv"\n', "broken.toml")


def test_missing_keys_are_named() -> None:
    with pytest.raises(ConfigKeyMissingError):
        parse('name = "p"\n', "p.toml")
    with pytest.raises(ConfigKeyMissingError):
        parse("[data]\n", "p.toml")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, r"expected a `kind`, got none - at p\.toml stages\[0\]"),
        ({"kind": 3}, r"expected a `kind`, got 3"),
        ({"kind": "scal"}, r"no stage 'scal'.*Did you mean 'scale'\? - at p\.toml stages\[0\]"),
        (
            {"kind": "scale", "methd": "x"},
            r"no key 'methd'.*Did you mean 'method'\? - at p\.toml stages\[0\] \(scale\)",
        ),
        ({"kind": "scale", "title": 3}, r"expected text, got 3 - at p\.toml stages\[0\] title"),
    ],
)
def test_a_wrong_stage_names_its_place(table: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parts([table], "p.toml")


def test_stages_of_one_kind_get_names_of_their_own() -> None:
    stages = parts([{"kind": "scale"}, {"kind": "scale", "title": "Again"}, {"kind": "impute"}], "p.toml")
    assert [part.name for part in stages] == ["scale", "scale-2", "impute"]
    assert [part.title for part in stages] == ["Scale", "Again", "Impute"]


def test_a_file_that_is_not_there_or_no_text_says_so(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no such file - at .*none\.toml\. Shipped are: activity, demo"):
        source_text(str(tmp_path / "none.toml"))
    with pytest.raises(UnknownNameError, match=r"no pipeline 'activty'.*Did you mean 'activity'\?"):
        source_text("activty")
    with pytest.raises(UnreadableFileError, match="expected a pipeline file, got a folder"):
        source_text(str(tmp_path))
    (tmp_path / "bytes.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(TextEncodingError, match=r"expected text in UTF-8, got byte 0xff"):
        source_text(str(tmp_path / "bytes.toml"))


@pytest.mark.slow
@settings(max_examples=150)
@given(st.text(max_size=80))
def test_arbitrary_text_is_refused_with_one_line(text: str) -> None:
    with contextlib.suppress(EdgewrightError):
        parse(text, "any.toml")
    # Whatever follows a valid pipeline is either part of it or refused in words.
    with contextlib.suppress(EdgewrightError):
        parse(TEXT + text, "any.toml")


KEYS = st.sampled_from(
    ["name", "seed", "data", "data.kind", "stages", "stages.0", "stages.select.k", "model.layers.0.units", "split",
     "training.epochs", "window", "window.samples", "scaling", "cards.data", "stages.9", "model.layers", "nothing"]
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["true", "[]", "{}", "[1, 2]", "{a = 1}", "[{}]", "1979-05-27", "nan", "-inf", "''"]),
)


@pytest.mark.slow
@settings(max_examples=200)
@given(st.lists(st.one_of(st.builds("{}={}".format, KEYS, VALUES), st.text(max_size=20)), max_size=3))
def test_arbitrary_changes_are_taken_or_refused_with_one_line(changes: list[str]) -> None:
    try:
        config = parse(TEXT, "p.toml", tuple(changes))
        parts(config.stages, "p.toml")
    except EdgewrightError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a = " + "[" * 5000, "too many nested brackets"), ("seed = " + "9" * 5000, "too many digits")],
)
def test_toml_beyond_what_python_reads_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(TomlSyntaxError, match=f"expected valid TOML, got .*{message} - at p.toml"):
        parse(text, "p.toml")
    with pytest.raises(TomlSyntaxError, match=f"expected a TOML value, got .*{message} - at --set"):
        changed(text.replace(" ", ""))


def test_bytes_that_are_no_text_are_refused_before_they_reach_a_file() -> None:
    with pytest.raises(TextEncodingError, match=r"expected text in UTF-8, got .* - at --set character 7"):
        changed("title=\udcff")


BASE = 'name = "m"\n[data]\nkind = "wearable"\nrows = 400\npeople = 8\n'


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('[[model.layers]]\nkind = "dens"\nunits = 3\n', "no layer 'dens'"),
        ('[[model.layers]]\nkind = "dense"\n', "expected the key `units`, got none - at m.toml model.layers 1 (dense)"),
        ('[[model.layers]]\nkind = "dense"\nunits = -3\n', "got -3 - at m.toml model.layers 1 (dense) units"),
        ('[training]\noptimiser = "adm"\n', "no optimiser 'adm'"),
        ('[training]\naugment = [{ kind = "nois" }]\n', "no augmentation 'nois'"),
        (
            '[training]\naugment = [{ kind = "speaker" }]\n[[stages]]\nkind = "mfcc"\n',
            "expected stages whose values 'speaker' can change, got 'mfcc' - at m.toml training.augment",
        ),
        ('[device]\nprofile = "m4"\n', "no device profile 'm4'"),
        ('[model]\nkind = "shrub"\n', "no model 'shrub'"),
    ],
)
def test_names_are_checked_before_anything_is_read(tmp_path: Path, more: str, message: str) -> None:
    config = parse(BASE + more, "m.toml", ("data.path=/no/such/file",))
    with pytest.raises(InputError) as caught:
        run_pipeline(config, out=tmp_path / "runs")
    assert message in str(caught.value)
    assert not (tmp_path / "runs").exists()
