"""One look at a board: what it has, what it should have by the package of a release, and one step towards that.

Nothing is remembered between two looks. What the board says of itself is enough to find out whether weights are on
trial there, were refused or given up, or never came; so whoever is killed in the middle goes on where the board is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.core.package import Package
from edgewright.device.boards import link
from edgewright.device.boards.link import BoardAnswer, BoardLine
from edgewright.device.boards.rollback import kept, same_content
from edgewright.device.boards.update import BoardRefusedError, update
from edgewright.device.boards.weights import ENDING, FOLDER, SIGNATURE, parse_weights, weights_for
from edgewright.schema.boards import BoardEntry, BoardSeen, BoardState
from edgewright.schema.errors import EdgewrightError

_STATES: dict[int, BoardState] = {
    link.LAYOUT: "firmware", link.FLASH: "trouble", link.DAMAGED: "trouble", link.ORDER: "trouble",
    link.GAP: "trouble", link.TRIAL: "trouble",
}  # fmt: skip
"""What a refusal says; all others are the board's word about the weights."""
_FIRMWARE = "it runs other code than the weights are for: that is a firmware update, left to its boot loader"


@dataclass(frozen=True)
class Looked:
    """What is asked of a look.

    Attributes:
        entry: the board.
        release: of the device.
        package: of that release.
        ways: folder of ways back.
        confirm: the trial of the board is over.
        send: weights may be sent; not where it has refused these before.
        tell: takes how the board is while weights are on their way, with the part of them that arrived.
    """

    entry: BoardEntry
    release: int
    package: Package
    ways: Path
    confirm: bool = False
    send: bool = True
    tell: Callable[[BoardSeen], None] = lambda seen: None


@dataclass(frozen=True)
class _Choice:
    """Weights that a board may have: those of the release first, then the same content under higher numbers."""

    target: bytes
    all: tuple[tuple[bytes, int, bytes], ...]  # name, counter, file

    def newest_above(self, floor: int) -> tuple[bytes, int, bytes] | None:
        """What it would take; the release's own where it does."""
        fit = [one for one in self.all if one[1] > floor]
        return fit[0] if fit and fit[0] == self.all[0] else max(fit, key=lambda one: one[1], default=None)


def look(line: BoardLine, asked: Looked) -> BoardSeen:
    """Asks the board and takes one step.

    Raises:
        OutputError: no answer, or the line is gone.
    """
    told = line.ask(link.ASK)
    choice = _choice(asked, told.layout)
    names = [name for name, _, _ in choice.all] if choice else []
    if told.name not in names and (told.trial is not None or told.state):
        # On trial there, or on its way, is what this release does not want: a release that was called back.
        told = line.ask(link.REVERT)
    if choice is None:
        meant = f"{FOLDER}{asked.entry.weights}{ENDING}" if asked.entry.weights else FOLDER
        if any(n.startswith(meant) and n.endswith(ENDING) for n in asked.package.files):
            return _seen(asked, told, "firmware", _FIRMWARE)
        return _seen(asked, told, "idle", "the release has no weights for it")
    if told.state == 0 and told.active is not None and told.name in names:
        return _there(line, asked, told)
    found = choice.newest_above(told.floor)
    if found is None:
        return _too_old(asked, told, parse_weights(choice.target, "the package").counter)
    _, counter, data = found
    wanted = msgspec.structs.replace(_seen(asked, told, "sending", ""), wanted=counter)
    if asked.entry.key and not _signed(data, asked.entry.key):
        return _with(wanted, "refused", "the release's weights are not signed with the key that is configured for it")
    if not asked.send:
        return _with(wanted, "refused", "refused before")
    return _sent(line, asked, wanted, data, back=data is not choice.target)


def _choice(asked: Looked, layout: bytes) -> _Choice | None:
    target = weights_for(asked.package, layout)
    if target is None:
        return None
    own = parse_weights(target, "the package")
    more = [(w.digest, w.counter, d) for w, d in kept(asked.ways) if w.layout == layout and same_content(d, target)]
    return _Choice(target, ((own.digest, own.counter, target), *more))


def _there(line: BoardLine, asked: Looked, told: BoardAnswer) -> BoardSeen:
    if told.trial is None:
        return _seen(asked, told, "confirmed", "", wanted=told.counter)
    if asked.confirm:
        told = line.ask(link.CONFIRM)
        if told.code == 0:
            return _seen(asked, told, "confirmed", "", wanted=told.counter)
        return _seen(asked, told, "trouble", link.CODES.get(told.code, f"code {told.code}"), wanted=told.counter)
    left = f"on trial, {told.trial} start{'s' if told.trial != 1 else ''} left"
    return _seen(asked, told, "trial", left, wanted=told.counter)


def _too_old(asked: Looked, told: BoardAnswer, counter: int) -> BoardSeen:
    if told.counter < counter <= told.floor:
        why = f"it went back from weights {counter} and takes them no more"
        return _seen(asked, told, "reverted", why, wanted=counter)
    why = f"weights {counter} are not newer than what it has had: they need a number above {told.floor}"
    return _seen(asked, told, "refused", why, wanted=counter)


def _sent(line: BoardLine, asked: Looked, wanted: BoardSeen, data: bytes, *, back: bool) -> BoardSeen:
    last = -1

    def progress(at: int, whole: int) -> None:
        nonlocal last
        if (part := 20 * at // whole) != last:
            last = part
            asked.tell(_with(wanted, "sending", f"{5 * part} % of weights {wanted.wanted}"))

    try:
        # The way back was at work there before, so it needs no trial.
        told = update(line, data, "the package", confirm=back, progress=progress)
    except BoardRefusedError as error:
        # What it refused it has dropped; what it has now is asked anew.
        said = link.CODES.get(error.code, f"code {error.code}")
        now = msgspec.structs.replace(_seen(asked, line.ask(link.ASK), "refused", ""), wanted=wanted.wanted)
        return _with(now, _STATES.get(error.code, "refused"), f"weights {wanted.wanted}: {said}")
    return _seen(asked, told, "confirmed" if back else "trial", "", wanted=wanted.wanted)


def _seen(asked: Looked, told: BoardAnswer, state: BoardState, why: str, wanted: int = 0) -> BoardSeen:
    counter = told.counter if told.active is not None else 0
    return BoardSeen(
        name=asked.entry.name, state=state, release=asked.release, counter=counter, wanted=wanted, floor=told.floor,
        layout=told.layout.hex()[:16], why=why,
    )  # fmt: skip


def _with(seen: BoardSeen, state: BoardState, why: str) -> BoardSeen:
    return msgspec.structs.replace(seen, state=state, why=why[:300])


def _signed(data: bytes, key: str) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - in the extra `device`, and only where a key is
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(data[-SIGNATURE:], data[:-SIGNATURE])
    except (InvalidSignature, ValueError):
        return False
    return True


def unreachable(asked: Looked, error: EdgewrightError) -> BoardSeen:
    """A board that could not be asked; what is known of it is as it was."""
    why = f"{error.got or error} at {error.where}" if error.where else str(error)
    return BoardSeen(name=asked.entry.name, state="unreachable", release=asked.release, why=why[:300])
