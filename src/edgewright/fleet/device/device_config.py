"""What the agent is told about its device, and its paces."""

from __future__ import annotations

import msgspec

HOUR = 3600.0


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the state machine; all times in seconds.

    Attributes:
        product: line of packages that is followed.
        profile: hardware profile; `version` of Edgewright.
        poll: between two looks for news.
        slowest: longest time between two looks where nobody answers.
        look: between two looks at the model's process.
        keep: between two writings of times and counts that rise all the time.
        slice: that one step spends at a download, or little more.
        again: after which a process that ended in order is started again.
    """

    product: str
    profile: str = ""
    version: str = ""
    poll: float = 60.0
    slowest: float = HOUR
    look: float = 2.0
    keep: float = 60.0
    slice: float = 20.0
    again: float = 60.0
