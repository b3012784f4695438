"""The page section by section, from a record made by hand."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import jinja2
import msgspec
import pytest

import hostile
import trace_example as example
from edgewright.core.formatting import fraction
from edgewright.core.records.race import EntrantRecord, RaceRecord
from edgewright.core.records.trace import Interval, Trace
from edgewright.trace import html
from edgewright.trace.html import assets, page_html, page_parts
from edgewright.trace.page_model import write_trace
from edgewright.trace.sections import sections

P = TypeVar("P", bound=msgspec.Struct)
EMPTY = msgspec.structs.replace(
    example.trace(3),
    stages=(),
    layers=(),
    training=None,
    evaluation=None,
    predictions=(),
    compression=None,
    device=None,
    unnoticed=(),
)


def section(trace: Trace, anchor: str) -> str:
    """HTML of one section."""
    html = page_html(trace)
    begin = html.index(f' id="{anchor}"')
    end = re.search(r'<(?:details|div) class="part"|<section |</main>', html[begin:])
    assert end is not None, anchor
    return html[begin : begin + end.start()]


def text(html: str) -> str:
    """Return what is read, blanks folded."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def change(part: P, **changes: object) -> P:
    """Return a part of the record with other values."""
    return msgspec.structs.replace(part, **changes)


def test_the_page_asks_for_nothing_and_allows_its_own_script_alone() -> None:
    html = page_html(example.trace())
    styles, script = assets()
    assert len(script.encode()) < 2000
    assert "style-src &#39;sha256-" in html
    assert "script-src &#39;sha256-" in html
    assert "unsafe" not in html
    assert not re.search(r'\sstyle="|\son[a-z]+="|(?:src|href)="(?!#)|url\(|@import', html)
    assert html.count("<script") == 1
    assert html.count("<style") == 1
    assert str(styles) in html


def test_ids_are_unique_and_headings_in_order() -> None:
    html = page_html(change(example.trace(80), scaling=example.scaling()))
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert sorted(ids) == sorted(set(ids))
    levels = [int(level) for level in re.findall(r"<h([1-6])", html)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)


def test_the_header_links_the_insight_to_its_numbers() -> None:
    trace = example.trace()
    header = section(trace, "insight")
    assert trace.insight.sentence in unescape(header)
    for name, anchor in (
        ("columns out", "data_flow-3"),
        ("accuracy", "evaluation-headline"),
        ("int8 weight bytes", "compression-int8"),
        ("accuracy drop", "compression-limit"),
    ):
        assert re.search(rf'<a href="#{anchor}">{name} <b>', header), name
    assert "light is constant in the recordings of person 3" in header


def test_a_card_tells_what_was_dropped_filled_and_fitted() -> None:
    flow = text(section(example.trace(), "data_flow"))
    for reported in (
        "10,000 x 20 → 10,000 x 10", "fitted on 8,000 training samples", "filled 3,812 missing values",
        "dropped 10 columns", "tells little about the class", "y = (x - min) * (1 / (max - min))", "memory +1.6 MB",
        "time 43.0 ms", "Statistics of 20 columns", "motion_intensity", "missing",
    ):  # fmt: skip
        assert reported in flow, reported


def test_the_model_counts_and_gives_its_formulas() -> None:
    model = section(example.trace(), "model")
    assert "5,059 parameters" in model
    assert "4,928 multiply-accumulates" in model
    assert "y = relu(W x + b)</code>" in model


def test_every_epoch_is_there_with_its_observation() -> None:
    trace = example.trace(20)
    training = section(trace, "training")
    assert trace.training is not None
    for epoch in trace.training.epochs:
        row = re.search(rf'<tr id="training-{epoch.epoch}".*?</tr>', training, re.DOTALL)
        assert row is not None
        assert epoch.observation in text(row[0])
    assert training.count('<svg class="chart" role="img" aria-label=') == 2
    first, last = (fraction(trace.training.epochs[i].loss) for i in (0, -1))
    assert f"Loss over 20 epochs: training from {first} to {last}; validation from" in training


