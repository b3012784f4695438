"""Shop: what is on the shelf, how many people come, and when to order again?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import edgewright as ew
from edgewright.core.neighbours import Neighbours, begin
from edgewright.core.predictor import Predictor
from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.data.set_files import register_sources
from edgewright.language.forecasting.calendar_seasons import choose_seasons
from edgewright.language.forecasting.selection import ForecastRequest
from edgewright.language.forecasting.series import filled, series_of
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.workflows.examples import Target, check_proof, run_example, set_path
from forecasts import judge_forecast
from orders import served

DATA = ("people-counts", "grocery")
TARGETS = {
    "forecast_ratio": Target(maximum=0.8, source="need: an order that is a fifth better than last week's"),
    "service_gap": Target(maximum=0.02, source="need: the service level that was asked for, within two points"),
    "accuracy": Target(minimum=0.60, source="need: a till that names the product more often than not saves time"),
    "new_products": Target(minimum=0.80, source="need: four of five new goods known from three pictures"),
}
HERE = Path(__file__).parent
# Half hours: a day ahead, and the last four weeks evaluate.
DAY_ROWS, EVALUATION_ROWS, SERVICE = 48, 1344, 0.9
# A day is unusual if 6 hours of it are further from the forecast than on all but one in 14 of the days before.
STRETCH_ROWS, USUAL_DAYS = 12, 14
SHOTS, NEW_AT_ONCE, DRAWS = 3, 5, 200
# A wrong charge costs as much as five questions to the cashier; basket sizes are at most 6.
WRONG_COST, LIMIT_STEPS = 5.0, 40
Floats = NDArray[np.float64]


def read_counts(data: str | None) -> tuple[Floats, ForecastRequest]:
    """Return people per half hour without gaps, and the seasons of the rows before those that evaluate."""
    series = series_of(load_data({"kind": "people_counts"}, seed=0, path=data), "people_in")
    before, _ = filled(replace(series, values=series.values[:-EVALUATION_ROWS]), 1)
    seasons = choose_seasons(before.values, DAY_ROWS, series.step).rows
    whole, _ = filled(series, seasons[-1] if seasons else 1)
    return whole.values, ForecastRequest(DAY_ROWS, seasons)


def demand(data: str | None) -> dict[str, float]:
    """Forecast a day ahead, follow a re-order point, and count unusual days, all on four weeks that chose nothing."""
    values, request = read_counts(data)
    start = len(values) - EVALUATION_ROWS
    forecast = judge_forecast(values, start, request, column="people_in")
    orders = served(values, start, request, SERVICE)
    half = start - start // 2 // DAY_ROWS * DAY_ROWS
    limit = np.sort(np.abs(day_errors(values[:start], half, request)).max(axis=1))[::-1]
    unusual = np.abs(day_errors(values, start, request)).max(axis=1) > limit[len(limit) // USUAL_DAYS]
    return {
        "forecast_ratio": forecast.errors.sum() / forecast.naive.sum(),
        "forecast_mae": forecast.errors.mean(),
        "naive_mae": forecast.naive.mean(),
        "service": orders.served.mean(),
        "service_gap": abs(orders.served.mean() - SERVICE),
        "unusual_days": unusual.sum(),
    }


def day_errors(values: Floats, start: int, request: ForecastRequest) -> Floats:
    """Return how many more people came in each stretch of 6 hours than was forecast at midnight, by day."""
    forecast = judge_forecast(values, start, request, column="people_in")
    errors = (forecast.truth - forecast.forecasts)[::DAY_ROWS]
    sums = np.cumsum(np.pad(errors, ((0, 0), (1, 0))), axis=1)
    return np.asarray(sums[:, STRETCH_ROWS:] - sums[:, :-STRETCH_ROWS])


class Photographs(NamedTuple):
    """Photographs of all products, also the new ones: shape (n, 3, 64, 64), products, and whether they evaluate."""

    X: NDArray[np.float32]
    products: NDArray[np.str_]
    evaluate: NDArray[np.bool_]

    def of(self, product: str, evaluate: bool) -> NDArray[np.int64]:
        """Return the photographs of a product that teach or evaluate."""
        return np.flatnonzero((self.products == product) & (self.evaluate == evaluate))


def read_photographs(table: dict[str, object], data: str | None) -> Photographs:
    """Return the photographs with the products that the pipeline leaves out."""
    whole = {key: value for key, value in table.items() if key != "without"}
    samples = cut(load_data(whole, seed=0, path=data), None)
    return Photographs(np.asarray(samples.X), samples.y.astype(str), np.asarray(samples.groups) == "val")


def new_products(index: Neighbours, photographs: Photographs, products: tuple[str, ...]) -> float:
    """Return the share of right answers if five new products are known from three photographs each."""
    rng, right = np.random.default_rng(0), {product: [] for product in products}
    vectors = index.space().vectors(photographs.X)
    for _ in range(DRAWS):
        known = index
        chosen = rng.choice(sorted(products), NEW_AT_ONCE, replace=False).tolist()
        for product in chosen:
            known = known.added(product, vectors[rng.choice(photographs.of(product, False), SHOTS, replace=False)])
        for product in chosen:
            rows = photographs.of(product, True)
            answers = known.answers(vectors[rows], [""] * len(rows))
            right[product] += [answer.nearest == product for answer in answers]
    return float(np.mean([np.mean(answers) for answers in right.values()]))


class Answer(NamedTuple):
    """The network's product and confidence, and the nearest example with its distance."""

    product: str
    confidence: float
    nearest: str
    distance: float

    def charge(self, near: float, sure: float) -> str:
        """Return the product that is charged; empty if the cashier is asked."""
        if self.distance <= near:
            return self.nearest
        return self.product if self.confidence >= sure else ""


