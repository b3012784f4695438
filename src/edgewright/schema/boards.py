"""Microcontrollers behind a device: which there are, and how far each is with the weights of a release."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

BoardName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Text = Annotated[str, msgspec.Meta(max_length=300)]
BoardState = Literal[
    "waiting", "sending", "trial", "confirmed", "idle", "refused", "reverted", "firmware", "trouble", "unreachable"
]
"""'waiting' for the device's own trial or for its turn; 'trial': the weights are at work there and not confirmed yet;
'idle': the release has none for it; 'refused' by the board, and 'reverted': it went back from them by itself;
'firmware': they are for other code; 'trouble': they did not arrive whole or its flash failed; 'unreachable': no
answer."""
WORDS: dict[BoardState, str] = {
    "waiting": "waiting", "sending": "on their way", "trial": "on trial", "confirmed": "confirmed",
    "idle": "none for it", "refused": "refused", "reverted": "fell back", "firmware": "firmware update needed",
    "trouble": "in trouble", "unreachable": "unreachable",
}  # fmt: skip
"""States as people read them."""
FAILED: tuple[BoardState, ...] = ("refused", "reverted")
"""What says that the release is not well on a board."""
SETTLED: tuple[BoardState, ...] = ("confirmed", "idle", "refused", "reverted", "firmware")
"""What stays until the next release, or until somebody does something."""
MAX_BOARDS = 64


class BoardEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Table `[[boards]]` of device.toml: a microcontroller to which the fleet's agent hands weights.

    Attributes:
        name: for people; unique on the device.
        link: 'serial:PORT@BAUD', or 'tcp:HOST:PORT' where a bridge holds the line.
        weights: name of its weights in packages (of the generated code); empty: whatever is for the board's code.
        key: Ed25519 public key that its code was exported with, 64 hexadecimal digits: what is not signed with it is
            not even sent. Empty: only the board looks at the signature, which it does in any case.
        trial: seconds for which the board must keep new weights, over all its starts, before they are confirmed.
        look: seconds between two looks at a board that has what it should.
    """

    name: BoardName
    link: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    weights: Annotated[str, msgspec.Meta(max_length=64)] = ""
    key: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    trial: Annotated[float, msgspec.Meta(ge=0.0, le=86_400.0)] = 60.0
    look: Annotated[float, msgspec.Meta(ge=1.0, le=86_400.0)] = 300.0


class BoardSeen(msgspec.Struct, frozen=True, kw_only=True):
    """How a board is, as its device saw it last.

    Attributes:
        name: name of the entry.
        state: as `BoardState`.
        release: of the device, whose weights it should have.
        counter: counter of the weights at work there; 0 for none, or where the board was never heard.
        wanted: counter of the weights that it should have; 0 for none.
        floor: the board takes only higher ones.
        layout: first 16 digits of the hash of its code.
        why: one line.
        seconds: since the device began with this release, or was started.
    """

    name: BoardName
    state: BoardState
    release: int = 0
    counter: int = 0
    wanted: int = 0
    floor: int = 0
    layout: Annotated[str, msgspec.Meta(max_length=16)] = ""
    why: Text = ""
    seconds: float = 0.0


class BoardAsk(msgspec.Struct, frozen=True, kw_only=True):
    """One board of a round.

    Attributes:
        entry: as configured.
        confirm: its trial is over.
        send: weights may be sent to it; not where it has refused those of this release.
    """

    entry: BoardEntry
    confirm: bool = False
    send: bool = True


class BoardRound(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent asks of the process that looks at boards.

    Attributes:
        release: number of the device's release.
        package: its file.
        ways: folder of ways back.
        boards: to ask.
        trial: the release is on trial on the device itself: boards get its weights now only if it differs from the
            package before it in nothing else.
        before: file of that package; empty for none.
    """

    release: int
    package: str
    ways: str
    boards: tuple[BoardAsk, ...]
    trial: bool = False
    before: str = ""


def pending(seen: BoardSeen, release: int, patience: float) -> bool:
    """Return whether nothing can be said yet about a release on a board.

    Args:
        seen: of the board.
        release: that is asked about.
        patience: seconds after which a board that is away, or in trouble, is not waited for.
    """
    return seen.release == release and seen.state not in SETTLED and seen.seconds <= patience
