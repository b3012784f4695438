"""Nine modes tell blocks from the record alone; the terminal and a page show every block, whatever names are in it."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html.parser import HTMLParser

import msgspec
import pytest
from rich.console import Console

import lesson_example
import trace_example as example
from edgewright.cli.lessons import ask, print_pages, step_through
from edgewright.core.records.trace import StageRecord, Trace
from edgewright.trace.blocks.records import Block, Code, Facts, Formula, Grid, Heading, Paragraph, Question
from edgewright.trace.html import blocks_html, notebook_html
from edgewright.trace.modes import mode, modes

MODES = ("trace", "summary", "steps", "formulas", "code", "what-if", "compare", "quiz", "glossary")


def text_of(blocks: Sequence[Block]) -> str:
    return msgspec.json.encode(blocks).decode()


def printed(blocks: Sequence[Block], width: int = 80, *, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    print_pages(blocks, Console(file=file, width=width, color_system=None, legacy_windows=False))
    file.flush()
    return raw.getvalue().decode(encoding)


def test_there_are_nine_modes() -> None:
    assert set(modes()) == set(MODES)


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("record", sorted(lesson_example.RECORDS))
def test_every_mode_tells_every_record(name: str, record: str) -> None:
    trace = lesson_example.RECORDS[record]()
    blocks = mode(name).blocks(trace)
    assert blocks
    assert blocks == mode(name).blocks(trace)
    text = printed(blocks)
    assert text.strip()
    code = "".join(block.text for block in blocks if isinstance(block, Code))
    assert all(len(line) <= 80 or line in code for line in text.splitlines())
    page = blocks_html(blocks)
    assert "<script>alert" not in page
    assert "://" not in page.replace("data:", "")
    assert printed(blocks, encoding="ascii").isascii()


@pytest.mark.parametrize("name", MODES)
def test_a_record_with_hardly_anything_is_told_as_well(name: str) -> None:
    bare = Trace(
        name="bare", task="", verdict="", insight=example.trace().insight, stages=(), layers=(), training=None,
        evaluation=None, predictions=(), compression=None, device=None, provenance=example.trace().provenance,
        state="cancelled", reason="by a test",
    )  # fmt: skip
    assert printed(mode(name).blocks(bare)).strip()


def test_markup_in_names_is_text() -> None:
    text = printed(mode("trace").blocks(lesson_example.hostile()), 100)
    assert "[bold red]" in text
    assert '<script>alert("x")</script>' in text


def test_summary_says_the_figures() -> None:
    text = text_of(mode("summary").blocks(lesson_example.classifier()))
    for figure in (
        "5,059 parameters",
        "87.9 % (95 % CI 84.2 % to 91.1 %)",
        "10,000 x 20 -> 10,000 x 10",
        "phone-arm64",
    ):
        assert figure in text
    cancelled = msgspec.structs.replace(example.trace(), state="cancelled", reason="Ctrl-C")
    assert "This run is cancelled: Ctrl-C." in text_of(mode("summary").blocks(cancelled))


def test_formulas_hold_the_numbers_of_the_run() -> None:
    blocks = mode("formulas").blocks(lesson_example.classifier())
    examples = " ".join(block.example for block in blocks if isinstance(block, Formula))
    assert "10 inputs x 64 units + 64 biases = 704 parameters" in examples
    assert "ceil(6,400 / 64) x 20 = 100 x 20 = 2,000" in examples
    assert "1,759 / 2,000 = " in examples
    assert "-ln(0.8500) = 0.1625" in examples
    assert "4 x 5,059 = 20,236" in examples
    message = " ".join(b.text for b in mode("formulas").blocks(lesson_example.regression()) if isinstance(b, Formula))
    assert "r2 = 1 - " in message


def test_rows_are_counted_from_one() -> None:
    text = text_of(mode("trace").blocks(lesson_example.classifier()))
    assert '["813","walking","running"' in text
    assert '"Row 18"' in text
    assert "Row 18 of the data" in text_of(mode("steps").blocks(lesson_example.classifier()))


def test_steps_have_a_heading_a_stage() -> None:
    trace = lesson_example.classifier()
    heads = [block.text for block in mode("steps").blocks(trace) if isinstance(block, Heading)]
    assert heads[: len(trace.stages)] == [f"Stage {i} of 6: {s.name}" for i, s in enumerate(trace.stages, 1)]


def test_the_glossary_has_the_words_of_the_run_only() -> None:
    def words(trace: Trace) -> set[str]:
        return {name for block in mode("glossary").blocks(trace) if isinstance(block, Facts) for name, _ in block.rows}

    classifier, regression = words(lesson_example.classifier()), words(lesson_example.regression())
    assert {"softmax", "int8", "confusion matrix", "epoch", "mutual information"} <= classifier
    assert {"r2", "mean absolute error"} <= regression
    assert {"confusion matrix", "int8", "sigmoid"}.isdisjoint(regression)


def test_what_if_names_what_can_be_changed() -> None:
    grid = next(b for b in mode("what-if").blocks(lesson_example.classifier()) if isinstance(b, Grid))
    assert [row[:3:2] for row in grid.rows] == [
        ("features", "10"), ("layers", "64,64"), ("epochs", "20"), ("bits", "8"), ("rows", "10000")
    ]  # fmt: skip
    without = mode("what-if").blocks(example.trace())
    assert isinstance(without[0], Paragraph)


def test_code_of_hostile_settings_is_still_python() -> None:
    listings = [block.text for block in mode("code").blocks(lesson_example.hostile()) if isinstance(block, Code)]
    assert listings
    for text in listings:
        compile(text, "listing", "exec")
        assert "\nraise SystemExit" not in text


class _Balanced(HTMLParser):
    """Elements that are opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_balanced_and_a_cell_is_self_contained() -> None:
    for name in MODES:
        parser = _Balanced()
        parser.feed(str(blocks_html(mode(name).blocks(lesson_example.hostile()), page="trace.html")))
        assert parser.open == []
    cell = notebook_html(mode("summary").blocks(lesson_example.hostile()), link=('a"b', "<i>"))
    assert "<script" not in cell
    assert "&lt;i&gt;" in cell


