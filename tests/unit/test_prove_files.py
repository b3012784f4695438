"""Detectors, forecasters, denoisers and language models are proven from their files; planted faults are named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import msgspec
import numpy as np
import pytest

from c99_language_example import jumble
from c99_language_example import model as language_model
from c99_stages import use_one_compiler
from cli_runner import Cli
from denoiser_example import random_denoiser
from detector_example import SETTINGS, fitted, rows
from edgewright.core import catalogue
from edgewright.core.records.data import Column
from edgewright.core.records.package import WindowSpec
from edgewright.core.records.proof import Difference, ProofRecord
from edgewright.graph.restoration import write_restorer
from edgewright.language.forecasting.selection import ForecastRequest as Wanted
from edgewright.language.forecasting.selection import fit_forecaster
from edgewright.monitor.detector_stream import write_detector
from edgewright.monitor.forecaster import write_forecaster
from edgewright.monitor.records import DetectorSpec, Threshold
from edgewright.nlp.records import OUT_OF_SCOPE, Parsed, Slot
from edgewright.nlp.utterance.parse import Understanding, write_language
from edgewright.workflows.proof.anomalies import reaching
from edgewright.workflows.proof.provers import ProofRequest, prover_of
from edgewright.workflows.proof.provers.language import _left_to_rules, _texts

Files = Mapping[str, str]
Change = Callable[[str], str]


@pytest.fixture(autouse=True)
def _one_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults are planted in text that every compiler gets: one is enough, and saves half of the time."""
    use_one_compiler(monkeypatch)


def proof(path: Path, file: str = "", change: Change | None = None, data: str = "") -> ProofRecord:
    """Return the proof of a file, with a changed C file where a change is given."""
    prover = prover_of(path)
    assert prover is not None

    def changed(files: Files) -> Files:
        text = change(files[file]) if change else files[file]
        assert text != files[file]
        return {**files, file: text}

    return prover.prove(ProofRequest(path, data, change=changed if change else None))


def named(record: ProofRecord, stage: str) -> Difference:
    """Return the first difference, which must stand at this stage."""
    assert not record.passed and record.breaks is not None
    assert record.breaks.stage == stage, record.breaks
    return record.breaks


def detector(folder: Path, kind: str, window: WindowSpec | None = None, refractory: float = 3) -> Path:
    """Return a fitted detector's file."""
    columns = tuple(Column(name=name) for name in "abc")
    limit = Threshold(value=2.0, by="given")
    spec = DetectorSpec(
        kind=kind, config=SETTINGS.get(kind, {}), columns=columns, rate=0.1, threshold=limit, refractory=refractory,
        window=window,
    )  # fmt: skip
    path = folder / f"{kind}.detector"
    write_detector(path, spec, fitted(kind))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", catalogue.listing("edgewright.export.c99_detectors", "WRITER"))
def test_a_detector_is_proven(kind: str, tmp_path: Path) -> None:
    record = proof(detector(tmp_path, kind))
    assert record.passed and len(record.forms) > 1
    assert record.forms[1].stages == ("detector score", "detector anomalies", "detector channel")


def test_a_threshold_that_must_be_passed_and_not_reached_is_named(tmp_path: Path) -> None:
    path = detector(tmp_path, "robust")
    divergence = named(proof(path, "detector_detect.c", lambda text: text.replace("score >= 2", "score > 2")),
                       "detector anomalies")  # fmt: skip
    assert "made for a score of 2" in divergence.origin and (divergence.first, divergence.second) == (1.0, 0.0)


def test_a_refractory_time_of_a_detector_is_named(tmp_path: Path) -> None:
    path = detector(tmp_path, "pca")
    values = rows(300)[0]
    values[100:110] += 30
    data = tmp_path / "rows.csv"
    np.savetxt(data, values, delimiter=",", header="a,b,c", comments="")
    assert proof(path, data=str(data)).passed
    change: Change = lambda text: text.replace("quiet = 3u;", "quiet = 2u;")  # noqa: E731
    assert named(proof(path, "detector_detect.c", change, str(data)), "detector anomalies").origin.startswith("line")


@pytest.mark.slow
def test_a_pause_that_is_a_share_of_the_rows_is_proven_and_named_where_it_is_another(tmp_path: Path) -> None:
    path = detector(tmp_path, "pca", refractory=0.05)
    values = rows(300)[0]
    values[100:140] += 30
    data = tmp_path / "rows.csv"
    np.savetxt(data, values, delimiter=",", header="a,b,c", comments="")
    assert proof(path, data=str(data)).passed
    change: Change = lambda text: text.replace("50u / 1000u", "70u / 1000u")  # noqa: E731
    named(proof(path, "detector_detect.c", change, str(data)), "detector anomalies")


def test_another_number_that_was_learnt_is_named_at_the_score(tmp_path: Path) -> None:
    def change(text: str) -> str:
        match = re.search(r"static const float detector_\w+\[\d+\] = \{\s*([^,}\s]+)", text)
        assert match is not None
        return text[: match.start(1)] + f"({match[1]} * 1.02f)" + text[match.end(1) :]

    named(proof(detector(tmp_path, "k_means"), "detector_detect.c", change), "detector score")


def test_a_row_is_found_whose_score_is_the_limit_to_the_bit() -> None:
    def score(row: np.ndarray) -> float:
        return float(np.float32(np.sqrt(np.float32((row.astype(np.float32) ** 2).sum()))))

    calm, odd = np.array([0.1, 20.0], np.float32) * 0, np.array([3.0, 40.0], np.float32)
    reached = reaching(score, calm, odd, float(np.float32(7.3)))
    assert reached is not None and score(reached) == float(np.float32(7.3))
    assert reaching(lambda row: float(row[0] > 1), calm, odd, 0.5) is None