@pytest.mark.slow
@pytest.mark.parametrize(("count", "summary", "rows"), [(80, "All 80 epochs", 80), (1000, "1 in 3 of all", 334)])
def test_of_many_epochs_the_notable_stand_and_the_rest_is_folded(count: int, summary: str, rows: int) -> None:
    training = section(example.trace(count), "training")
    notable, folded = training.split("<details>")
    assert notable.count("<tr") <= 22
    assert summary in folded
    assert folded.count("<tr") == rows + 1
    assert ("300 of 1,000 epochs" in training) is (count == 1000)


def test_two_hundred_epochs_stay_small() -> None:
    assert len(page_html(change(example.trace(200), scaling=example.scaling())).encode()) < 300_000


def test_the_evaluation_shades_by_the_share_of_the_row() -> None:
    evaluation = section(example.trace(), "evaluation")
    assert re.search(r'<td class="f cell right s8">560 <small>90 %</small>', evaluation)
    assert re.search(r'<td class="f cell wrong s1">4 <small>&lt; 1 %</small>', evaluation)
    message = text(evaluation)
    for part in ("accuracy 87.9 % (95 % CI 84.2 % to 91.1 %)", "t interval by", "running .836 .896 (.870 to .918)",
                 "813 walking running 97 % person 21", "person 21 .830", "calibration error 2.1 %"):  # fmt: skip
        assert part.replace("( ", "(") in message.replace("( ", "("), part


def test_regression_has_its_own_figures() -> None:
    evaluation = change(
        example.evaluation(), accuracy=None, macro_f1=None, confusion=(), labels=(), classes=(), groups=(), mistakes=(),
        majority=None, calibration_error=None, regression={"mae": 1.25, "r2": 0.93, "rmse": 1.6},
    )  # fmt: skip
    html = page_html(change(example.trace(), evaluation=evaluation))
    assert "mae 1.250, r2 0.9300, rmse 1.600 on 2,000 test rows" in text(html)
    assert 'td class="f cell' not in html


def test_a_prediction_is_told_layer_by_layer() -> None:
    trace = example.trace()
    message = text(section(trace, "prediction"))
    active = trace.predictions[0].layers[0].active
    assert f"hidden 1 (relu) {active} of 64 active" in message
    assert "walking, 85 % right" in message
    assert "wrong: it is running" in message
    assert 'class="bars" role="img" aria-label="hidden 1: ' in section(trace, "prediction")


def test_forms_are_marked_measured_or_estimated() -> None:
    compression = example.compression()
    distilled = change(compression.variants[1], name="distilled", how="estimated")
    trace = change(example.trace(), compression=change(compression, variants=(*compression.variants, distilled)))
    shown = section(trace, "compression")
    for name, how in (("float", "measured"), ("int8", "measured"), ("distilled", "estimated")):
        row = re.search(rf'<tr id="compression-{name}">.*?</tr>', shown, re.DOTALL)
        assert row is not None
        assert f'<span class="how {how}">' in row[0]
    assert "accuracy lost: 0.2 points, within the limit of 2 points" in text(shown).lower()
    assert "swapped axes .612 -26.5 points" in text(shown)


def test_budgets_are_bars_with_their_interval() -> None:
    device = example.device()
    over = change(device.rows[0], used=70e6, high=80e6)
    shown = section(change(example.trace(), device=change(device, rows=(over, *device.rows[1:]), fits=False)), "device")
    assert 'class="budget over" role="img" aria-label="flash: 109 % of the budget, too much"' in shown
    assert 'class="budget fits" role="img"' in shown
    assert "does not fit" in shown
    assert "at most 42 µs" in shown


def test_the_device_lists_what_its_checks_of_later_data_do_not_see() -> None:
    shown = text(section(change(example.trace(), unnoticed=("a <swap>", "a gain")), "device"))
    assert "This model cannot notice change of the data a <swap> a gain" in shown
    assert "cannot notice" not in section(change(example.trace(), unnoticed=()), "device")


def test_scaling_stands_where_the_run_has_it() -> None:
    assert ' id="scaling"' not in page_html(example.trace())
    scaling = section(change(example.trace(), scaling=example.scaling()), "scaling")
    assert scaling.count('<svg class="chart"') == 4
    assert "pays from 10,000 rows" in scaling
    assert "large 1.02" in text(scaling)


