"""One look at a board: what it has, what it should have by the package of a release, and one step towards that.

Nothing is remembered between two looks. What the board says of itself is enough to find out whether weights are on
trial there, were refused or given up, or never came; so whoever is killed in the middle goes on where the board is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.core.errors import CheckFailedError, EdgewrightError, error_code
from edgewright.core.package import Package
from edgewright.core.records.fleet import BoardEntry, BoardSeen, BoardState
from edgewright.device.boards import link
from edgewright.device.boards.link import BoardAnswer, BoardLine
from edgewright.device.boards.weights import ENDING, FOLDER, SIGNATURE, kept, parse_weights, same_content, weights_for

_SLOW = 20.0
"""Seconds in which a board must have verified a signature; a Cortex-M0 at 16 MHz takes about two."""


class BoardRefusedError(CheckFailedError):
    """A board refuses weights; `refusal` is one of `link.CODES`."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the board refuses the weights: {link.CODES.get(code, f'code {code}')}")
        self.refusal = code


def update(
    line: BoardLine,
    data: bytes,
    where: str,
    *,
    confirm: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> BoardAnswer:
    """Bring weights to a board.

    A transfer that broke off goes on where it was, as long as the board had power; weights that are at work already are
    not sent again, and confirmed where they are on trial.

    Args:
        line: to the board.
        data: of the file.
        where: names the file in messages.
        confirm: end the trial once the new weights are at work and the board answers. Without it the board goes back
            by itself after some starts.
        progress: told bytes that arrived, and all.

    Returns:
        What the board said last.

    Raises:
        InputError: for a file that holds no weights.
        BoardRefusedError: the board refuses them, or they are for other code.
        OutputError: it does not answer.
    """
    weights = parse_weights(data, where)
    status = line.ask(link.ASK)
    if not (status.state == 0 and status.active is not None and status.name == weights.digest):
        _refuse_early(status, weights.layout, weights.counter, weights.length)
        status = _send(line, data, weights.digest, progress)
        status = _agreed(line.ask(link.FINISH, patience=_SLOW), weights.digest)
    return _allowed(line.ask(link.CONFIRM)) if confirm else status


def _refuse_early(status: BoardAnswer, layout: bytes, counter: int, length: int) -> None:
    """Refuse early what the board would refuse after the transfer; the board's own verdict is final."""
    code = link.OK
    if status.trial is not None:
        code = link.TRIAL
    elif status.layout != layout:
        code = link.LAYOUT
    elif counter <= status.floor:
        code = link.OLDER
    elif length > status.slot:
        code = link.TOO_LONG
    if code:
        raise BoardRefusedError(code)


def _send(line: BoardLine, data: bytes, name: bytes, progress: Callable[[int, int], None] | None) -> BoardAnswer:
    begin = len(data).to_bytes(4, "little") + name
    status = _allowed(line.ask(link.BEGIN, begin))
    while status.received < len(data):
        at = status.received
        if progress is not None:
            progress(at, len(data))
        status = line.ask(link.WRITE, at.to_bytes(4, "little") + data[at : at + max(status.chunk, 1)])
        if status.code in (link.GAP, link.ORDER) and status.name != name:
            # It restarted in between.
            status = line.ask(link.BEGIN, begin)
        if status.code != link.GAP:
            _allowed(status)
    return status


def _agreed(status: BoardAnswer, name: bytes) -> BoardAnswer:
    """Return the answer to FINISH, which a repeated request finds done already."""
    if status.code == link.ORDER and status.state == 0 and status.name == name and status.active is not None:
        return status
    return _allowed(status)


def _allowed(status: BoardAnswer) -> BoardAnswer:
    if status.code:
        raise BoardRefusedError(status.code)
    return status


_STATES: dict[int, BoardState] = {
    link.LAYOUT: "firmware", link.FLASH: "trouble", link.DAMAGED: "trouble", link.ORDER: "trouble",
    link.GAP: "trouble", link.TRIAL: "trouble",
}  # fmt: skip
"""What a refusal says; all others are the board's word about the weights."""
_FIRMWARE = "it runs other code than the weights need: update its firmware with the boot loader"


@dataclass(frozen=True)
class BoardCheck:
    """What is asked of a look.

    Attributes:
        entry: the board.
        release: of the device.
        package: of that release.
        ways: folder of ways back.
        confirm: the trial of the board is over.
        send: weights may be sent; not where it has refused these before.
        progress: takes how the board is while weights are on their way, with the part of them that arrived.
    """

    entry: BoardEntry
    release: int
    package: Package
    ways: Path
    confirm: bool = False
    send: bool = True
    progress: Callable[[BoardSeen], None] = lambda seen: None


@dataclass(frozen=True)
class _Choice:
    """Weights that a board may have: those of the release first, then the same content under higher numbers."""

    target: bytes
    all: tuple[tuple[bytes, int, bytes], ...]  # name, counter, file

    def newest_above(self, floor: int) -> tuple[bytes, int, bytes] | None:
        """Return what it would take; the release's own where it does."""
        fit = [weights for weights in self.all if weights[1] > floor]
        return fit[0] if fit and fit[0] == self.all[0] else max(fit, key=lambda weights: weights[1], default=None)


def look(line: BoardLine, check: BoardCheck) -> BoardSeen:
    """Ask the board for its state and take one step towards the release.

    Raises:
        OutputError: no answer, or the line is gone.
    """
    status = line.ask(link.ASK)
    choice = _choice(check, status.layout)
    names = [name for name, _, _ in choice.all] if choice else []
    if status.name not in names and (status.trial is not None or status.state):
        # On trial there, or on its way, is what this release does not want: a release that was called back.
        status = line.ask(link.REVERT)
    if choice is None:
        meant = f"{FOLDER}{check.entry.weights}{ENDING}" if check.entry.weights else FOLDER
        if any(n.startswith(meant) and n.endswith(ENDING) for n in check.package.files):
            return _board_seen(check, status, "firmware", _FIRMWARE)
        return _board_seen(check, status, "idle", "the release has no weights for it")
    if status.state == 0 and status.active is not None and status.name in names:
        return _there(line, check, status)
    chosen = choice.newest_above(status.floor)
    if chosen is None:
        return _too_old(check, status, parse_weights(choice.target, "the package").counter)
    _, counter, data = chosen
    wanted = msgspec.structs.replace(_board_seen(check, status, "sending", ""), wanted=counter)
    if check.entry.key and not _signed(data, check.entry.key):
        return _with(wanted, "refused", "the release's weights are not signed with the key that is configured for it")
    if not check.send:
        return _with(wanted, "refused", "refused before")
    return _sent(line, check, wanted, data, back=data is not choice.target)


def _choice(check: BoardCheck, layout: bytes) -> _Choice | None:
    target = weights_for(check.package, layout)
    if target is None:
        return None
    own = parse_weights(target, "the package")
    more = [(w.digest, w.counter, d) for w, d in kept(check.ways) if w.layout == layout and same_content(d, target)]
    return _Choice(target, ((own.digest, own.counter, target), *more))


def _there(line: BoardLine, check: BoardCheck, status: BoardAnswer) -> BoardSeen:
    if status.trial is None:
        return _board_seen(check, status, "confirmed", "", wanted=status.counter)
    if check.confirm:
        status = line.ask(link.CONFIRM)
        if status.code == 0:
            return _board_seen(check, status, "confirmed", "", wanted=status.counter)
        return _board_seen(
            check, status, "trouble", link.CODES.get(status.code, f"code {status.code}"), wanted=status.counter
        )
    left = f"on trial, {status.trial} start{'s' if status.trial != 1 else ''} left"
    return _board_seen(check, status, "trial", left, wanted=status.counter)


def _too_old(check: BoardCheck, status: BoardAnswer, counter: int) -> BoardSeen:
    if status.counter < counter <= status.floor:
        why = f"it went back from weights {counter} and takes them no more"
        return _board_seen(check, status, "reverted", why, wanted=counter)
    why = f"weights {counter} are not newer than its latest: they need a number above {status.floor}"
    return _board_seen(check, status, "refused", why, wanted=counter)


def _sent(line: BoardLine, check: BoardCheck, wanted: BoardSeen, data: bytes, *, back: bool) -> BoardSeen:
    last = -1

    def progress(at: int, whole: int) -> None:
        nonlocal last
        if (part := 20 * at // whole) != last:
            last = part
            check.progress(_with(wanted, "sending", f"{5 * part} % of weights {wanted.wanted}"))

    try:
        # The way back was at work there before, so it needs no trial.
        status = update(line, data, "the package", confirm=back, progress=progress)
    except BoardRefusedError as error:
        # What it refused it has dropped; what it has now is asked again.
        text = link.CODES.get(error.refusal, f"code {error.refusal}")
        now = msgspec.structs.replace(_board_seen(check, line.ask(link.ASK), "refused", ""), wanted=wanted.wanted)
        return _with(now, _STATES.get(error.refusal, "refused"), f"weights {wanted.wanted}: {text}")
    return _board_seen(check, status, "confirmed" if back else "trial", "", wanted=wanted.wanted)


def _board_seen(check: BoardCheck, status: BoardAnswer, state: BoardState, why: str, wanted: int = 0) -> BoardSeen:
    counter = status.counter if status.active is not None else 0
    return BoardSeen(
        name=check.entry.name, state=state, release=check.release, counter=counter, wanted=wanted, floor=status.floor,
        layout=status.layout.hex()[:16], why=why,
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


def unreachable(check: BoardCheck, error: EdgewrightError) -> BoardSeen:
    """Return a board that could not be asked; what is known of it is as it was."""
    return BoardSeen(name=check.entry.name, state="unreachable", release=check.release, why=error_code(error))