def cheapest_limits(answers: list[Answer], truth: list[str]) -> tuple[float, float]:
    """Return the limits of distance and confidence that cost least on these photographs."""
    steps = np.linspace(0, 1, LIMIT_STEPS)
    nears = [-1.0, *np.quantile([answer.distance for answer in answers], steps)]
    sures = [2.0, *np.quantile([answer.confidence for answer in answers], steps)[::-1]]

    def cost(limits: tuple[float, float]) -> float:
        charged = [answer.charge(*limits) for answer in answers]
        return sum(WRONG_COST * (item != label) if item else 1.0 for item, label in zip(charged, truth, strict=True))

    return min(((near, sure) for near in nears for sure in sures), key=cost)


def till(predictor: Predictor, index: Neighbours, photographs: Photographs) -> dict[str, float]:
    """Charge the evaluation photographs in random order; what the cashier names becomes an example.

    The cashier names the first half of them, which chooses the limits.
    """
    rows = np.random.default_rng([0, 61]).permutation(np.flatnonzero(photographs.evaluate))
    truth, half = photographs.products[rows].tolist(), len(rows) // 2
    known, limits, answers, charged = predictor.predict(photographs.X[rows]), (-1.0, 2.0), [], []
    for number, row in enumerate(rows):
        if number == half:
            limits = cheapest_limits(answers, truth[:half])
        vector = index.space().vectors(photographs.X[row : row + 1])
        (nearest,) = index.answers(vector, [""])
        answers.append(
            Answer(str(known.labels[number]), float(known.confidence[number]), nearest.nearest, nearest.distance)
        )
        charged.append(answers[-1].charge(*limits))
        if not charged[-1]:
            index = index.added(truth[number], vector)
    right, is_asked = np.array(charged[half:]) == np.array(truth[half:]), np.array(charged[half:]) == ""
    return {"till_right": right.mean(), "till_wrong": (~right & ~is_asked).mean(), "till_asked": is_asked.mean()}


def main(data: Path | None, out: Path) -> dict[str, float]:
    """Forecast demand and re-order, train products on photographs, add new ones, and run a till."""
    grocery = set_path("grocery", data)
    pipeline = ew.Pipeline.from_toml(HERE / "goods.toml", data=grocery)
    run = pipeline.run(out=out, force=True)
    package = run.package if judged_of(run.folder) == run.folder else next(judged_of(run.folder).glob("*.edge"))
    index = begin(package.read_bytes(), str(package), "network")
    photographs, new = read_photographs(pipeline.config.data, grocery), tuple(pipeline.config.data["without"])
    taught = index
    for product in new:
        taught = taught.added(product, index.space().vectors(photographs.X[photographs.of(product, False)[:SHOTS]]))
    return {
        **demand(set_path("people-counts", data)),
        **run.figures,
        "accuracy": run.figures["int8_accuracy"],
        "new_products": new_products(index, photographs, new),
        **till(ew.load(package), taught, photographs),
        **check_proof(run.folder),
    }


if __name__ == "__main__":
    register_sources(HERE / "goods.py", HERE / "visitors.py")
    run_example(main, TARGETS, __doc__)
