"""The page's own interpreter against the desk's executor: every operator, and whole runs, at rest and moved."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from playwright.sync_api import Browser, Page

import c99_operator_cases as operator_cases
import trace_example as example
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Graph
from edgewright.core.records.trace import Trace
from edgewright.core.records.trace_flow import Channel, ClassSample, ClassSamples
from edgewright.trace.html import PAGE_LIMIT, page_html
from edgewright.trace.page_model import LOWERED, read_trace
from looking import PHONE, too_wide, violations
from small_pipeline import run_small, write_rows, write_toml

if TYPE_CHECKING:
    from conftest import Lesson

pytestmark = pytest.mark.slow
CLOSE = 1e-4
Opener = Callable[..., Page]


@pytest.fixture
def opener(browser: Browser) -> Iterator[Opener]:
    """Open a file; fails at any request and at what the browser complains of."""
    troubles: list[str] = []
    pages: list[Page] = []

    def opened(path: Path, **settings: object) -> Page:
        page = browser.new_page(**settings)  # type: ignore[arg-type]
        pages.append(page)
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "request", lambda request: troubles.extend([] if request.url.startswith(path.as_uri()) else [request.url])
        )
        page.goto(f"{path.as_uri()}#what-if")
        return page

    yield opened
    for page in pages:
        page.close()
    assert troubles == []


def shown_probabilities(page: Page) -> np.ndarray:
    """Return what the page's model answers, once it is unpacked."""
    page.wait_for_selector("#what-if-form:not([hidden])", state="attached")
    read = "all => all.map(e => e.dataset.value)"
    return np.array([float(text) for text in page.eval_on_selector_all("#what-if-answer li", read)])


def desk(graph: Graph, x: np.ndarray) -> np.ndarray:
    name = "probabilities" if graph.labels else graph.outputs[0].name
    return compile_graph(graph)(np.asarray(x, np.float32)[None])[name].ravel()


def move(page: Page, slider: str, value: float) -> None:
    """Move a slider as a reader does."""
    page.locator(slider).evaluate(
        "(e, value) => { e.value = value; e.dispatchEvent(new Event('input', {bubbles: true})) }", value
    )


def sampled(values: np.ndarray) -> ClassSamples:
    """Return a record of one sample."""
    channels = tuple(Channel(name=f"x{i}", low=-2, high=2, mean=0, deviation=1) for i in range(len(values)))
    one = ClassSample(row=0, truth="a", answer="a", confidence=1.0, values=values.astype("<f4").tobytes())
    return ClassSamples(side="validation", shape=values.shape, channels=channels, samples=(one,), classes=1)


def with_samples(samples: ClassSamples) -> Trace:
    return msgspec.structs.replace(example.trace(3), samples=samples)


def test_every_operator_gives_what_the_desk_gives(tmp_path: Path, opener: Opener) -> None:
    cases = operator_cases.case_graph()
    builder = cases.builder
    whole = builder.finish({"probabilities": (builder.op("Concat", *cases.ends, axis=1), "float32", (1,))})
    width = int(np.size(compile_graph(whole)(np.zeros((1, 216), np.float32))["probabilities"]))
    graph = msgspec.structs.replace(whole, labels=tuple(map(str, range(width))))
    x = np.random.default_rng(5).uniform(-2, 2, 216)
    path = tmp_path / "trace.html"
    path.write_text(page_html(with_samples(sampled(x)), graph), encoding="utf-8")
    wanted, got = desk(graph, x), shown_probabilities(opener(path))
    sizes = [np.size(v) for v in compile_graph(graph, cases.ends)(np.zeros((1, 216), np.float32)).values()]
    ends = np.cumsum(sizes)
    for name, first, last in zip(cases.names, ends - sizes, ends, strict=True):
        np.testing.assert_allclose(got[first:last], wanted[first:last], rtol=1e-5, atol=1e-5, err_msg=name)
    assert {node.op for node in graph.nodes} == set(LOWERED)


def test_the_demo_answers_in_the_page_as_on_the_desk(lesson: Callable[[str], Lesson], opener: Opener) -> None:
    folder = lesson("demo").folder
    path, graph = folder / "trace.html", read_onnx((folder / "model.onnx").read_bytes())
    known = read_trace(folder / "trace.json").samples
    assert known is not None
    assert path.stat().st_size < PAGE_LIMIT
    page = opener(path, viewport={"width": 1280, "height": 900})
    assert page.locator("#what-if-sample option").count() >= 1
    for number, sample in enumerate(known.samples[: page.locator("#what-if-sample option").count()]):
        page.select_option("#what-if-sample", index=number)
        x = np.frombuffer(sample.values, "<f4").reshape(known.shape)
        np.testing.assert_allclose(shown_probabilities(page), desk(graph, x), atol=CLOSE)
        best = graph.labels[int(desk(graph, x).argmax())]
        assert page.locator("#what-if-told").inner_text().startswith(f"{best}, ")
    page.select_option("#what-if-channel", index=1)
    move(page, "#what-if-gain", 0.1)
    move(page, "#what-if-offset", 1)
    changed = x.copy()
    changed[0] = changed[0] * 0.1 + known.channels[0].deviation
    np.testing.assert_allclose(shown_probabilities(page), desk(graph, changed), atol=CLOSE)
    page.locator("#what-if-reset").click()
    page.select_option("#what-if-sample", index=0)
    assert page.locator("#samples svg title").count() > 10


