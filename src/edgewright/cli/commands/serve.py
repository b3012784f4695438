"""`edgewright serve`: a local language model, documents and intents behind the chat API of OpenAI."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import argument, declare, option, own_language_model, own_model
from edgewright.cli.interrupt import loading
from edgewright.cli.options import open_parser
from edgewright.core.errors import INTERRUPTED, OptionMissingError

if TYPE_CHECKING:
    from edgewright.nlp.utterance.parse import Understands


@declare(example="assistant.gguf --index manual.index --intents drinks.toml")
def command(
    model: str = argument(default="", metavar="[MODEL]"),
    index: Path | None = option(metavar="INDEX", help="Answer from this index; refuse what it cannot answer."),
    intents: Path | None = option(
        metavar="FILE", help="Return intents as tool calls: utterances for MODEL, or a file of `language train`."
    ),
    encoder: Path | None = option(metavar="DIR", help="Encoder of the index or of the intents."),
    port: int = option(type=click.IntRange(0, 65535), default=8799, help="Port on 127.0.0.1; 0 takes a free one."),
) -> int:
    """Serve MODEL, a language model of yours (its name or a .gguf file), to programs that use the OpenAI chat API.

    llama.cpp runs the model. With --index, a question that the documents do not answer is refused before the model sees
    it, and the model's sentences are checked against the passages; without MODEL the server quotes the documents. With
    --intents, an utterance becomes a call of the tool that is named as its intent. Only programs on this machine that
    send the printed key can use the server. The key is also in ~/.local/state/edgewright/serve/PORT.json. Each start
    creates a new key. Ctrl-C stops the server.
    """
    if not model and index is None and intents is None:
        raise OptionMissingError("MODEL, --index or --intents", "none of them", "edgewright serve")
    file = own_language_model(model, "MODEL") if model else None
    with loading():
        from edgewright.core.request_origin import free_port
        from edgewright.studio.local_server import ADDRESS

    chosen = free_port(ADDRESS, port)

    def ready(address: str, key: str) -> None:
        click.echo(f"chat API at {address}v1, API key {key}  (Ctrl-C stops it)")

    with ExitStack() as stack:
        if index is None and intents is None and file is not None:
            return _serve_model(file, chosen)
        with loading():
            from edgewright.language.language_models.client import served
            from edgewright.language.language_models.intents import SECONDS, LanguageModelParser
            from edgewright.language.utterances import read
            from edgewright.studio.chat import ChatFront, serve

        address = stack.enter_context(served(file, SECONDS)).address if file is not None else None
        parser: Understands | None = None
        if intents is not None and file is not None and address is not None:
            parser = LanguageModelParser(address, read(intents), file.stem, str(intents))
        elif intents is not None:
            parser = stack.enter_context(open_parser(intents, None, None if index is not None else encoder))
        directory = own_model("text", encoder) if index is not None and encoder is not None else None
        name = next(path.stem for path in (file, index, intents) if path is not None)
        front = ChatFront(name, index, directory, parser, address)
        stack.callback(front.close)
        ended = serve(front, chosen, ready)
    return INTERRUPTED if ended == signal.SIGINT else 0


def _serve_model(model: Path, port: int) -> int:
    """Run llama.cpp's server alone until it ends or a signal arrives."""
    with loading():
        from edgewright.language.language_models.client import served
        from edgewright.language.language_models.intents import SECONDS
        from edgewright.studio.authentication import token_files

    with served(model, SECONDS, port) as running:
        address, key = running.origin, running.key
        with token_files(address, key, Path(), port, "serve"):
            click.echo(f"chat API at {address}v1, API key {key}  (Ctrl-C stops it)")
            return running.wait()
