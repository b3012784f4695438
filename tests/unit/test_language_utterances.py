"""Files of utterances: the forms that are read, and what is said of those that are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgewright.core.errors import InputError, UtterancesError
from edgewright.language.intents.parts import parted
from edgewright.language.utterances import check, findings, read, read_lines, without_contradictions
from edgewright.nlp.records import OUT_OF_SCOPE, Utterance
from support import shared_data

OWN = """
[intents.drink]
examples = ["a [soda](what) please", "one [green tea](what)", "thirsty"]
[intents.stop]
examples = ["stop", "no more", "enough"]
[out_of_scope]
examples = ["who won"]
[gazetteers.what]
soda = ["cola", "coke"]
"""


def put(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_toml_and_json_of_our_own_say_the_same(tmp_path: Path) -> None:
    import tomllib

    first = read(put(tmp_path, "a.toml", OWN))
    second = read(put(tmp_path, "a.json", json.dumps(tomllib.loads(OWN))))
    assert [(u.text, u.intent, u.slots) for u in first.utterances] == [
        (u.text, u.intent, u.slots) for u in second.utterances
    ]
    assert first.gazetteers == second.gazetteers == {"what": {"soda": "soda", "cola": "soda", "coke": "soda"}}
    tea = first.utterances[1]
    assert (tea.text, tea.slots[0].name, tea.text[tea.slots[0].begin : tea.slots[0].end]) == (
        "one green tea", "what", "green tea",
    )  # fmt: skip
    assert first.utterances[-1].intent == OUT_OF_SCOPE
    assert check(first.utterances) == ("drink", "stop")


def test_csv_with_marks(tmp_path: Path) -> None:
    read_set = read(put(tmp_path, "a.csv", '\ufeffIntent,Text\ndrink,"a [soda](what), please"\noos,who won\n'))
    assert [(u.text, u.intent) for u in read_set.utterances] == [("a soda, please", "drink"), ("who won", OUT_OF_SCOPE)]
    assert read_set.utterances[0].where.endswith("line 2")


def test_snips_and_clinc_forms(tmp_path: Path) -> None:
    snips = {"Play": [{"data": [{"text": "play "}, {"text": " Yo Ho ", "entity": "track"}, {"text": "now"}]}]}
    utterance = read(put(tmp_path, "s.json", json.dumps(snips))).utterances[0]
    slot = utterance.slots[0]
    assert (utterance.text, utterance.intent, slot.text) == ("play  Yo Ho now", "Play", "Yo Ho")
    assert utterance.text[slot.begin : slot.end] == "Yo Ho"
    clinc = {
        "train": [["hello", "greet"]],
        "val": [["hi", "greet"]],
        "oos_train": [["x y", "oos"]],
        "test": [["a", "b"]],
    }
    labelled = read(put(tmp_path, "c.json", json.dumps(clinc)))
    assert [u.intent for u in labelled.utterances] == ["greet", OUT_OF_SCOPE]
    assert [u.text for u in labelled.validation] == ["hi"]


@pytest.mark.needs_data
def test_the_published_files_are_read() -> None:
    read_set = read(shared_data("clinc150") / "data_full.json")
    assert (len(read_set.utterances), len(read_set.validation)) == (15_100, 3_100)
    assert len(check(read_set.utterances)) == 150
    play = read(shared_data("snips") / "train_PlayMusic_full.json").utterances
    assert len(play) == 2000
    assert all(u.text[s.begin : s.end] == s.text for u in play for s in u.slots)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.toml", "[intents.a"),
        ("a.json", "[]"),
        ("a.json", "{}"),
        ("a.json", '{"a": 3}'),
        ("a.json", "[" * 5000),
        ("a.json", b"\xff\xfe"),
        ("a.csv", ""),
        ("a.csv", "name,kind\na,b\n"),
        ("a.csv", "text,intent\nonly one cell\n"),
        ("a.csv", "text,intent\na,b,c\n"),
        ("a.csv", "text,intent\n[a](b c),x\n"),
        ("a.txt", "hello"),
    ],
)
def test_other_files_are_refused_with_their_place(tmp_path: Path, name: str, content: str | bytes) -> None:
    path = put(tmp_path, name, content)
    with pytest.raises(InputError, match=r"a\.(toml|json|csv|txt)"):
        read(path)


def test_no_file_and_no_text(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(InputError):
            read(path)
    with pytest.raises(UtterancesError, match="empty"):
        read_lines(put(tmp_path, "u.txt", "\n \n"))
    assert read_lines(put(tmp_path, "v.txt", "one\n\n two \n")) == ("one", "two")


def labelled(*pairs: tuple[str, str]) -> list[Utterance]:
    return [Utterance(text=text, intent=intent, where=f"line {k}") for k, (text, intent) in enumerate(pairs, 1)]


GOOD = [("one", "a"), ("two", "a"), ("three", "a"), ("x", "b"), ("y", "b"), ("z", "b")]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "two intents"),
        (GOOD[:3], "two intents"),
        ([("hello", OUT_OF_SCOPE)], "out of scope"),
        ([*GOOD[:3], ("x", "b")], "1 of 'b'"),
        ([*GOOD[:3], ("x", "b"), ("X!", "b"), (" x ", "b")], "1 of 'b'"),
        ([*GOOD, ("One.", "b")], "'One.' as 'a' and as 'b'"),
        ([*GOOD, ("  ", "b")], "empty utterance"),
        ([*GOOD, ("x" * 100_000, "b")], "100,000"),
    ],
)
def test_unfit_utterances_are_refused(pairs: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(UtterancesError, match=message):
        check(labelled(*pairs))


def test_contradictions_can_be_left_out_and_repeats_are_told() -> None:
    kept, lost = without_contradictions(labelled(*GOOD, ("One.", "b"), ("z", "b")))
    assert (len(kept), lost) == (6, 2)
    kept = (*kept, *labelled(("four", "a")))
    assert check(kept) == ("a", "b")
    lines = findings(kept)
    assert any("repeated" in one for one in lines)
    assert any("out of scope" in one for one in lines)


REAL = [("one coffee please", "drink"), ("a tea", "drink"), ("some bread", "food"), ("a roll", "food")]


def written(folder: Path, real: int, synthetic: int) -> Path:
    lines = ["text,intent,provenance"]
    for number in range(real):
        lines += [f"{text} {'very ' * number}soon,{intent}," for text, intent in REAL]
    for number in range(synthetic):
        lines += [f"made {text} {'very ' * number}soon,{intent},synthetic/grammar" for text, intent in REAL]
    path = folder / "said.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_synthetic_sentences_are_learnt_from_and_never_judged_by(tmp_path: Path) -> None:
    parts = parted(read(written(tmp_path, 10, 30)).utterances, (), seed=3)
    assert parts.judges and not any(text.startswith("made") for text in parts.judges)
    assert sum(text.startswith("made") for text in parts.texts) == 120
    assert len(parts.texts) + len(parts.judges) == 160


def test_synthetic_sentences_alone_cannot_be_judged(tmp_path: Path) -> None:
    with pytest.raises(UtterancesError):
        parted(read(written(tmp_path, 0, 30)).utterances, (), seed=3)


def test_synthetic_validation_does_not_count(tmp_path: Path) -> None:
    real = read(written(tmp_path, 10, 0)).utterances
    parts = parted(real, read(written(tmp_path, 3, 5)).utterances, seed=3)
    assert len(parts.judges) == 12