@pytest.mark.parametrize("kind", ["tree", "forest", "linear", "boosting", "rules"])
def test_a_model_of_a_table_answers_as_on_the_desk(kind: str, tmp_path: Path, opener: Opener) -> None:
    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv"))
    text = toml.read_text(encoding="utf-8").split("[[model.layers]]")[0]
    toml.write_text(text + f'[model]\nkind = "{kind}"\n', encoding="utf-8")
    run = run_small(toml, tmp_path / "runs")
    known, graph = run.trace.samples, read_onnx((run.folder / "model.onnx").read_bytes())
    assert known is not None
    assert run.page is not None
    page = opener(run.page)
    for number, sample in enumerate(known.samples):
        page.select_option("#what-if-sample", index=number)
        x = np.frombuffer(sample.values, "<f4").copy()
        np.testing.assert_allclose(shown_probabilities(page), desk(graph, x), atol=CLOSE)
        before = shown_probabilities(page)
        for column in range(2):
            x[column] = -x[column]
            move(page, f"[data-column='{column}']", float(x[column]))
            x[column] = float(page.locator(f"[data-column='{column}']").input_value())
        np.testing.assert_allclose(shown_probabilities(page), desk(graph, x), atol=CLOSE)
        assert np.abs(shown_probabilities(page) - before).max() > 0.1
    assert violations(page) == []


CONV = """\
name = "conv"
seed = 3
[data]
kind = "basic_motions"
[window]
samples = 100
step = 100
[[stages]]
kind = "scale"
method = "standard"
[[model.layers]]
kind = "conv1d"
filters = 8
kernel = 5
stride = 2
activation = "relu"
[[model.layers]]
kind = "max_pool"
kernel = 2
[[model.layers]]
kind = "depthwise_separable"
filters = 8
kernel = 3
[[model.layers]]
kind = "global_average_pool"
[training]
epochs = 4
batch = 8
"""


def test_a_convolutional_network_answers_as_on_the_desk(tmp_path: Path, opener: Opener) -> None:
    toml = tmp_path / "conv.toml"
    toml.write_text(CONV, encoding="utf-8")
    run = run_small(toml, tmp_path / "runs")
    known, graph = run.trace.samples, read_onnx((run.folder / "model.onnx").read_bytes())
    assert known is not None
    assert run.page is not None
    assert any(node.op == "Conv" for node in graph.nodes)
    page = opener(run.page, viewport=PHONE)
    for number, sample in enumerate(known.samples):
        page.select_option("#what-if-sample", index=number)
        x = np.frombuffer(sample.values, "<f4").reshape(known.shape)
        np.testing.assert_allclose(shown_probabilities(page), desk(graph, x), atol=CLOSE)
    figure_text = page.locator("#model figure svg").text_content() or ""
    assert "Convolution, ReLU" in figure_text
    assert re.search(r"Global average.*8", figure_text)
    assert too_wide(page) == []


def test_a_model_that_the_page_cannot_run_is_said(tmp_path: Path, opener: Opener) -> None:
    graph = operator_cases.cases()
    nodes = tuple(msgspec.structs.replace(n, op="Elu") if n.op == "Tanh" else n for n in graph.nodes)
    path = tmp_path / "trace.html"
    record = with_samples(sampled(np.zeros(216)))
    path.write_text(page_html(record, msgspec.structs.replace(graph, nodes=nodes)), encoding="utf-8")
    assert "it does not know Elu" in opener(path).locator("#what-if").inner_text()
    constants = {**graph.constants, "wide": np.random.default_rng(0).normal(size=(216, 400)).astype(np.float32)}
    first = msgspec.structs.replace(
        graph.nodes[-1], op="MatMul", inputs=(graph.inputs[0].name, "wide"), outputs=("prediction",)
    )
    large = msgspec.structs.replace(graph, constants=constants, nodes=(first,), stages=())
    path.write_text(page_html(record, large), encoding="utf-8")
    page = opener(path)
    assert "too large for the page" in page.locator("#what-if").inner_text()
    assert path.stat().st_size < PAGE_LIMIT
