"""Objects of the public API show themselves in a notebook, and escape what they show."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from edgewright import Pipeline
from edgewright.core.formatting import html_table
from edgewright.core.predictor import Answers
from edgewright.core.records.footprint import Budget, Estimate, Footprint, Spread
from edgewright.core.records.proof import PairRecord, ProofRecord, Verdict
from edgewright.models.linear import Linear
from edgewright.preprocessing.scale import Scale

EVIL = "<b>&"
SHOWN = "&lt;b&gt;&amp;"


def answers(*, regression: bool = False) -> Answers:
    """Return twelve answers: one unsure and out of range, one missing."""
    unsure, missing = np.zeros((2, 12), np.bool_)
    unsure[1], missing[2] = True, True
    return Answers(
        labels=np.full(12, "" if regression else EVIL),
        confidence=np.full(12, 0.875, np.float32),
        probabilities=np.empty((12, 0), np.float32),
        predictions=np.full(12, 21.5, np.float32) if regression else None,
        unsure=unsure,
        out_of_range=((), (EVIL,), *((),) * 10),
        missing=missing,
    )


def test_a_table_escapes_everything() -> None:
    html = html_table(EVIL, (EVIL,), [(EVIL,)])
    assert EVIL not in html
    assert html.count(SHOWN) == 3


def test_answers_show_the_first_ten() -> None:
    html = answers()._repr_html_()
    assert "12 answers, the first 10" in html
    assert html.count("<tr>") == 11
    assert f"<td>0</td><td>{SHOWN}</td><td>0.88</td><td></td>" in html
    assert f"unsure; out of range: {SHOWN}" in html
    assert "<td>2</td><td>none</td>" in html
    assert "<td>21.5</td>" in answers(regression=True)._repr_html_()


def pair(first: str, second: str, verdict: Verdict) -> PairRecord:
    return PairRecord(first=first, second=second, verdict=verdict, exact_from_boundary=None, stages=())


def test_a_proof_shows_the_pairs_of_the_first_form_and_broken_ones() -> None:
    pairs = (pair("a", EVIL, "bit-exact"), pair("b", "c", "bit-exact"), pair("b", "d", "broken"))
    record = ProofRecord(
        name="n", subject="", source="", samples=7, shape=(2,), labels=(), forms=(), absent=(), pairs=pairs,
        passed=False,
    )  # fmt: skip
    html = record._repr_html_()
    assert "Proof of n: failed; 7 samples and 0 constructed ones; 2 of 3 pairs" in html
    assert f"<td>a</td><td>{SHOWN}</td><td>bit-exact</td>" in html
    assert "<td>b</td><td>d</td><td>broken</td>" in html
    assert "passed; 7 samples" in replace(record, pairs=(), passed=True)._repr_html_()


def test_an_estimate_shows_figures_with_interval_and_limit() -> None:
    flash = Spread(value=6752, low=6752, high=6752, unit="B", how="compiled")
    latency = Spread(value=73.3, low=36.6, high=110, unit="us", how="modelled")
    footprint = Footprint(profile="x", form="float", flash=flash, ram=flash, instructions=None, latency_us=latency)
    limits = Budget(flash=262144, latency_us=50)
    estimate = Estimate(
        name=EVIL,
        device="x",
        description="",
        footprint=footprint,
        before=footprint,
        limits=limits,
        over=(),
        helps=(),
        parts=(),
    )
    html = estimate._repr_html_()
    assert SHOWN in html
    assert "<td>flash</td><td>6,752 B</td><td>exact</td><td>262,144 B</td><td>compiled</td>" in html
    assert "<td>latency</td><td>73.3 us</td><td>36.6 to 110 us</td><td>50 us</td><td>modelled</td>" in html
    assert "<td>energy</td><td>not known</td>" in html


def test_a_pipeline_shows_its_own_cell_instead_of_that_of_scikit_learn() -> None:
    pytest.importorskip("jinja2")
    X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    pipeline = Pipeline([("scale", Scale()), ("model", Linear())]).fit(X, (X[:, 0] > 0).astype(int))
    bundle = pipeline._repr_mimebundle_(include=None, exclude=None)
    assert bundle["text/html"] == pipeline._repr_html_()
    assert "<td>scale</td><td>Scale</td><td>3</td><td>3</td>" in bundle["text/html"]
    assert bundle["text/plain"].startswith("Pipeline(")
