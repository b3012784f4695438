"""What twice the data is worth, measured where that is cheap."""

from __future__ import annotations

from edgewright.pipeline.duration_estimate import Ahead
from edgewright.schema.curve import Curves
from edgewright.schema.errors import InputError
from edgewright.search.advise.contract import Doing
from edgewright.search.curves.measure import CurveRequest, measure
from edgewright.search.curves.of_samples import OfSamples
from edgewright.search.ladder.measurement import Ladder

FOLDS = 3
# Cells (samples times columns) up to which a curve takes some seconds, by rank of the rung: rules are looked for among
# many products, networks and forests are trained long.
_MOST = ((30, 300_000), (45, 60_000), (65, 300_000), (200, 20_000))


def curve_of(ladder: Ladder, rung: str, wanted: bool | None, doing: Doing, ahead: Ahead) -> tuple[Curves | None, str]:
    """The curve of a rung, and what it says or why there is none.

    Args:
        ladder: that was climbed.
        rung: name of the chosen one.
        wanted: whether it is measured in any case, or in none; None decides by the work it is.
        doing: shows progress.
        ahead: gets the estimate of long work before it begins.
    """
    later = "edgewright curve measures it"
    if wanted is False:
        return None, f"not measured (--no-curve): {later}"
    if rung == "majority":
        return None, "not measured: more data does not change a majority"
    chosen = ladder.rungs[rung]
    cells = ladder.parts(chosen.columns)[-1].X.size
    most = next(limit for rank, limit in _MOST if chosen.rank < rank)
    if wanted is None and cells > most:
        return None, f"not measured: {cells:,} cells take long with a {chosen.title} (--curve insists); {later}"
    learner = OfSamples(ladder.problem, ladder.config, rung, ladder.metric, count=FOLDS)
    try:
        found = measure(learner, CurveRequest(parameters=False), doing, ahead)
    except InputError as error:
        return None, f"not measured: {error}"
    return found, f"{found.verdict} (error: {found.error}, with a {found.model}; interval of 80 %)"
