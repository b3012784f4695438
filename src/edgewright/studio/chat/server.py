"""The server of `edgewright serve`: models that were opened, until Ctrl-C."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from edgewright.schema.errors import InputError
from edgewright.studio.chat.app import chat_app
from edgewright.studio.chat.generation import LoadedModel
from edgewright.studio.chat.models import ModelRequest
from edgewright.studio.local_server import open_browser, serve_until_signal


@contextmanager
def opened(requests: Sequence[ModelRequest]) -> Iterator[dict[str, LoadedModel]]:
    """Provide models by their name.

    Raises:
        InputError: two of one name, or one that cannot be opened.
    """
    with ExitStack() as stack:
        models: dict[str, LoadedModel] = {}
        for request in requests:
            if request.name in models:
                do = f"Name one: NAME={request.path}"
                raise InputError("models of different names", f"{request.name!r} twice", "edgewright serve", do)
            models[request.name] = LoadedModel(request)
            stack.callback(models[request.name].close)
        yield models


def serve(models: dict[str, LoadedModel], port: int, ready: Callable[[str], None], *, browser: bool) -> int:
    """Serve until Ctrl-C or a termination signal.

    Args:
        models: by name.
        port: a free one, see `core.server_port`.
        ready: called with the address once it answers.
        browser: show the page in the user's browser.

    Returns:
        The signal that ended it.
    """

    async def begin(address: str) -> None:
        ready(address)
        if browser:
            await asyncio.to_thread(open_browser, address)

    async def end() -> None:
        """Nothing runs on its own: answers end with their connections."""

    return asyncio.run(serve_until_signal(chat_app(models, port), port, begin, lambda: None, end))