def test_the_race_that_the_model_won_is_folded_below_its_choice() -> None:
    assert ' id="race"' not in page_html(example.trace())
    score = Interval(value=0.9, low=0.8, high=0.95, method="wilson")
    record = RaceRecord(
        metric="accuracy", metric_title="accuracy", metric_why="classes are about balanced", higher=True, kept="group",
        units=12, samples=480, chosen="linear", why="linear is the simplest within a standard error", budget_s=60,
        ended="it was interrupted", entrants=(
            EntrantRecord(name="forest", title="forest <b>", score=score, strength="trees take sudden limits well"),
            EntrantRecord(name="linear", title="linear", score=score, verdict="chosen"),
            EntrantRecord(name="kernels", title="kernels", left_out="it needs windows"),
        ),
    )  # fmt: skip
    html = section(change(example.trace(), race=record), "race")
    page_text = text(html)
    assert page_text.index("Linear is the simplest within a standard error.") < page_text.index("All 2 pipelines")
    assert "on whole groups that were not trained on, of 480 training samples" in page_text
    assert "forest <b> 0.900 (0.800 to 0.950)" in page_text and "trees take sudden limits well" in page_text
    assert "kernels" not in page_text
    assert re.search(r'<tr class="best">.{0,40}linear', html, re.DOTALL)


def test_parts_that_are_missing_are_said() -> None:
    html = page_html(EMPTY)
    for anchor, section in sections().items():
        if section.missing:
            assert section.missing in html, anchor


@pytest.mark.parametrize("state", ["running", "cancelled", "failed"])
def test_a_partial_record_says_so_and_shows_what_it_has(state: str) -> None:
    trace = change(
        example.trace(5), state=state, reason="killed <hard>", evaluation=None, compression=None, verdict="none yet"
    )
    html = page_html(trace)
    assert 'class="verdict' not in html
    assert '<p class="banner" role="status">' in html
    assert "Reason: killed &lt;hard&gt;" in html
    assert html.count('<tr id="training-') == 5


def test_texts_from_data_are_escaped() -> None:
    html = page_html(hostile.trace())
    assert "<script>window" not in html
    assert "<img" not in html
    assert "{{ 7*7 }}" in html
    assert html.count("<script") == 1
    assert "class=harm>" not in html


def test_parts_fit_into_the_frame_of_another() -> None:
    parts = page_parts(example.trace())
    assert parts.body.count("<main") == 1
    assert "<html" not in parts.body
    assert parts.csp.startswith("default-src 'none'; style-src 'sha256-")


def test_a_page_is_rendered_without_what_trains(tmp_path: Path) -> None:
    tables = [{"kind": kind, **more} for kind, more in (("impute", {}), ("scale", {}), ("select", {"k": 3}))]
    record = tmp_path / "trace.json"
    write_trace(change(example.trace(), config={"stages": tables}), record)
    code = (
        "import sys\nfrom pathlib import Path\nfrom edgewright.trace.html import page_html\n"
        "from edgewright.trace.page_model import read_trace\nhtml = page_html(read_trace(Path(sys.argv[1])))\n"
        "assert all(f'{name}(' in html for name in ('SimpleImputer', 'MinMaxScaler', 'SelectKBest'))\n"
        "print([name for name in ('sklearn', 'scipy', 'jax', 'pandas', 'polars') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(record)], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_compiled_templates_are_kept_where_nobody_else_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled: list[str] = []
    compile_template: Any = jinja2.Environment.compile

    def counted(environment: jinja2.Environment, source: str, *named: str) -> object:
        compiled.append(source)
        return compile_template(environment, source, *named)

    monkeypatch.setattr(jinja2.Environment, "compile", counted)
    counts, pages = [], []
    for mode in (0o700, 0o700, 0o777):
        (tmp_path / "edgewright" / "pages").mkdir(parents=True, exist_ok=True)
        (tmp_path / "edgewright" / "pages").chmod(mode)
        html._environment.cache_clear()
        compiled.clear()
        pages.append(page_html(example.trace(3)))
        counts.append(len(compiled))
    assert counts[0] == counts[2] > 0 == counts[1]
    assert pages[0] == pages[1] == pages[2]
