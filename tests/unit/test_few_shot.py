"""Labels by the nearest of a few examples on a package's features, and new ones without training."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from cli_runner import Cli
from edgewright.cli.commands.few_shot import few
from edgewright.core.archive import pack, unpack
from edgewright.core.errors import (
    CsvNumberError,
    FewShotError,
    InputError,
    LabelUnknownError,
    PackageDamagedError,
    TooFewSamplesError,
)
from edgewright.core.neighbours import (
    NONE,
    Examples,
    Neighbours,
    SampleSpace,
    begin,
    index_bytes,
    parse_index,
    read_examples,
    read_samples,
)
from edgewright.core.package import package_bytes, parse_package
from edgewright.core.records.package import Space
from runtime_example import numbers, parts, window_parts

PACKAGE = package_bytes(*parts())
CENTRES = {label: numbers(10, seed=40 + k) * 3 for k, label in enumerate(("still", "slow", "fast"))}


def near(label: str, count: int, seed: int = 0, spread: float = 0.15) -> NDArray[np.float32]:
    return np.asarray(CENTRES[label] + spread * numbers(count, 10, seed=seed), np.float32)


def write(path: Path, rows: NDArray[np.float32], labels: list[str] | None = None) -> Path:
    names = [column.name for column in parse_package(PACKAGE, "p").manifest.columns]
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join([*names, *(["kind"] if labels else [])])]
    for number, row in enumerate(rows):
        lines.append(",".join([*(f"{value:.6f}" for value in row), *([labels[number]] if labels else [])]))
    path.write_text("\n".join(lines) + "\n")
    return path


def index(space: Space = "network", labels: tuple[str, ...] = ("still", "slow"), count: int = 5) -> Neighbours:
    index = begin(PACKAGE, "p", space)
    maker = index.space()
    for number, label in enumerate(labels):
        index = index.added(label, maker.vectors(near(label, count, seed=number)))
    return index


@pytest.mark.parametrize("space", ["network", "features"])
def test_samples_take_the_label_of_the_nearest_example(space: Space) -> None:
    parsed = parse_index(index_bytes(index(space)), "i")
    maker = parsed.space()
    for label in ("still", "slow"):
        answers = parsed.answers(maker.vectors(near(label, 20, seed=9)), [""] * 20)
        assert [one.nearest for one in answers] == [label] * 20
        assert sum(one.label == label for one in answers) >= 17
    # A label that nobody showed lies further than examples do, and is known after five of it.
    fast = maker.vectors(near("fast", 20, seed=9))
    assert {one.label for one in parsed.answers(fast, [""] * 20)} == {NONE}
    more = parsed.added("fast", maker.vectors(near("fast", 5, seed=5)))
    assert [one.nearest for one in more.answers(fast, [""] * 20)] == ["fast"] * 20
    assert [one.nearest for one in more.answers(maker.vectors(near("slow", 9, seed=8)), [""] * 9)] == ["slow"] * 9


def test_spaces_are_what_the_network_takes_and_its_last_hidden_layer() -> None:
    package = parse_package(PACKAGE, "p")
    sample = near("slow", 4)
    assert SampleSpace(package, "features").vectors(sample).shape == (4, 10)
    hidden = SampleSpace(package, "network").vectors(sample)
    assert hidden.shape == (4, 64)
    assert np.allclose(np.linalg.norm(hidden, axis=1), 1, atol=1e-5)
    assert (hidden >= 0).all()  # after its ReLU


def test_distances_and_limits_by_hand() -> None:
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
    examples = Examples(vectors, np.array([0, 0, 1]), limit=2.0)
    # The label with one example takes what the other has: 1 - .8.
    assert examples.usual == pytest.approx([0.2, 0.2], abs=1e-6)
    thing = np.array([[0.6, 0.8]], np.float32)
    assert examples.distances(thing)[0] == pytest.approx([0.04, 0.2], abs=1e-6)
    chances = examples.chances(examples.distances(thing))[0]
    powers = np.array([1 / 0.04, 1 / 0.2, 1 / 0.4]) ** (1 / 0.4)
    assert chances == pytest.approx(powers / powers.sum(), rel=1e-4)
    answer = examples.answers(np.array([[-1, 0]], np.float32), ["a", "b"], ["x"])[0]
    assert (answer.label, answer.nearest, answer.origin) == (NONE, "b", "x")
    assert answer.distance == pytest.approx(1)
    assert answer.limit == pytest.approx(0.4)
    alone = Examples(vectors[[0, 2]], np.array([0, 1]), limit=1.0)
    assert alone.usual == pytest.approx([1, 1])


def test_the_same_index_gives_the_same_bytes_and_a_changed_one_is_refused() -> None:
    data = index_bytes(index())
    assert data == index_bytes(index()) == index_bytes(parse_index(data, "i"))
    with pytest.raises(PackageDamagedError):
        parse_index(data[:200] + bytes([data[200] ^ 1]) + data[201:], "i")
    for cut in (0, 10, len(data) // 2):
        with pytest.raises(PackageDamagedError):
            parse_index(data[:cut], "i")
    files = unpack(data, "i")
    spec = json.loads(files["neighbours.json"])
    for change, message in (({"version": 2}, "newer than this"), ({"labels": ["still"]}, "examples of every label"),
                            ({"limit": -1.0}, "limit above 0"), ({"space": "else"}, "neighbours.json")):  # fmt: skip
        text = json.dumps({**spec, **change}).encode()
        with pytest.raises(InputError, match=message):
            parse_index(pack({**files, "neighbours.json": text}), "i")
    with pytest.raises(PackageDamagedError):
        parse_index(pack({**files, "neighbours.json": b"{\xfb\xff}"}), "i")
    with pytest.raises(FewShotError):
        parse_index(pack({**files, "arrays/test.npy": files["arrays/vectors.npy"]}), "i")


def test_labels_that_cannot_be_are_refused() -> None:
    few_shot = index()
    for bad in ("", " ", NONE, "a\nb", "x" * 201):
        with pytest.raises(LabelUnknownError):
            few_shot.added(bad, few_shot.vectors[:1])
    assert few_shot.added(" slow ", few_shot.vectors[:1]).count("slow") == 6


def test_examples_come_from_a_folder_or_a_column(tmp_path: Path) -> None:
    manifest = parse_package(PACKAGE, "p").manifest
    write(tmp_path / "e" / "still.csv", near("still", 3))
    write(tmp_path / "e" / "slow" / "one.csv", near("slow", 2))
    write(tmp_path / "e" / "slow" / "two.csv", near("slow", 2, seed=1))
    examples = read_examples(tmp_path / "e", manifest)
    assert {label: samples.shape for label, samples in examples.items()} == {"slow": (4, 10), "still": (3, 10)}
    both = np.concatenate([near("still", 2), near("slow", 2)])
    whole = write(tmp_path / "all.csv", both, ["still", "still", "", "slow"])
    assert {label: len(samples) for label, samples in read_examples(whole, manifest, "kind").items()} == {
        "still": 2, "slow": 1,
    }  # fmt: skip
    for path, column, message in ((whole, "", "--label-column"), (whole, "none", "no none"),
                                   (tmp_path / "no", "", "no such file")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            read_examples(path, manifest, column)
    (tmp_path / "empty").mkdir()
    with pytest.raises(TooFewSamplesError):
        read_examples(tmp_path / "empty", manifest)
    text = whole.read_text().splitlines()
    whole.write_text("\n".join([text[0], ",".join(["", *text[1].split(",")[1:]])]) + "\n")
    with pytest.raises(CsvNumberError, match="line 2"):
        read_samples(whole, manifest)


def test_windows_are_cut_inside_a_label(tmp_path: Path) -> None:
    manifest = parse_package(package_bytes(*window_parts()), "p").manifest
    assert manifest.window is not None
    size, names = manifest.window.samples, [column.name for column in manifest.columns]
    rows = [["a"] * size, ["b"] * (size - 1), ["a"] * size]
    lines = [",".join([*names, "kind"])]
    lines += [",".join([*["0.5"] * len(names), label]) for stretch in rows for label in stretch]
    (tmp_path / "w.csv").write_text("\n".join(lines) + "\n")
    examples = read_examples(tmp_path / "w.csv", manifest, "kind")
    assert {label: len(samples) for label, samples in examples.items()} == {"a": 2}
    (tmp_path / "w.csv").write_text("\n".join(lines[:size]) + "\n")
    with pytest.raises(FewShotError):
        read_samples(tmp_path / "w.csv", manifest)


def test_of_many_examples_a_hundred_at_even_distances_are_stored() -> None:
    rows = np.arange(331, dtype=np.float32)
    stored = few(rows)
    assert (len(stored), stored[0], stored[-1]) == (100, 0, 330)
    assert set(np.diff(stored)) == {3, 4}
    assert np.array_equal(few(rows[:100]), rows[:100])


@pytest.mark.slow
def test_commands_learn_add_and_answer_with_the_base_install(tmp_path: Path, cli: Cli) -> None:
    edge = tmp_path / "activity.edge"
    edge.write_bytes(PACKAGE)
    for label in ("still", "slow"):
        write(tmp_path / "e" / f"{label}.csv", near(label, 30, seed=3))
    out = str(tmp_path / "a.neighbours")
    learn = ["few-shot", "learn", str(edge), "--examples", str(tmp_path / "e"), "--out", out]
    assert cli.json(*learn)["examples"] == {"slow": 30, "still": 30}
    assert "--force" in cli(*learn, code=2)
    fast = str(write(tmp_path / "fast.csv", near("fast", 6)))
    assert cli("few-shot", "predict", out, "--csv", fast).count(NONE) == 6
    assert cli.json("few-shot", "add", out, "--csv", fast, "--label", "fast")["examples"]["fast"] == 6
    more = str(write(tmp_path / "more.csv", near("fast", 4, seed=7)))
    records = [json.loads(line) for line in cli("few-shot", "predict", out, "--csv", more, "--json").splitlines()]
    assert [one["nearest"] for one in records] == ["fast"] * 4
    assert records[0]["place"] == "line 2"
    (tmp_path / "one").mkdir()
    write(tmp_path / "one" / "still.csv", near("still", 3))
    for wrong, message in ((["learn", str(edge), "--examples", str(tmp_path / "one"), "--out", out, "--force"], "two"),
                           (["predict", str(edge), "--csv", more], "neighbours.json"),
                           (["predict", str(tmp_path / "no"), "--csv", more], "no such file"),
                           (["add", out, "--csv", more, "--label", NONE], "a label of")):  # fmt: skip
        assert message in cli("few-shot", *wrong, code=2)
    code = (
        "import sys; from edgewright.cli.main import run; "
        f"assert run(['few-shot', 'predict', {out!r}, '--csv', {more!r}]) == 0; "
        "bad = {'jax', 'sklearn', 'onnx', 'onnxruntime', 'scipy', 'polars'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_network_without_a_hidden_layer_says_so() -> None:
    from runtime_example import classifier

    bare = package_bytes(*parts(classifier((10, 3))))
    with pytest.raises(FewShotError):
        begin(bare, "p", "network")
    index = begin(bare, "p", "features")
    assert msgspec.structs.asdict(index.spec)["limit"] == 1.0
