"""Judge mutants of a small repository in a folder: `python tests/judge_mutants.py FOLDER`; a failed assertion ends it.

A process of its own, because judging forks, and a worker of the tests may run the threads of JAX.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]
from tools import mutants, reach  # noqa: E402 - from the repository, which is no package
from tools.affected import ImportGraph  # noqa: E402
from tools.mutants import Judge, Mutant, Verdict, changes  # noqa: E402
from tools.reach import Reached  # noqa: E402


def judge_of(folder: Path) -> Judge:
    """Return a judge of a repository in which a test holds one comparison and no other test does."""
    root = folder / "main"
    files = {
        "pytest.ini": "[pytest]\naddopts = -p no:schemathesis\n",
        "src/edgewright/__init__.py": "from __future__ import annotations\n",
        "src/edgewright/a.py": "def near(a):\n    return a < 3\n\n\ndef far(a):\n    return a > 3\n",
        "tests/test_a.py": "from edgewright.a import far, near\n\n\n"
        "def test_near():\n    assert near(2) and not near(3)\n\n\ndef test_far():\n    assert far(9)\n\n\n"
        "def test_fails():\n    assert not near(2)\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "a"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    for module in (mutants, reach):
        vars(module)["ROOT"] = root
    reach.KEPT = folder / "reach"
    return Judge(folder / "copies")


def check_reach(judge: Judge, root: Path) -> None:
    """Check that tests say what they enter."""
    entered = judge.reach("tests/test_a.py")
    tests = {
        name: [test.test for test in entered.tests(f"src/edgewright/a.py:{name}")] for name in ("near", "far", "no")
    }
    assert tests == {"near": ["tests/test_a.py::test_near"], "far": ["tests/test_a.py::test_far"], "no": []}
    assert judge.reach("tests/test_a.py") == entered  # kept
    path = Path("src/edgewright/a.py")
    original = root / path
    text = original.read_text()
    original.write_text(text + "\n\ndef no(a):\n    return a + 1 > 5\n")
    everything = mutants.unreached(ImportGraph(root), [entered], "")
    original.write_text(text)
    assert everything["a.py"] == {"": 8, f"{path}:no": 4, f"{path}:near": 0, f"{path}:far": 0}


def check_verdicts(judge: Judge) -> None:
    """Check that the test that fails notices a change, and that the file is as before afterwards."""
    module = Path("src/edgewright/a.py")
    comparisons = [change for change in changes((judge.copy / module).read_text()) if "=" in change.after]
    near, far = (Mutant(module, change) for change in comparisons)
    assert judge.verdict(near, ["tests/test_a.py"], []).test == "tests/test_a.py::test_near"
    assert judge.verdict(far, ["tests/test_a.py"], []) == Verdict(far, "", "1 fast tests and 0 slow tests")
    failing = [Reached("tests/test_a.py::test_fails", 1)]
    assert judge.notices(far, failing, sure=True) and not judge.notices(far, failing, sure=False)
    assert "a < 3" in (judge.copy / module).read_text()


if __name__ == "__main__":
    small = judge_of(Path(sys.argv[1]))
    check_reach(small, Path(sys.argv[1]) / "main")
    check_verdicts(small)
    print("judged")
