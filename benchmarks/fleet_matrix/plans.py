"""The plans of the matrix: that of the documentation, which is the default, and three that are odd and legal."""

from __future__ import annotations

from edgewright.fleet.protocol.plans.options import PlanOptions
from edgewright.fleet.protocol.plans.parser import stages, windows
from edgewright.schema.fleet_plan import Cohort, Stage

HOUR = 3600.0
PLANS: dict[str, tuple[str, PlanOptions]] = {
    "default": ("without options: faults that show within 24 hours", PlanOptions()),
    "urgent": ("`--find-within 1h`", PlanOptions(find_within=HOUR)),
    "two-stages": ("`half:50%,100%`", PlanOptions(stages=stages("half:50%,100%", HOUR))),
    "windows": (
        "stages of 1 hour, activation from 10:00 to 12:00 only, hold-out of 20 %",
        PlanOptions(stages=stages("5%,25%,100%", HOUR), windows=windows(["10:00-12:00"]), holdout=20.0),
    ),
    "labs": (
        "all devices of a cohort, then 1 %, then all, without asking for permission",
        PlanOptions(
            stages=(
                Stage(name="labs", percent=100.0, cohorts=("labs",), dwell=HOUR, gated=False),
                Stage(name="few", percent=1.0, dwell=HOUR, gated=False),
                Stage(name="all", percent=100.0, dwell=HOUR, gated=False),
            ),
            cohorts={"labs": Cohort(tags=("lab",))},
        ),
    ),
}  # fmt: skip
"""In words, and as options."""
