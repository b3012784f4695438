"""What would fit where a model does not fit a device: its int8 form, or the smallest device that holds it as it is."""

from __future__ import annotations

from edgewright.pipeline.footprint import Footprint, footprint, form_footprint
from edgewright.profiles.catalogue import listing, load_profile
from edgewright.profiles.footprint import amount, over_budget, takes_programs
from edgewright.schema.budget import Budget
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.graph import Graph
from edgewright.schema.profile import Profile


def integer_form(profile: Profile, graph: Graph, found: Footprint, limits: Budget, buffer_bytes: int = 0) -> str:
    """Return what the int8 form of a float model takes, and whether it fits; empty where it takes no less.

    Args:
        profile: of the device.
        graph: the whole pipeline.
        found: its footprint as it is.
        limits: of the device.
        buffer_bytes: of the window that is filled beside it.
    """
    if found.form != "float" or not graph.boundary:
        return ""
    try:
        small = footprint(profile, graph, buffer_bytes=buffer_bytes)
    except EdgewrightError:
        return ""
    if small.form == "float" or (small.flash.value >= found.flash.value and small.ram.value >= found.ram.value):
        return ""
    fits = "is too large, too" if over_budget(small, limits) else "fits"
    return f"the int8 form, {_sizes(small.flash.value, small.ram.value)}, {fits}"


def holder(graph: Graph, budget: Budget, buffer_bytes: int = 0) -> str:
    """Return which microcontroller holds a model as it is, that with the least flash and RAM.

    Args:
        graph: the whole pipeline.
        budget: limits beside the devices' own.
        buffer_bytes: of the window that is filled beside it.
    """
    held = []
    for profile in map(load_profile, listing()):
        if not takes_programs(profile):
            continue
        flash, ram = int(profile.flash.value), int(profile.ram.value)
        found = form_footprint(profile, graph, buffer_bytes=buffer_bytes)
        if not over_budget(found, Budget(flash=flash, ram=ram, latency_us=budget.latency_us)):
            held.append((flash, ram, profile.name))
    if not held:
        return "no microcontroller with a profile holds the model as it is"
    flash, ram, name = min(held)
    return f"{name} holds the model as it is ({_sizes(flash, ram)})"


def _sizes(flash: float, ram: float) -> str:
    return f"{amount(flash, 'B')} of flash and {amount(ram, 'B')} of RAM"
