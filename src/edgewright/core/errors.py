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
        code: stable name of the mistake, such as `csv-number`; that of the class by default. `errors.toml` explains
            each.

    The message reads: ``expected a number, got 'abc' - at rows.csv line 17, column temperature. Remove the text.``
    """

    exit_code = BAD_INPUT
    code = "input-invalid"

    def __init__(self, expected: str, got: str = "", where: str = "", do: str = "", *, code: str = "") -> None:
        self.code = code or type(self).code
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


def error_line(error: BaseException | str, longest: int = 200) -> str:
    """Return the message of a library's error on one line, cut to `longest` characters; its type if it has none."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= longest else text[: longest - 3] + "..."


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

    code = "unknown-name"

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

    code = "missing-extra"

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


class DataWarning(UserWarning):
    """What was understood of data where a person may have meant something else: printed as one line."""


class CheckFailedError(EdgewrightError):
    """A check said no (a proof failed, a budget was exceeded): exit code 1."""

    exit_code = CHECK_SAID_NO
    code = "check-failed"

    def __init__(self, message: str, do: str = "") -> None:
        super().__init__(message, do=do)
        self.args = (f"{message}. {do}" if do else message,)


class StoppedError(CheckFailedError):
    """Code that was to answer crashed, hung or left answers out: a fault of that code, not of what is installed.

    Args:
        message: what stopped, and how.
        stage: the first one that it did not give; empty where it is not known.
    """

    code = "model-stopped"

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
    code = "output-failed"

    def __init__(
        self, expected: str, got: str = "", where: str = "", do: str = "", *, errno: int | None = None
    ) -> None:
        super().__init__(expected, got, where, do)
        self.errno = errno


def _define(code: str) -> type[InputError]:
    """Return a subclass of `InputError` with a code; its name is the one that it is bound to below."""
    return type(code, (InputError,), {"code": code, "__module__": __name__})


