"""Synthetic rows are marked and never tested on; sentences of a grammar."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.errors import GrammarError, InputError, SyntheticDataMisplacedError
from edgewright.core.records.config import SplitConfig, WindowConfig
from edgewright.core.records.data import Column, DataSet, Recording, Samples
from edgewright.data.samples import cut
from edgewright.data.splits import split
from edgewright.data.synthetic import is_synthetic, marked, origin
from edgewright.language.synthesis import read_grammar, sentences
from edgewright.language.utterances import read

PEOPLE = ("anna", "bert", "carl", "dora", "emil", "fred")


def people(rows: int = 200) -> DataSet:
    rng = np.random.default_rng(0)
    recordings = []
    for number, name in enumerate(PEOPLE):
        time = np.arange(rows) / 50
        fast = np.arange(rows) >= rows // 2
        wave = np.sin(2 * np.pi * np.where(fast, 4.0, 1.0) * time)[:, None] * (1 + 0.1 * number)
        values = np.asarray(wave * [1.0, 0.5, 0.2] + 0.1 * rng.normal(size=(rows, 3)), np.float32)
        recordings.append(
            Recording(name=f"walk-{name}", values=values, target=np.where(fast, "run", "walk"),
                      groups=np.full(rows, name), time=time)
        )  # fmt: skip
    columns = tuple(Column(name=f"acc_{axis}") for axis in "xyz")
    return DataSet(name="people", columns=columns, recordings=tuple(recordings), rate=50.0, target_name="activity",
                   group_name="person")  # fmt: skip


def copies_of(data: DataSet, copies: int, origin: str = "") -> tuple[Recording, ...]:
    """Return noisy copies of the recordings, marked as synthetic; `origin` instead of the names of the recordings."""
    rng = np.random.default_rng(0)
    return tuple(
        msgspec.structs.replace(
            one, name=(name := marked("jitter", number, origin or one.name)),
            values=one.values + rng.normal(0, 0.05, one.values.shape).astype(np.float32),
            sessions=np.full(len(one.values), name),
        )
        for number in range(1, copies + 1)
        for one in data.recordings
    )  # fmt: skip


def both(origin: str = "", count: int = len(PEOPLE)) -> Samples:
    data = people()
    part = msgspec.structs.replace(data, recordings=data.recordings[:count])
    copies = copies_of(part, 2, origin)
    whole = DataSet(name="both", columns=data.columns, recordings=(*data.recordings, *copies), rate=50.0,
                    target_name="activity", group_name="person")  # fmt: skip
    return cut(whole, WindowConfig(samples=25, step=25))


def test_names_of_sessions() -> None:
    name = marked("rotation", 2, "walk-3")
    assert name == "synthetic/rotation/2/walk-3"
    assert origin(name) == "walk-3"
    assert origin(marked("jitter", 1, name)) == "walk-3"
    assert origin("walk/3") == "walk/3"
    assert is_synthetic(np.array([name, "walk-3", ""])).tolist() == [True, False, False]


@pytest.mark.parametrize("by", ["auto", "group", "session"])
def test_no_synthetic_sample_is_tested_on_and_no_copy_of_a_tested_one_trains(by: str) -> None:
    samples = both()
    is_copy = is_synthetic(samples.sessions)
    assert is_copy.sum() == 2 * (~is_copy).sum()
    sides = split(samples, SplitConfig(by=by, test=0.3, validation=0.2), seed=0, window=25)  # type: ignore[arg-type]
    assert not is_copy[sides.test].any()
    assert not is_copy[sides.validation].any()
    assert is_copy[sides.train].sum() == 2 * (~is_copy[sides.train]).sum()
    assert samples.groups is not None
    tested = set(samples.groups[np.concatenate([sides.test, sides.validation])])
    assert not tested & set(samples.groups[sides.train])


def test_the_real_sides_are_those_without_synthetic_rows() -> None:
    samples, config = both(), SplitConfig(by="group", test=0.3, validation=0.2)
    alone = split(cut(people(), WindowConfig(samples=25, step=25)), config, seed=3, window=25)
    sides = split(samples, config, seed=3, window=25)
    assert len(alone.test) == len(sides.test)
    assert samples.groups is not None
    assert {*samples.groups[sides.test]} == {*cut(people(), WindowConfig(samples=25, step=25)).groups[alone.test]}  # type: ignore[index]


@pytest.mark.parametrize("by", ["time", "row"])
def test_a_split_that_cannot_keep_copies_away_is_refused(by: str) -> None:
    with pytest.raises(SyntheticDataMisplacedError):
        split(both(), SplitConfig(by=by), seed=0, window=25)  # type: ignore[arg-type]


def test_rows_of_a_model_that_was_fitted_on_a_tested_person_do_not_train() -> None:
    with pytest.raises(SyntheticDataMisplacedError):
        split(both("of=" + "+".join(PEOPLE)), SplitConfig(by="group", test=0.3, validation=0.2), seed=0, window=25)
    samples = both("of=" + "+".join(PEOPLE[:4]), 4)
    config = SplitConfig(by="group", test_groups=("fred",), validation_groups=("emil",))
    sides = split(samples, config, seed=0, window=25)
    assert is_synthetic(samples.sessions[sides.train]).sum() == is_synthetic(samples.sessions).sum() > 0


GRAMMAR = """
[rules]
wish = ["I want", "give me", "(could|can) I have"]
[intents.dispense_drink]
templates = ["{wish} a [(soda|black tea)](drink) (please|)", "I am thirsty"]
[intents.cancel]
templates = ["stop ."]
[paraphrases]
"I want" = ["I would like"]
soda = ["fizz"]
"""


def test_sentences_of_a_grammar(tmp_path: Path, cli: Cli) -> None:
    file, out = tmp_path / "g.toml", tmp_path / "more.csv"
    file.write_text(GRAMMAR)
    assert "intent 'cancel': 1 different sentences were found of 15" in cli(
        "synth", "utterances", file, "--out", out, "--count", "15"
    )
    utterances = read(out).utterances
    texts = [u.text for u in utterances if u.intent == "dispense_drink"]
    assert len(set(texts)) == len(texts) == 15
    assert any(text.startswith("I would like") for text in texts)
    assert not any("fizz" in text for text in texts), "words of a slot stay"
    assert "stop." in [u.text for u in utterances]
    for one in utterances:
        assert all(slot.name == "drink" and one.text[slot.begin : slot.end] == slot.text for slot in one.slots)
    assert "--force" in cli("synth", "utterances", file, "--out", out, code=2)
    with out.open() as rows:
        assert {row["provenance"] for row in csv.DictReader(rows)} == {"synthetic/grammar"}


def test_a_grammar_that_explodes_costs_nothing_and_one_that_grows_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "g.toml"
    ways = "(a|b|c|d|e|f|g|h)"
    file.write_text(f'[intents.x]\ntemplates = ["{" ".join([ways] * 60)}"]\n')
    texts, findings = sentences(read_grammar(file), 50, 0, "g")
    assert (len(texts), findings) == (50, []), "of 8 to the 60th"
    rules = "\n".join(f'r{n} = ["{{r{n + 1}}} {{r{n + 1}}} {{r{n + 1}}} {{r{n + 1}}}"]' for n in range(9))
    file.write_text(f'[rules]\n{rules}\nr9 = ["word"]\n[intents.x]\ntemplates = ["{{r0}}"]\n')
    with pytest.raises(GrammarError):
        sentences(read_grammar(file), 5, 0, "g")
    file.write_text(file.read_text().replace('"word"', '""'))
    with pytest.raises(GrammarError):
        sentences(read_grammar(file), 5, 0, "g")
    # Every rule of a layer uses all of the next: 10 to the 11th ways through, each rule looked at once.
    layers = [[f"r{layer}_{n}" for n in range(10)] for layer in range(12)]
    lines = ["[rules]"]
    for layer, names in enumerate(layers):
        below = layers[layer + 1] if layer < 11 else []
        lines += [f"{name} = {[f'{{{other}}}' for other in below] or ['x']}" for name in names]
    file.write_text("\n".join([*lines, '[intents.x]\ntemplates = ["{r0_0}"]\n']))
    assert [one.text for one in sentences(read_grammar(file), 5, 0, "g")[0]] == ["x"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the key `intents`"),
        ("[intents]\n", "intents"),
        ('[intents.x]\ntemplates = []\n', "templates"),
        ('[intents.x]\ntemplates = ["{wish}"]\n', "no rule 'wish'"),
        ('[rules]\na = ["{b}"]\nb = ["x {a}"]\n[intents.x]\ntemplates = ["{a}"]\n', "a -> b -> a"),
        ('[rules]\n' + "".join(f'r{n} = ["{{r{n + 1}}}"]\n' for n in range(20)) + 'r20 = ["x"]\n[intents.x]\n'
         'templates = ["y"]\n', "12 deep"),
        ("[intents", "a grammar of TOML"),
    ],
)  # fmt: skip
def test_a_grammar_with_a_mistake(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "g.toml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_grammar(file)
    assert message in str(caught.value)
