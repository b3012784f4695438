"""`edgewright serve`: local models behind the chat API of OpenAI, on this machine and for this user only."""

from __future__ import annotations

import signal

import click

from edgewright.cli.command import argument, declare, option
from edgewright.cli.interrupt import loading
from edgewright.schema.errors import INTERRUPTED


@declare(example="manual.index docs/examples/vending.toml,vending.language")
def command(
    models: tuple[str, ...] = argument(metavar="[NAME=]PATH[,PATH]...", nargs=-1, required=True),
    port: int = option(type=click.IntRange(0, 65535), default=8799, help="Port on 127.0.0.1; 0 takes a free one."),
    no_open: bool = option(help="Do not open a browser."),
) -> int:
    """Serve local models to programs that use the OpenAI chat API, and a page that compares their answers.

    PATH is an index of documents (answers with a citation, or refuses), a model of intents, or a dialogue with its
    model after a comma, if it names none. An encoder follows after a comma, too. After a language model of yours
    (.gguf) follow utterances of intents, and it answers with intent and slots in JSON; or an index, and it phrases
    what that answers. Only programs on this machine that send the printed key can use the server. The key is
    also in ~/.local/state/edgewright/serve/PORT.json. Each start draws a new key. Ctrl-C stops the server.
    """
    with loading():
        from edgewright.core.request_origin import free_port
        from edgewright.studio.chat.models import parse_model
        from edgewright.studio.chat.server import opened, serve
        from edgewright.studio.local_server import ADDRESS

    requests = [parse_model(text) for text in models]
    chosen = free_port(ADDRESS, port)

    def ready(address: str, key: str) -> None:
        for model in served.values():
            click.echo(f"{model.name}: {model.model.title}")
        click.echo(f"chat API at {address}v1, API key {key}")
        click.echo(f"page at {address}?token={key}  (Ctrl-C ends it)")

    with opened(requests) as served:
        ended = serve(served, chosen, ready, browser=not no_open)
    return INTERRUPTED if ended == signal.SIGINT else 0