def keys(monkeypatch: pytest.MonkeyPatch, pressed: str) -> None:
    left = list(pressed)
    monkeypatch.setattr("click.getchar", lambda: left.pop(0))


def quiz_of(trace: Trace) -> list[Question]:
    return [block for block in mode("quiz").blocks(trace) if isinstance(block, Question)]


def letters(questions: Sequence[Question]) -> str:
    return "".join("abcd"[next(i for i, o in enumerate(q.options) if o.right)] for q in questions)


def test_the_quiz_is_answered_with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = quiz_of(lesson_example.classifier())
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    keys(monkeypatch, "x" + letters(questions))
    assert ask(console, questions) == (len(questions), len(questions))
    wrong = "".join(str("abcd".index(letter) % 4 + 1) for letter in letters(questions))
    keys(monkeypatch, wrong.translate(str.maketrans("1234", "2341"))[:2] + "q")
    assert ask(console, questions) == (0, 2)


def test_steps_go_on_and_back_with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = mode("steps").blocks(lesson_example.classifier())
    sheet = io.StringIO()
    keys(monkeypatch, "  pq")
    step_through(Console(file=sheet, width=80, force_terminal=True, color_system=None), blocks)
    seen = [line.split(" ─")[0] for line in sheet.getvalue().splitlines() if line.startswith("Stage")]
    assert [head[:12] for head in seen] == ["Stage 1 of 6", "Stage 2 of 6", "Stage 3 of 6", "Stage 2 of 6"]


STEPS: tuple[dict[str, object], ...] = (
    {"kind": "impute", "strategy": "constant", "value": 2.0}, {"kind": "window"}, {"kind": "scale"},
    {"kind": "scale", "method": "robust", "clip": (-1.0, 1.5)}, {"kind": "pca"}, {"kind": "smooth"},
)  # fmt: skip
NAMES = ("impute", "window", "scale", "scale-2", "pca", "smooth")


@pytest.mark.parametrize("first", range(len(STEPS)))
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("shape", [(80, 4), (80, 4, 16)])
def test_a_listing_sends_samples_through_the_stages_before_and_those_of_its_card(
    first: int, count: int, shape: tuple[int, ...]
) -> None:
    card = NAMES[first : first + count]
    stage = StageRecord(name="Card", kind="+".join(card), shape_in=shape, shape_out=shape, why="")
    config = {"name": "steps", "stages": STEPS}
    trace = msgspec.structs.replace(example.trace(), config=config, stages=(stage,), task="classification")
    (listing,) = (block.text for block in mode("code").blocks(trace) if isinstance(block, Code))
    before, _, own = listing.partition("# Fitted without the test samples")
    assert re.findall(r"for name in (\(.*\)):", before) == ([repr(NAMES[:first])] if first else [])
    calls = re.findall(r"^stage = (.*)$", own, re.MULTILINE)
    by_scikit_learn = len(shape) == 2 and not {"window", "smooth"} & set(card)
    if by_scikit_learn:
        classes = {"impute": "SimpleImputer(strategy='constant', fill_value=2.0)", "scale": "MinMaxScaler()",
                   "scale-2": "RobustScaler()", "pca": "PCA(n_components=0.95)"}  # fmt: skip
        assert calls == [classes[name] for name in card]
        assert own.count("X.clip(-1.0, 1.5)") == ("scale-2" in card)
        assert all(call.partition("(")[0] in before for call in calls)
    else:
        assert calls == [f"pipeline.named_steps[{name!r}]" for name in card]
    assert own.count("X = stage.fit(X[rows], y[rows]).transform(X)") == len(card)
    compile(listing, "listing", "exec")
