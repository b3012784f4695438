"""Errors that name what was expected, what was got, where, and what to do."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

DONE, CHECK_SAID_NO, BAD_INPUT, OUTPUT_FAILED, INTERRUPTED, TERMINATED = 0, 1, 2, 74, 130, 143


class EdgewrightError(Exception):
    """A user's mistake or a check that said no: printed as one line, never as a traceback.

    Args:
        expected: what should have been there, without the word "expected".
        got: what was there instead; left out of the message when empty.
        where: file, line, column, key or stage.
        do: what the reader can do about it, as a sentence.

    The message reads: ``expected a number, got 'abc' - at rows.csv line 17, column temperature. Remove the text.``
    """

    exit_code = BAD_INPUT

    def __init__(self, expected: str, got: str = "", where: str = "", do: str = "") -> None:
        self.expected, self.got, self.where, self.do = expected, got, where, do
        message = f"expected {expected}"
        if got:
            message += f", got {got}"
        if where:
            message += f" - at {where}"
        if do:
            message += f". {do}"
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes with every field, whatever the constructor of its class takes."""
        return _restored, (type(self), self.args, self.__dict__)


def error_code(error: BaseException) -> str:
    """Return the kind of an error and where it was raised, without any text of it: for reports that leave a device.

    Messages quote cells, settings and paths. A code such as `InputError:device.sources.csv.CsvTail._open` consists of
    names in this program alone; an operating system's error adds its name, such as `ENOSPC`.
    """
    module = name = ""
    trace = error.__traceback__
    while trace is not None:
        own = str(trace.tb_frame.f_globals.get("__name__", ""))
        if own.startswith("edgewright.") and trace.tb_frame.f_code.co_name != "os_errors":
            module, name = own.removeprefix("edgewright."), trace.tb_frame.f_code.co_qualname
        trace = trace.tb_next
    causes = (error, error.__cause__, error.__context__)
    numbers = [errno.errorcode.get(getattr(cause, "errno", None) or 0, "") for cause in causes]
    number = next(filter(None, numbers), "")
    parts = (type(error).__name__, f"{module}.{name}".replace("<locals>.", "") if module else "", number)
    return ":".join(part for part in parts if part)[:200]


def _restored(kind: type[EdgewrightError], args: tuple[object, ...], fields: dict[str, object]) -> EdgewrightError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class InputError(EdgewrightError):
    """Wrong use or bad input: exit code 2."""


@contextmanager
def located(where: str) -> Iterator[None]:
    """Put what the place of an error lies in, such as the name of a file, before that place."""
    try:
        yield
    except EdgewrightError as error:
        location = f"{where} {error.where}".rstrip()
        error.args = (str(error).replace(f" - at {error.where}", f" - at {location}"),)
        error.where = location
        raise


class UnknownNameError(InputError):
    """A name that is not among the known ones: the message lists them and guesses what was meant."""

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "") -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        message = f"no {kind} {name!r}. Known: {', '.join(self.known) or 'none'}"
        close = difflib.get_close_matches(name, self.known, n=1)
        if close:
            message += f". Did you mean {close[0]!r}?"
        if where:
            message += f" - at {where}"
        super().__init__(f"a known {kind}", repr(name), where)
        self.args = (message,)


class MissingExtraError(InputError):
    """A command whose optional dependency is not installed."""

    def __init__(self, extra: str, needs: str) -> None:
        super().__init__(f"{needs} to be installed", do=f"pip install '{_distribution_with(extra)}[{extra}]'")


def _distribution_with(extra: str) -> str:
    """Return the distribution to install an extra of: that of devices where it alone is installed and has the extra."""
    from importlib import metadata  # noqa: PLC0415 - slow to load, for messages alone

    try:
        metadata.distribution("edgewright")
    except metadata.PackageNotFoundError:
        with suppress(metadata.PackageNotFoundError):
            if extra in (metadata.metadata("edgewright-device").get_all("Provides-Extra") or ()):
                return "edgewright-device"
    return "edgewright"


class ProviderError(InputError):
    """An accelerator that is present and failed, when it was opened or when it answered."""

    def __init__(self, provider: str, why: str) -> None:
        super().__init__(f"{provider} to run the model", why, do="Use another engine")
        self.provider, self.why = provider, why


class DataWarning(UserWarning):
    """What was understood of data where a person may have meant something else: printed as one line."""


class CheckFailedError(EdgewrightError):
    """A check said no (a proof failed, a budget was exceeded): exit code 1."""

    exit_code = CHECK_SAID_NO

    def __init__(self, message: str, do: str = "") -> None:
        super().__init__(message, do=do)
        self.args = (f"{message}. {do}" if do else message,)


class StoppedError(CheckFailedError):
    """Code that was to answer crashed, hung or left answers out: a fault of that code, not of what is installed.

    Args:
        message: what stopped, and how.
        stage: the first one that it did not give; empty where it is not known.
    """

    def __init__(self, message: str, stage: str = "") -> None:
        super().__init__(message)
        self.stage = stage


class OutputError(EdgewrightError):
    """Input or output failed, a full disk for example: exit code 74.

    Args:
        expected: as of every error.
        got: the words of the operating system.
        where: file or folder.
        do: what the reader can do about it.
        errno: number of the operating system's error; None where it is not known.
    """

    exit_code = OUTPUT_FAILED

    def __init__(
        self, expected: str, got: str = "", where: str = "", do: str = "", *, errno: int | None = None
    ) -> None:
        super().__init__(expected, got, where, do)
        self.errno = errno
