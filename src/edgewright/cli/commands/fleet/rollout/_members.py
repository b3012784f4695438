"""How many devices a plan is for, and what its stages then find, before it is signed."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from edgewright.cli.commands.fleet._api_options import ApiOptions

if TYPE_CHECKING:
    from edgewright.schema.fleet_plan import Cohort, Plan
    from edgewright.schema.fleet_watch import StageDetection

_MOST_COUNTERS = 20


class Members:
    """Counts the devices of a product.

    Args:
        api: control plane that knows them.
        product: line of packages that they follow.
    """

    def __init__(self, api: ApiOptions, product: str) -> None:
        self._api, self._product = api, product

    def count(self, cohort: Cohort | None) -> int:
        """Return how many devices a cohort has at least, all of the product without one.

        Devices may have several tags: of these, the one with the most devices counts.
        """
        if cohort is None:
            return self._total({})
        if cohort.devices:
            return len(cohort.devices)
        low, high = cohort.counters or (0, -1)
        some = range(low, min(high, low + _MOST_COUNTERS) + 1)
        counters: list[dict[str, object]] = [{"counter": number} for number in some] or [{}]
        profiles: list[dict[str, object]] = [{"profile": name} for name in cohort.profiles] or [{}]
        tags: list[dict[str, object]] = [{"tag": name} for name in cohort.tags] or [{}]
        return max(
            sum(
                self._total({**tag, **profile, **counter}) for profile, counter in itertools.product(profiles, counters)
            )
            for tag in tags
        )

    def detection(self, plan: Plan) -> tuple[StageDetection, ...]:
        """Return what each stage of a plan finds; nothing where no device is known."""
        from edgewright.fleet.protocol.plans.options import preview_of

        sizes = {name: self.count(cohort) for name, cohort in plan.cohorts.items()}
        everybody = self.count(None)
        counts = [max((sizes[name] for name in stage.cohorts), default=everybody) for stage in plan.stages]
        return preview_of(plan, counts) if any(counts) else ()

    def _total(self, query: dict[str, object]) -> int:
        from edgewright.schema.fleet_api import DevicePage

        wanted = urlencode({"product": self._product, "quarantined": "no", "limit": 1, **query})
        return self._api.ask(DevicePage, "GET", f"/v1/fleet/devices?{wanted}").total