@pytest.fixture
def forecaster(tmp_path: Path) -> Path:
    values = np.sin(np.arange(200) * 2 * np.pi / 12) + 0.1 * np.random.default_rng(0).normal(size=200)
    path = tmp_path / "wave.forecaster"
    write_forecaster(path, fit_forecaster(values, Wanted(6, (12,))))
    return path


def test_a_forecaster_is_proven(forecaster: Path, tmp_path: Path, cli: Cli) -> None:
    assert proof(forecaster).passed
    (tmp_path / "rows.csv").write_text("value\n" + "\n".join(["0.5", "NA", "0.25"] * 20) + "\n")
    record = msgspec.json.decode(cli("prove", forecaster, "--data", tmp_path / "rows.csv", "--json"), type=ProofRecord)
    assert record.samples == 60 and {pair.verdict for pair in record.pairs} == {"bit-exact"}
    (tmp_path / "other.csv").write_text("else\n1\n")
    assert "the column value" in cli("prove", forecaster, "--data", tmp_path / "other.csv", code=2)


def _first_number(table: str, factor: str) -> Change:
    def change(text: str) -> str:
        match = re.search(rf"static const float \w+_{table}\[\d+\] = \{{\s*([^,}}\s]+)", text)
        assert match is not None
        return text[: match.start(1)] + f"({match[1]} {factor})" + text[match.end(1) :]

    return change


@pytest.mark.slow
def test_a_forecast_coefficient_and_a_width_are_named(forecaster: Path) -> None:
    file = "forecaster_forecast.c"
    assert named(proof(forecaster, file, _first_number("weights", "* 1.00001f")), "forecast").location.endswith("ahead")
    assert "%" in named(proof(forecaster, file, _first_number("widths", "* 1.01f")), "intervals").location


def test_a_missing_value_that_is_taken_for_a_number_is_named(forecaster: Path) -> None:
    change: Change = lambda text: text.replace("wide <= 1e30", "wide <= 1e307")  # noqa: E731
    assert named(proof(forecaster, "forecaster_forecast.c", change), "rows without a value").location == "rows"


@pytest.fixture(scope="module", params=[True, False], ids=["tagger", "rules"])
def language(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("language") / "drinks.language"
    write_language(path, *language_model(jumble(1, 150), tagger=request.param))
    return path


def test_numbers_times_and_days_stand_behind_utterances_that_are_in_scope() -> None:
    model = Understanding(*language_model(jumble(1, 5), tagger=False), "words.language")
    texts, _ = _texts(model, ProofRequest(Path("words.language")))
    ends = tuple(text.removeprefix("a soda ").partition(" ")[2] for text in texts if text.startswith("a soda "))
    assert any("two hundred and twenty five" in end for end in ends)
    assert any("ninety nine thousand" in end for end in ends)
    assert any("on friday" in end for end in ends)


def test_rules_read_words_where_no_tagger_takes_one_of_them() -> None:
    def parse(text: str, *, today: date) -> Parsed:
        begin = text.index("one hundred")
        by: Literal["tagger", "rule"] = "tagger" if text.startswith("a tea") else "rule"
        slot = Slot(name="number", begin=begin + 4, end=begin + 11, text="hundred", by=by)
        return Parsed(text=text, intent=OUT_OF_SCOPE if "?" in text else "drink", confidence=1, score=1, slots=(slot,))

    model: Any = SimpleNamespace(parse=parse)
    assert _left_to_rules(model, ["a tea", "what?", "a soda"], "one hundred") == "a soda one hundred"
    assert _left_to_rules(model, ["a tea"], "one hundred") == "one hundred a tea"
    assert not _left_to_rules(model, ["what?"], "one hundred")


@pytest.mark.slow
def test_a_language_model_is_proven(language: Path, tmp_path: Path) -> None:
    data = tmp_path / "said.txt"
    data.write_text("\n".join(jumble(3, 60)), encoding="utf-8")
    for record in (proof(language), proof(language, data=str(data))):
        assert record.passed
        assert record.forms[1].stages == ("hashed n-grams", "logits", "intent", "confidence", "slots")


@pytest.mark.slow
@pytest.mark.parametrize("language", [False], indirect=True, ids=["rules"])
@pytest.mark.parametrize(
    ("old", "new", "stage"),
    [
        ("0x1000193u", "0x1000195u", "hashed n-grams"),
        ("out[k] += hidden", "out[k] += 1 + hidden", "logits"),
        ("context->out[best] >= ", "context->out[best] < ", "intent"),
        ("answer->confidence = 1.0f / sum;", "answer->confidence = 0.999f / sum;", "confidence"),
        ("3600", "3601", "slots"),
    ],
)
def test_a_fault_in_the_c_of_a_language_model_is_named(old: str, new: str, stage: str, language: Path) -> None:
    named(proof(language, "language.c", lambda text: text.replace(old, new)), stage)


@pytest.mark.slow
def test_a_denoiser_is_proven_and_a_weight_of_its_c_named(tmp_path: Path) -> None:
    path = tmp_path / "tiny.denoiser"
    write_restorer(path, random_denoiser())

    def change(text: str) -> str:
        match = re.search(r"static const int8_t \w+\[\d+\] = \{\s*(-?\d+)", text)
        assert match is not None
        return text[: match.start(1)] + str(int(match[1]) ^ 64) + text[match.end(1) :]

    record = proof(path, "stream.c", change)
    assert "stream" in "".join(record.broken)
    named(record, "raw output")
