"""An answer while it is made: one thread a model, limits of its length, and its end when the client hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

from edgewright.language.language_models.server import stop_loading
from edgewright.studio.chat.models import Message, ModelRequest, Reply, Sampling, ServedModel, open_model

T = TypeVar("T")
_PAUSE_S = 0.1


class LoadedModel:
    """A model with its thread: files such as SQLite's may be used in the thread that opened them alone.

    Answers to several clients take turns, piece by piece.

    Args:
        request: what the command line named.

    Attributes:
        name, kind: by which clients name it, and the file of `studio/chat/models`.
        open_replies: answers that are being made.
    """

    def __init__(self, request: ModelRequest) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"model {request.name}")
        self.name = request.name
        self.open_replies = 0
        opening = self._thread.submit(open_model, request)
        try:
            self.kind, self._model = opening.result()
        except BaseException:
            self._stop(opening)
            raise

    def _stop(self, opening: Future[tuple[str, ServedModel]]) -> None:
        """End the thread, also where a signal comes while it waits for a language model to be loaded."""
        while wait([opening], _PAUSE_S).not_done:
            stop_loading()
        if opening.exception() is None:
            self._thread.submit(opening.result()[1].close).result()
        self._thread.shutdown()

    @property
    def model(self) -> ServedModel:
        """The model; it is asked through `reply` alone."""
        return self._model

    def close(self) -> None:
        """Close the model; answers that are being made end first."""
        self._thread.submit(self._model.close).result()
        self._thread.shutdown()

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Reply:
        """Return the beginning of a reply; its pieces are taken with `pieces`.

        Raises:
            InputError: as of `ServedModel.reply`.
        """
        return await self._do(lambda: self._model.reply(messages, sampling))

    async def pieces(self, reply: Reply) -> AsyncGenerator[str, None]:
        """Yield the pieces of a reply; the model stops when nobody takes them any more."""
        self.open_replies += 1
        try:
            while (piece := await self._do(lambda: next(reply.pieces, None))) is not None:
                yield piece
        finally:
            self.open_replies -= 1


@dataclass
class Limits:
    """Cuts a text at a number of pieces and before the first of some texts.

    Attributes:
        max_tokens: pieces at most.
        stops: texts before which it ends.
        tokens: pieces so far.
        finish_reason: 'stop', or 'length' where the text was cut.
    """

    max_tokens: int
    stops: tuple[str, ...] = ()
    tokens: int = 0
    finish_reason: str = "stop"
    _waiting: str = field(default="", repr=False)

    async def cut(self, pieces: AsyncIterator[str]) -> AsyncGenerator[str, None]:
        """Yield what may be sent; the beginning of a stop text waits until it is complete or another text."""
        async for piece in pieces:
            if self.tokens == self.max_tokens:
                self.finish_reason = "length"
                break
            self.tokens += 1
            self._waiting += piece
            places = [position for position in map(self._waiting.find, self.stops) if position >= 0]
            if places:
                if text := self._waiting[: min(places)]:
                    yield text
                return
            kept = max((_overlap(self._waiting, stop) for stop in self.stops), default=0)
            text, self._waiting = self._waiting[: len(self._waiting) - kept], self._waiting[len(self._waiting) - kept :]
            if text:
                yield text
        if self._waiting:
            yield self._waiting


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of the text begin the other."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)


def counted(prompt: str, tokens: int) -> dict[str, Any]:
    """Return the usage of a request: words of the prompt, pieces of the answer."""
    words = len(prompt.split())
    return {"prompt_tokens": words, "completion_tokens": tokens, "total_tokens": words + tokens}
