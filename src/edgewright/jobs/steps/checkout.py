"""`checkout`: a day at a till that charges pictures which judged, or asks the cashier and learns the answer."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.formatting import plural
from edgewright.core.input.pictures import png
from edgewright.core.neighbours.index_file import read_index, write_index
from edgewright.core.predictor import package_path
from edgewright.data.load import load_data
from edgewright.data.picture_samples import read_pictures
from edgewright.data.targets import as_text
from edgewright.export.answering import load
from edgewright.jobs.group_figures import share_of
from edgewright.jobs.steps import Process, Step, StepConfig, Work, run_offline
from edgewright.jobs.steps.few_shot import with_new_labels
from edgewright.jobs.steps.forecast import Rows
from edgewright.language.forecasting.series import series_of
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.schema.errors import InputError
from edgewright.schema.job import Choice, JobFigure, Mark, StepRecord, Stretch, Timeline

Numbers = NDArray[np.float64]
Texts = NDArray[np.str_]
_KNOWN, _NEW, _DAY_S = "known", "new", 86_400.0
# Settings that are tried of each limit.
_SETTINGS = 40


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A day.

    Attributes:
        run: step whose package answers; the newest when empty.
        taught: step of kind 'few_shot' that taught the new products.
        data: table of counts at the door, as `[data]` of a pipeline.
        column: of the counts.
        judge: rows at the end; customers come as people did on the busiest day of these.
        confirmed: share of the customers, the first ones, whose products the cashier names: they choose the limits.
        wrong: what a wrong charge costs, in questions to the cashier.
        largest: products of a basket at most.
        item_s: seconds from one product to the next.
        shown: baskets on the time line: those in a row with the fewest right products.
        seed: seed of the baskets.
    """

    run: str = ""
    taught: str = "few_shot"
    data: dict[str, Any]
    column: str = ""
    judge: Rows
    confirmed: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5
    wrong: Annotated[float, msgspec.Meta(gt=0)] = 5.0
    largest: Annotated[int, msgspec.Meta(ge=1)] = 6
    item_s: Annotated[float, msgspec.Meta(gt=0)] = 3.0
    shown: Annotated[int, msgspec.Meta(ge=1)] = msgspec.field(default=12, name="drawn")
    seed: int = 0


class Answer(NamedTuple):
    """Of a picture the package's label and confidence, and the nearest example with its distance."""

    label: str
    confidence: float
    nearest: str
    distance: float

    def charged(self, near: float, sure: float) -> str:
        """Return the label that is charged; empty where the cashier is asked."""
        if self.distance <= near:
            return self.nearest
        return self.label if self.confidence >= sure else ""


def cheapest(answers: Sequence[Answer], truth: Sequence[str], wrong: float) -> tuple[float, float]:
    """Return limits of distance and confidence that cost least on these pictures; of equal ones the strictest."""

    def cost(limits: tuple[float, float]) -> float:
        charged = [charge.charged(*limits) for charge in answers]
        return sum(
            1.0 if not charge else wrong * (charge != label) for charge, label in zip(charged, truth, strict=True)
        )

    steps = np.linspace(0, 1, _SETTINGS)
    nears = np.quantile([answer.distance for answer in answers], steps).tolist()
    sures = np.quantile([answer.confidence for answer in answers], steps)[::-1].tolist()
    return min(((near, sure) for near in (-1.0, *nears) for sure in (2.0, *sures)), key=cost)


@dataclass(frozen=True)
class Basket:
    """What a customer brings so many seconds after midnight: numbers of the day's pictures."""

    time: float
    products: range


def _checkout(config: Config, work: Work) -> StepRecord:
    ran = work.run_of(config.run)
    file = work.file_of(config.taught, "few_shot", f"{ran.config.name}.neighbours")
    counts, step = _busiest(config, work)
    package, index = package_path(judged_of(ran.folder)), read_index(file)
    predictor, new, space = load(package), index.spec.labels, index.space()
    material = with_new_labels(ran)
    rng = np.random.default_rng([config.seed, 61])
    rows = rng.permutation(material.sides.test)
    truth = as_text(material.samples.y)[rows].tolist()
    baskets = drawn_baskets(len(rows), counts, step, config.largest, rng)
    confirmed = baskets[round(config.confirmed * len(baskets))].products.start
    near, sure = -1.0, 2.0
    answers, charged, seconds = list[Answer](), list[str](), list[float]()
    folder = work.new_folder(config)
    with tempfile.TemporaryDirectory() as room, work.listener.doing("Charging products", len(rows)) as advance:
        for number, (label, picture) in enumerate(zip(truth, material.samples.X[rows], strict=True)):
            if number == confirmed:
                near, sure = cheapest(answers, truth[:confirmed], config.wrong)
            path = Path(room) / f"{number:06}.png"
            path.write_bytes(png(picture))
            begun = time.process_time()
            values, names = read_pictures(path, predictor.manifest)
            known, vectors = predictor.predict(values), space.vectors(values)
            (nearest,) = index.answers(vectors, names)
            seconds.append(time.process_time() - begun)
            answers.append(Answer(str(known.labels[0]), float(known.confidence[0]), nearest.nearest, nearest.distance))
            charged.append(answers[-1].charged(near, sure))
            if not charged[-1]:
                index = index.added(label, vectors)
            advance(1)
        size = write_index(folder / file.name, index)
        both = [run_offline([*words, "--pictures", room, "--json"])
                for words in (("predict", package), ("few-shot", "predict", folder / file.name))]  # fmt: skip
    customers = sum(basket.products.start < confirmed for basket in baskets)
    limits = (
        f"a picture at most {near:.3f} from an example is that product; else the network's answer is charged from a "
        f"confidence of {sure:.3f} on"
    )
    return StepRecord(
        command=f"edgewright few-shot add runs/{work.folder.name}/{folder.name}/{file.name} --pictures BASKET "
        "--label PRODUCT",
        says=(
            f"{plural(len(baskets), 'basket')} with the {len(rows)} pictures that judged the network; customers come "
            f"as people did on the busiest day that judges. The cashier names the {confirmed} products of the first "
            f"{customers} customers, which chooses the limits. From then on the till charges by few-shot predict and "
            f"predict ({predictor.form}), or asks. What the cashier names becomes an example.",
            f"{limits}",
        ),
        figures=(
            *_shares(np.array(truth[confirmed:]), np.array(charged[confirmed:]), new),
            JobFigure.of("p99", "processor time of a picture, 99 of 100 within",
                         float(np.quantile(seconds, 0.99)), "s"),
            JobFigure.of("index", "network and examples at the end of the day", size, "B"),
            *Process("", max(process.memory for process in both), sum(process.network for process in both)).figures(),
        ),
        timeline=_timeline(baskets[customers:], truth, charged, new, config),
        choice=Choice(
            question="When does the till ask the cashier?", chosen=limits,
            why=f"it costs least on the {confirmed} products that the cashier named, where a wrong charge costs "
            f"{config.wrong:g} questions",
        ),
        folder=folder.name,
    )  # fmt: skip


