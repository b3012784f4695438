"""Programs of a release: which are published, which a device takes, and that nothing of them outlives the agent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agent_example import package
from edgewright.device.agent import programs as agent_programs
from edgewright.device.agent.confinement import landlock_version
from edgewright.device.agent.programs import Programs
from edgewright.device.agent.release_settings import settings_with
from edgewright.fleet.device.device_state import Counts, Trial
from edgewright.fleet.device.model_process import ModelProcess
from edgewright.fleet.device.model_supervisor import judge
from edgewright.fleet.device.package_test import run_vectors
from edgewright.fleet.repository.publication import check_package, with_settings
from edgewright.schema.device import Event
from edgewright.schema.device_config import ProgramEntry
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import KEEP_AGENT_VARIABLE, TrialLimits
from support import left_out

LINE = '[programs.beat]\nrun = ["beat.sh", "a b"]\n'
AGENT = """
import sys, time
from pathlib import Path
from edgewright.device.agent.programs import Programs
from edgewright.schema.device_config import ProgramEntry
Programs({"p": ProgramEntry(run=("/p",))}, {"/p": sys.argv[1].encode()}, Path(sys.argv[2]), run=True).look()
time.sleep(60)
"""
DETACHED = "setsid env -i /bin/sleep {0} &\n(setsid env -i /bin/sh -c '/bin/sleep {0} & /bin/sleep {0}' &)\n"


def carrying(tmp_path: Path, settings: str = LINE, script: str = "#!/bin/sh\n") -> Path:
    folder = tmp_path / "s"
    folder.mkdir(exist_ok=True)
    (folder / "beat.sh").write_text(script)
    (folder / "settings.toml").write_text(settings)
    (tmp_path / "out").mkdir(exist_ok=True)
    return with_settings(package(tmp_path / "package.edge"), folder / "settings.toml", tmp_path / "out")


def test_what_a_release_runs_is_said_at_the_desk(tmp_path: Path) -> None:
    path = carrying(tmp_path, f'{LINE}environment = {{ TOKEN_FILE = "secret:mqtt" }}\n')
    assert check_package(path).needs == ("allow_programs, for beat (beat.sh 'a b')", "secret mqtt")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('[programs.beat]\nrun = ["../beat.sh"]\n', "a plain path below the folder.*'../beat.sh'"),
        ('[programs.beat]\nrun = ["none.sh"]\n', "the file 'none.sh'"),
        ('[programs.beat]\nrun = ["link.sh"]\n', "a link out of it"),
        ('[programs.beat]\nrun = ["device.toml"]\n', "other than device.toml"),
        ('[programs.beat]\nrun = [""]\n', r"a file, or python, -m and a module"),
        ('[programs.beat]\nrun = ["python", "-c", "print()"]\n', r"a file, or python, -m and a module"),
        ('[programs.beat]\nrun = ["python", "-m", "a;b"]\n', r"a file, or python, -m and a module"),
        ('[programs.beat]\nrun = ["beat.sh", "secret:mqtt"]\n', "Name a secret in environment"),
        ('[programs.beat]\nrun = ["beat.sh", "\\u0000"]\n', "words without a zero byte"),
        (f'{LINE}environment = {{ TOKEN = "secret:../key" }}\n', "the name of a secret"),
        (f'{LINE}environment = {{ "A-B" = "1" }}\n', "A-B|pattern|matching"),
        ('[programs."../beat"]\nrun = ["beat.sh"]\n', "pattern|matching"),
        ('[programs."beat\\n"]\nrun = ["beat.sh"]\n', "pattern|matching"),
        (f"{LINE}shell = true\n", "no key 'shell'"),
        ("allow_programs = true\n", "no key of a release's settings 'allow_programs'"),
    ],
)
def test_what_no_device_would_run_is_not_published(tmp_path: Path, settings: str, message: str) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "private").write_text("#!/bin/sh\n")
    (tmp_path / "s" / "link.sh").symlink_to(tmp_path / "private")
    with pytest.raises(InputError, match=message):
        carrying(tmp_path, settings)


def test_a_file_that_no_system_runs_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a program, got 'beat\.sh' that this system cannot run"):
        check_package(carrying(tmp_path, script="echo\n"))


def test_a_device_takes_programs_only_where_it_allows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = carrying(tmp_path)
    config = tmp_path / "device.toml"
    config.write_text("[agent]\nslow = 1.0\n")

    def refused() -> str:
        verdict = run_vectors(path, TrialLimits(), config=config)
        assert (verdict.ok, verdict.because) == (False, "start")
        return verdict.detail

    assert refused() == "InputError:device.agent.release_settings.check_carried"
    # One that ran before the leave was taken away goes on without them.
    configured = settings_with(path, config)
    assert (configured.settings.programs, configured.kept) == ({}, ("programs",))
    config.write_text("allow_programs = true\n")
    assert run_vectors(path, TrialLimits(), config=config).ok
    assert settings_with(path, config).settings.programs["beat"].run[1:] == ("a b",)
    monkeypatch.setenv(KEEP_AGENT_VARIABLE, "1")
    assert refused() == "InputError:device.agent.release_settings.check_carried"
    assert settings_with(path, config).settings.programs == {}


def test_a_device_must_have_the_programs_and_secrets_that_a_release_names(tmp_path: Path) -> None:
    config = tmp_path / "device.toml"
    config.write_text("allow_programs = true\n")
    missing = "InputError:device.agent.release_settings._check_programs"
    for name, settings, code in (
        ("program", '[programs.beat]\nrun = ["/none/beat"]\n', missing),
        ("folder", '[programs.beat]\nrun = ["/usr/bin"]\n', missing),
        (
            "secret",
            f'{LINE}environment = {{ KEY = "secret:key" }}\n',
            "InputError:device.agent.secrets.secret_file:ENOENT",
        ),
    ):
        (tmp_path / name).mkdir()
        verdict = run_vectors(carrying(tmp_path / name, settings), TrialLimits(), config=config)
        assert (verdict.ok, verdict.because) == (False, "start")
        assert verdict.detail == code
    # What device.toml runs instead blames no release.
    (tmp_path / "own").mkdir()
    config.write_text('allow_programs = true\n[programs.beat]\nrun = ["/none/own"]\n')
    path = carrying(tmp_path / "own")
    assert run_vectors(path, TrialLimits(), config=config).ok
    assert settings_with(path, config).kept == ("programs.beat",)


def test_an_agent_without_programs_loads_nothing_for_them() -> None:
    script = "import sys; import edgewright.device.agent.startup; sys.exit('subprocess' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_crashes_of_programs_count_in_the_trial() -> None:
    trial = Trial(
        plan="p", stage=0, counter=2, previous="a", before=1, plan_before="", limits=TrialLimits(crashes=2), crashes=1
    )
    assert judge(trial, Counts(crashes=1), None).over == ""
    verdict = judge(trial, Counts(crashes=2), None)
    assert (verdict.over, verdict.because) == ("reverted", "crash")
    assert verdict.why == "exited 1 times, its programs 2 times, 2 allowed"


@pytest.mark.parametrize(
    ("printed", "how"),
    [
        (b"edgewright: no source\nprogram p: MemoryError at 21.5\n", "ended with exit code 1"),
        (b"program p: MemoryError at 21.5\n", "ended with exit code 1"),
        ((b"program p: " + b"x" * 4000 + b"\n")[-4000:], "ended with exit code 1"),  # what is kept of more
        (b"edgewright: expected enough memory\n", "out of memory: ended with exit code 1"),
    ],
)
def test_what_a_program_prints_is_no_reason_of_the_models_end(printed: bytes, how: str) -> None:
    process = ModelProcess.__new__(ModelProcess)
    process._messages, process._error = printed, ""
    assert process._how(1) == how


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def running(number: int) -> list[int]:
    """Return the processes `sleep NUMBER`."""
    listed = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if path.read_bytes().endswith(f"sleep\0{number}\0".encode()):
                listed.append(int(path.parent.name))
    return listed


class Running:
    """Programs at work, and what was said of them."""

    def __init__(self, store: Path, **scripts: str) -> None:
        files = {f"/package/{name}.sh": f"#!/bin/sh\n{script}".encode() for name, script in scripts.items()}
        entries = {name: ProgramEntry(run=(f"/package/{name}.sh",)) for name in scripts}
        self.programs = Programs(entries, files, store, run=True)
        self.events: list[Event] = self.programs.look()

    def said(self) -> list[str]:
        self.events += self.programs.look()
        return [event.detail["reason"] for event in self.events]

    def close(self) -> None:
        self.programs.end()
        self.programs.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def begin(**scripts: str) -> Running:
        started.append(Running(tmp_path, **scripts))
        return started[-1]

    yield begin
    for each in started:
        each.close()


@pytest.mark.slow
def test_nothing_of_a_program_outlives_it_or_its_agent(tmp_path: Path, start: Callable[..., Running]) -> None:
    number = 300_000 + os.getpid()
    detached = DETACHED.format(number)
    done = start(done=f"setsid sleep {number} &\n", stays=f"{detached}exec sleep {number}\n")
    until(lambda: done.said() == ["program done: finished"] and len(running(number)) == 4)
    assert (tmp_path / "programs" / "stays").stat().st_mode & 0o777 == 0o700
    done.close()
    assert running(number) == []

    file = f"#!/bin/sh\n{detached}exec sleep {number}\n"
    agent = subprocess.Popen([sys.executable, "-c", AGENT, file, str(tmp_path)])
    until(lambda: len(running(number)) == 4)
    agent.send_signal(signal.SIGKILL)
    agent.wait()
    until(lambda: not running(number))


@pytest.mark.slow
def test_a_crash_is_said_counted_and_followed_by_a_later_start(start: Callable[..., Running]) -> None:
    crashing = start(bad="echo 21.5 degrees >&2\nexit 3\n")
    until(lambda: len(crashing.said()) == 2)
    assert crashing.said() == [f"program bad: exit code 3; next start in {pause} s" for pause in (1, 2)]
    assert {event.detail["notice"] for event in crashing.events} == {"21.5 degrees"}  # which stays on the device
    assert crashing.programs.crashes == 2


@pytest.mark.slow
def test_who_ignores_the_request_to_end_is_killed(start: Callable[..., Running]) -> None:
    number = 200_000 + os.getpid()
    deaf = start(deaf=f"trap '' TERM\nsleep {number}\nwhile :; do sleep 1; done\n")
    until(lambda: running(number))
    before = time.monotonic()
    deaf.close()
    assert time.monotonic() - before > 4.0
    assert running(number) == []


@pytest.mark.slow
def test_who_prints_without_end_fills_no_log(start: Callable[..., Running], capfd: pytest.CaptureFixture[str]) -> None:
    flood = start(flood="exec yes no end\n", zero="exec cat /dev/zero\n", mute="exec >&- 2>&-; exit 4\n")
    until(lambda: len(flood.said()) == 2)
    assert {words.partition(";")[0] for words in flood.said()} == {"program mute: exit code 4"}
    flood.close()
    assert 0 < len(capfd.readouterr().err) < 4 << 16


@pytest.mark.slow
def test_a_host_that_is_killed_comes_again_without_two_of_a_program(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_programs, "_AGAIN_S", 0.1)
    number = 100_000 + os.getpid()
    killed = start(one=f"setsid sleep {number} &\nexec sleep {number}\n")
    until(lambda: len(running(number)) == 2)
    before = running(number)
    assert killed.programs._process is not None
    killed.programs._process.kill()
    until(lambda: killed.said() == ["the host of the programs: ended with -9; next start in 0 s"])
    until(lambda: killed.said() and len(running(number)) == 2 and not set(before) & set(running(number)))
    assert killed.programs.crashes == 1


@pytest.mark.slow
def test_python_runs_files_and_modules(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {
        "file": ProgramEntry(run=("/x/file.py", "a b"), environment={"KEY": "of the release"}),
        "module": ProgramEntry(run=("python", "-m", "edgewright", "--version")),
        "own": ProgramEntry(run=("/none",)),
    }
    script = (
        "import os, sys\nprint(sys.argv[1:], os.environ['KEY'], os.environ.get('EDGEWRIGHT_SECRET'), os.getcwd())\n"
    )
    monkeypatch.setenv("EDGEWRIGHT_SECRET", "of the agent")
    (tmp_path / "programs" / "module").mkdir(parents=True)
    (tmp_path / "programs" / "module" / "edgewright.py").write_text("raise SystemExit('of a release before')\n")
    programs, reasons = Programs(entries, {"/x/file.py": script.encode()}, tmp_path, run=True), list[str]()

    def ended() -> bool:
        reasons.extend(event.detail["reason"] for event in programs.look())
        return len(reasons) >= 3

    until(ended)
    programs.end()
    programs.close()
    assert {"program file: finished", "program module: finished"} < set(reasons)
    assert "program own: cannot be started: No such file or directory; next start in 1 s" in reasons
    printed = capfd.readouterr().err
    assert f"program file: ['a b'] of the release None {tmp_path / 'programs' / 'file'}" in printed
    assert "program module: edgewright" in printed.lower()


ALLOCATE = "import sys, time\nheld = bytearray(int(sys.argv[1]) << 20)\nprint('held', flush=True)\ntime.sleep(1000)\n"
FORK = """
import os, time
for _ in range(6):
    if not os.fork():
        held = bytearray(20 << 20)
        time.sleep(1000)
