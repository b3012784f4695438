"""From the outbox to a sink, batch by batch; what is not acknowledged as durable stays."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.device.sinks import NeverError, NotYetError, Sink
from edgewright.device.store.store import Store
from edgewright.schema.errors import EdgewrightError


@dataclass(frozen=True)
class Delivered:
    """Items that were sent and items that arrived, and why the last batch did not arrive whole.

    Attributes:
        sent, arrived: items.
        problem: empty where it arrived whole, or was handed back on purpose.
    """

    sent: int = 0
    arrived: int = 0
    problem: str = ""


def deliver(store: Store, sink: Sink, limit: int = 64 << 10, batches: int = 16) -> Delivered:
    """Send what may be sent now.

    Args:
        store: whose outbox.
        sink: where to.
        limit: bytes a batch.
        batches: at most so many, so that the caller gets its turn.

    Returns:
        What happened; a sink's failure is no error: the outbox rests and what was sent is sent again.

    Raises:
        OutputError: the going of arrived items could not be made durable; they may be sent twice.
    """
    sent = arrived = 0  # what is set aside is neither
    for _ in range(batches):
        taken = store.outbox.take(limit)
        if not taken:
            break
        problem, later = "", False
        places: list[tuple[int, int]] = []
        try:
            places = list(sink.send(store.device, taken))
        except NotYetError:
            later = True
        except NeverError as error:
            store.outbox.set_aside(taken, error.refused)
            store.commit()
            continue
        except (EdgewrightError, OSError) as error:
            problem = str(error)
        gone = store.outbox.settle(taken, places)
        sent, arrived = sent + len(taken), arrived + gone
        if gone < len(taken):
            store.commit()
            if not later:
                problem = problem or f"{len(taken) - gone} of {len(taken)} were not acknowledged"
            return Delivered(sent, arrived, problem)
    store.commit()
    return Delivered(sent, arrived)