def _busiest(config: Config, work: Work) -> tuple[Numbers, float]:
    """Return the counts of the busiest day that judges, and the seconds of a row."""
    series = series_of(load_data(config.data, seed=0, path=work.path_of(config.data)), config.column)
    rows = round(_DAY_S / series.step) if series.step else 0
    if not 0 < rows <= config.judge <= len(series.values):
        raise InputError("judge of a day or more, in rows of the data", str(config.judge), work.folder.name)
    days = np.nan_to_num(series.values[len(series.values) - config.judge // rows * rows :]).reshape(-1, rows)
    return np.asarray(days[days.sum(axis=1).argmax()]), series.step


def drawn_baskets(products: int, counts: Numbers, step: float, largest: int, rng: np.random.Generator) -> list[Basket]:
    """Return customers in the order in which they come, as often in each row of the day as people did."""
    ends = [0]
    while ends[-1] < products:
        ends.append(min(products, ends[-1] + int(rng.integers(1, largest + 1))))
    rows = rng.choice(len(counts), len(ends) - 1, p=counts / counts.sum())
    times = np.sort((rows + rng.random(len(rows))) * step).tolist()
    return [Basket(moment, range(*part)) for moment, part in zip(times, pairwise(ends), strict=True)]


def _shares(truth: Texts, charged: Texts, new: Sequence[str]) -> list[JobFigure]:
    figures = []
    for key, products, part in (
        ("", "products", np.ones(len(truth), np.bool_)), ("_new", "new products", np.isin(truth, new)),
    ):  # fmt: skip
        names, given = truth[part], charged[part]
        if len(names):
            figures += [
                share_of(f"right{key}", f"{products} charged rightly", given == names, names, "product"),
                share_of(
                    f"wrong{key}", f"{products} charged wrongly", (given != names) & (given != ""), names, "product"
                ),
                share_of(f"asked{key}", f"{products} that the cashier is asked about", given == "", names, "product"),
            ]
    return figures


def _timeline(
    baskets: Sequence[Basket], truth: Sequence[str], charged: Sequence[str], new: Sequence[str], config: Config
) -> Timeline:
    """Draw baskets one after the other, without the time between customers."""
    right = [
        sum(truth[product_number] == charged[product_number] for product_number in basket.products)
        for basket in baskets
    ]
    starts = range(max(1, len(baskets) - config.shown + 1))
    start = min(starts, key=lambda at: sum(right[at : at + config.shown]))
    row = baskets[start : start + config.shown]
    shown, answers, states, marks, begin = [], [], [], [], 0.0
    for basket in row:
        opened = begin
        for product in basket.products:
            label, answer, end = truth[product], charged[product], begin + config.item_s
            shown.append(Stretch(label=_NEW if label in new else _KNOWN, start=begin, end=end))
            if answer:
                answers.append(Stretch(label=_NEW if answer in new else _KNOWN, start=begin, end=end))
            if answer != label:
                kind, text = ("false alarm", f"{label} charged as {answer}") if answer else ("event", label)
                marks.append(Mark(time=(begin + end) / 2, kind=kind, text=text))
            begin = end
        hour, minute = divmod(int(basket.time) // 60, 60)
        states.append(Stretch(label=f"{hour:02}:{minute:02}", start=opened, end=begin))
        begin += config.item_s
    return Timeline(
        title=f"{plural(len(row), 'basket')} in a row with the fewest right products, without the time between them",
        seconds=begin - config.item_s, labels=(_KNOWN, _NEW), truth=tuple(shown), answers=tuple(answers),
        states=tuple(states), marks=tuple(marks), keys=("product", "charged", "baskets"),
        note="Red triangles are products charged wrongly; at a square the cashier is asked.",
    )  # fmt: skip


STEP = Step(Config, "A day at the till", _checkout)
