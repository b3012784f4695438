"""A real language model of the tests, run by llama.cpp of the package xllamacpp."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_runner import Cli
from documents_example import manual_index
from edgewright.language.language_models.client import LanguageModelClient
from edgewright.language.language_models.server import RunningModel, served
from fleet_servers import until
from support import ROOT
from tiny_language_model import write_tiny

pytestmark = pytest.mark.slow
SECONDS = 120.0


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="module")
def running(tiny: Path) -> Iterator[RunningModel]:
    with served(tiny, SECONDS) as model:
        yield model


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_grammar_allows_nothing_else(running: RunningModel) -> None:
    client = LanguageModelClient(running.address, "")
    question = [{"role": "user", "content": "Turn on the light"}]
    free = client.chat(question, time.monotonic() + SECONDS, max_tokens=8).text
    constrained = client.chat(
        question, time.monotonic() + SECONDS, max_tokens=40, grammar='root ::= "light_on" | "none"', logprobs=True
    )
    assert constrained.text in ("light_on", "none")
    assert free != constrained.text
    assert "".join(token for token, _ in constrained.chances) == constrained.text
    assert all(chance < 0 for _, chance in constrained.chances)


def test_an_answer_says_speed_and_memory(tiny: Path, tmp_path: Path, cli: Cli) -> None:
    ask = ("language", "ask", "How long does the warranty last?", "--index", manual_index(tmp_path), "--phrase", tiny)
    # Its words are those of a model that knows nothing of drills: the passages do not support them.
    phrased = cli.json(*ask, code=1)["phrased"]
    assert phrased["carried"] is False
    assert phrased["tokens"] > 0
    assert phrased["tokens_per_second"] > 0
    assert phrased["peak_bytes"] > tiny.stat().st_size
    cli(*ask, code=1)
    assert "of RAM" in cli.out


def test_a_server_ends_with_its_command_even_if_that_is_killed(tiny: Path) -> None:
    with served(tiny, SECONDS) as model:
        assert _is_alive(model.process)
    assert not _is_alive(model.process)
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from edgewright.language.language_models.server import served\n"
        f"with served(Path(sys.argv[1]), {SECONDS}) as model:\n"
        "    print(model.process, flush=True)\n    time.sleep(600)\n"
    )
    command = subprocess.Popen([sys.executable, "-c", program, str(tiny)], stdout=subprocess.PIPE, text=True)
    assert command.stdout is not None
    with command.stdout as output:
        process = int(output.readline())
    command.send_signal(signal.SIGKILL)
    command.wait()
    until(lambda: not Path(f"/proc/{process}/exe").exists())


def test_a_damaged_model_is_refused_with_the_engines_reason(tiny: Path, tmp_path: Path, cli: Cli) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(tiny.read_bytes()[:3000])
    ask = ("language", "ask", "How long does the warranty last?", "--index", manual_index(tmp_path), "--phrase")
    assert "failed to read" in cli(*ask, damaged, code=74)
    assert "invalid magic" in cli(*ask, ROOT / "README.md", code=74)
