"""Nothing is broken: a good release reaches everybody."""

from __future__ import annotations

from edgewright.fleet.simulator.fault import Fault


class Nothing(Fault):
    """A good release."""

    did = ""
    broken = "nothing: the new release is good"
    holds = ("a good release goes on", "everybody gets there", "the plan's pace")


FAULT = Nothing()