time.sleep(1000)
"""
DETACH = """
import os, time
if not os.fork():
    os.setsid()
    if os.fork():
        os._exit(0)
    for _ in range(6):
        if not os.fork():
            held = bytearray(20 << 20)
            time.sleep(1000)
    time.sleep(1000)
time.sleep(1000)
"""
SHARE = """
import mmap, time
held = mmap.mmap(-1, 200 << 20)
for at in range(0, len(held), 4096):
    held[at] = 1
time.sleep(1000)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "arguments", "how"),
    [
        (ALLOCATE, ("200",), "exit code 1"), (FORK, (), "used more than 64 MiB"),
        (SHARE, (), "used more than 64 MiB"), (DETACH, (), "used more than 64 MiB"),
    ],
)  # fmt: skip
def test_a_program_that_uses_too_much_memory_is_ended(
    tmp_path: Path, script: str, arguments: tuple[str, ...], how: str
) -> None:
    entries = {"hog": ProgramEntry(run=("/x/hog.py", *arguments), memory=64 << 20)}
    programs = Programs(entries, {"/x/hog.py": script.encode()}, tmp_path, run=True)
    events: list[Event] = []

    def has_ended() -> bool:
        events.extend(programs.look())
        return bool(events)

    until(has_ended)
    assert events[0].detail["reason"].startswith(f"program hog: {how}; ")
    assert programs.crashes == 1
    programs.end()
    programs.close()