AdaptationError = _define("adaptation-invalid")
AdaptationUnavailableError = _define("adaptation-unavailable")
AddressError = _define("address-invalid")
ApiTokenMissingError = _define("api-token-missing")
ArchiveDamagedError = _define("archive-damaged")
ArrayFileError = _define("array-file-invalid")
AuditIncompleteError = _define("audit-incomplete")
BackboneMissingError = _define("backbone-missing")
BackboneError = _define("backbone-unsuitable")
BoardError = _define("board-unavailable")
BudgetExceededError = _define("budget-exceeded")
BudgetFormatError = _define("budget-format")
CameraError = _define("camera-unsuitable")
CategoryError = _define("category-invalid")
CertificateError = _define("certificate-invalid")
FleetChangeError = _define("change-invalid")
ClassNamesMissingError = _define("class-names-missing")
ClockBehindError = _define("clock-behind")
ClusterNothingToSpreadError = _define("cluster-nothing-to-spread")
ClusterError = _define("cluster-unavailable")
ColumnMissingError = _define("column-missing")
ColumnsUnusableError = _define("columns-unusable")
CommandRemovedError = _define("command-removed")
CompilerMissingError = _define("compiler-missing")
CompressionError = _define("compression-impossible")
ConfigError = _define("config-invalid")
ConfigKeyMissingError = _define("config-key-missing")
CsvBadRowsError = _define("csv-bad-rows")
CsvCellCountError = _define("csv-cell-count")
CsvColumnsDifferError = _define("csv-columns-differ")
CsvDelimiterError = _define("csv-delimiter")
CsvEmptyError = _define("csv-empty")
CsvHeaderError = _define("csv-header")
CsvError = _define("csv-invalid")
CsvNulByteError = _define("csv-nul-byte")
CsvNumberError = _define("csv-number")
CsvQuotesError = _define("csv-quotes")
DataError = _define("data-invalid")
DataKindUnknownError = _define("data-kind-unknown")
DecisionError = _define("decision-invalid")
DescriptionsError = _define("descriptions-invalid")
DetectorSettingsError = _define("detector-settings-invalid")
DetectorError = _define("detector-unsuitable")
DeviceSettingsError = _define("device-settings-invalid")
DeviceUnknownError = _define("device-unknown")
DialogueError = _define("dialogue-unsupported")
DocumentUnreadableError = _define("document-unreadable")
DriftReferenceError = _define("drift-reference-invalid")
DriftStateError = _define("drift-state-invalid")
EdgeImpulseError = _define("edge-impulse-invalid")
EncoderError = _define("encoder-invalid")
EncoderMismatchError = _define("encoder-mismatch")
EncoderMissingError = _define("encoder-missing")
EngineFailedError = _define("engine-failed")
EngineError = _define("engine-unavailable")
EnrollmentTokenMissingError = _define("enrollment-token-missing")
ExportError = _define("export-unsupported")
FewShotError = _define("few-shot-unsuitable")
FileChangedError = _define("file-changed")
FileEndingError = _define("file-ending")
ExistingFileError = _define("file-exists")
MissingFileError = _define("file-not-found")
FileModeError = _define("file-permissions")
FileTooLargeError = _define("file-too-large")
UnreadableFileError = _define("file-unreadable")
FleetDatabaseError = _define("fleet-database-invalid")
FleetInUseError = _define("fleet-in-use")
FleetMissingError = _define("fleet-missing")
FolderEmptyError = _define("folder-empty")
FolderMissingError = _define("folder-missing")
ForecasterError = _define("forecaster-invalid")
FormatNewerError = _define("format-newer")
GeneratedCodeFailedError = _define("generated-code-failed")
GrammarError = _define("grammar-invalid")
GraphError = _define("graph-unsupported")
DocumentIndexError = _define("index-invalid")
InputShapeOpenError = _define("input-shape-open")
Int8Error = _define("int8-unsupported")
SigningKeyError = _define("key-invalid")
LabelProjectError = _define("label-project-invalid")
LabelUnknownError = _define("label-unknown")
LabelsError = _define("labels-invalid")
LabelsMissingError = _define("labels-missing")
LanguageModelError = _define("language-model-invalid")
LanguageModelMissingError = _define("language-model-unavailable")
LayerSettingsError = _define("layer-settings-invalid")
LicenceMissingError = _define("licence-missing")
MemoryShortError = _define("memory-short")
MetadataVersionError = _define("metadata-version")
MissingValuesError = _define("missing-values")
ModelError = _define("model-unsuitable")
InvalidNameError = _define("name-invalid")
NativeModuleError = _define("native-module-unsuitable")
NeedFormatError = _define("need-format")
OnnxDamagedError = _define("onnx-damaged")
OnnxOpsetError = _define("onnx-opset")
OnnxError = _define("onnx-unsupported")
OptionFormatError = _define("option-format")
OptionMissingError = _define("option-missing")
OptionError = _define("option-unsuitable")
OptionsConflictError = _define("options-conflict")
OwnModelChangedError = _define("own-model-changed")
OwnModelError = _define("own-model-invalid")
PackageDamagedError = _define("package-damaged")
PackageMissingError = _define("package-missing")
ParquetDamagedError = _define("parquet-damaged")
PassphraseError = _define("passphrase-invalid")
PasswordError = _define("password-unavailable")
PictureError = _define("picture-invalid")
PipelineError = _define("pipeline-invalid")
PlanError = _define("plan-invalid")
PortInUseError = _define("port-in-use")
ProductUnknownError = _define("product-unknown")
ProfileError = _define("profile-invalid")
ProgramRefusedError = _define("program-refused")
ProgramTooLargeError = _define("program-too-large")
ProofError = _define("proof-impossible")
PruningError = _define("pruning-impossible")
QuestionError = _define("question-invalid")
RaceError = _define("race-impossible")
RateDiffersError = _define("rate-differs")
RecordingError = _define("recording-impossible")
ReleaseError = _define("release-invalid")
ReleaseSettingsRefusedError = _define("release-settings-refused")
RequestError = _define("request-invalid")
RestorationError = _define("restoration-impossible")
RolloutStateError = _define("rollout-state")
RolloutUnknownError = _define("rollout-unknown")
RunNotFoundError = _define("run-not-found")
RunError = _define("run-unsuitable")
SampleShapeError = _define("sample-shape")
ScoringError = _define("scoring-impossible")
SecretError = _define("secret-unavailable")
SeriesError = _define("series-invalid")
SignatureError = _define("signature-invalid")
SimulationSettingsError = _define("simulation-settings-invalid")
SinkSettingsError = _define("sink-settings-invalid")
SourceDataError = _define("source-data-invalid")
SourceError = _define("source-unavailable")
SpeechProgramError = _define("speech-program")
SplitLeaksError = _define("split-leaks")
SplitMissesClassError = _define("split-misses-class")
SplitTooSmallError = _define("split-too-small")
SqliteTooOldError = _define("sqlite-too-old")
StageSettingsError = _define("stage-settings-invalid")
StateTableError = _define("state-table-invalid")
StoreDamagedError = _define("store-damaged")
StoreMissingError = _define("store-missing")
StudioRequestError = _define("studio-request-invalid")
StudioUserError = _define("studio-user-invalid")
SynthesisError = _define("synthesis-impossible")
SyntheticDataMisplacedError = _define("synthetic-data-misplaced")
TargetNotNumericError = _define("target-not-numeric")
TaskError = _define("task-unsuitable")
TextEncodingError = _define("text-encoding")
TfliteDamagedError = _define("tflite-damaged")
TfliteError = _define("tflite-unsupported")
ThresholdError = _define("threshold-invalid")
TimeFormatError = _define("time-format")
TomlSyntaxError = _define("toml-syntax")
TooFewClassesError = _define("too-few-classes")
TooFewRowsError = _define("too-few-rows")
TooFewSamplesError = _define("too-few-samples")
TrainingDivergedError = _define("training-diverged")
TreesError = _define("trees-unsupported")
TrustRootError = _define("trust-root-invalid")
TuningError = _define("tuning-impossible")
UnitDiffersError = _define("unit-differs")
UploadError = _define("upload-invalid")
UsbStickError = _define("usb-stick-invalid")
UtterancesError = _define("utterances-invalid")
WavError = _define("wav-invalid")
WheelError = _define("wheel-invalid")

for _name, _kind in [*globals().items()]:
    if isinstance(_kind, type) and issubclass(_kind, InputError):
        _kind.__name__ = _kind.__qualname__ = _name