@pytest.mark.slow
def test_a_program_within_its_memory_goes_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert ProgramEntry(run=("x",)).memory == 256 << 20
    entries = {
        "small": ProgramEntry(run=("/x/small.py", "100")),
        "free": ProgramEntry(run=("/x/small.py", "400"), memory=0),
    }
    programs = Programs(entries, {"/x/small.py": ALLOCATE.encode()}, tmp_path, run=True)
    printed, events = "", programs.look()

    def is_held() -> bool:
        nonlocal printed
        events.extend(programs.look())
        printed += capfd.readouterr().err
        return printed.count("held") == 2

    until(is_held)
    time.sleep(2.5)
    assert events + programs.look() == []
    programs.end()
    programs.close()


# Programs that would stop, silence or inspect the process that started them, or the agent above it.
ATTACKS = {
    "stop_host": "kill -STOP $PPID",
    "stop_agent": "kill -STOP $(cut -d' ' -f4 /proc/$PPID/stat)",
    "kill_agent": "kill -KILL $(cut -d' ' -f4 /proc/$PPID/stat)",
    "input": "cat /proc/$PPID/fd/0",
    "output": "head -c 1 /dev/zero > /proc/$PPID/fd/1",
}


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_program_reaches_neither_its_host_nor_the_agent(tmp_path: Path, attack: str) -> None:
    if landlock_version() < (6 if attack.startswith(("stop", "kill")) else 1):
        left_out("Landlock of a newer kernel")
    script = f"#!/bin/sh\n({ATTACKS[attack]})\necho $? > {tmp_path / 'status'}\nexec sleep 1000\n"
    command = [sys.executable, "-c", AGENT, script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as agent:
        until(lambda: (tmp_path / "status").exists() and (tmp_path / "status").read_text())
        assert (tmp_path / "status").read_text() != "0\n"
        assert Path(f"/proc/{agent.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T"
        agent.kill()


@pytest.mark.slow
def test_a_host_that_was_stopped_ends_with_its_agent(start: Callable[..., Running]) -> None:
    number = 150_000 + os.getpid()
    stopped = start(one=f"exec sleep {number}\n")
    until(lambda: running(number))
    assert stopped.programs._process is not None
    stopped.programs._process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    stopped.close()
    assert time.monotonic() - began < 5.0
    assert running(number) == []


HOP = """
import os, sys, time
end = time.monotonic() + 30.0
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    os.setsid()
    with open(sys.argv[1], "a") as file:
        file.write(".")
"""


@pytest.mark.slow
def test_who_forks_and_exits_without_end_is_ended(tmp_path: Path) -> None:
    trail = tmp_path / "trail"
    trail.touch()
    for _ in range(3):
        entries = {"hops": ProgramEntry(run=("/x/hops.py", str(trail)))}
        programs = Programs(entries, {"/x/hops.py": HOP.encode()}, tmp_path, run=True)
        until(programs.look)  # its first process has exited
        programs.end()
        programs.close()
        size = trail.stat().st_size
        time.sleep(0.2)
        assert trail.stat().st_size == size
