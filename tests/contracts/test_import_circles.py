"""No modules import each other in a circle, imports by name counted, which import-linter does not see."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

SOURCE = Path(__file__).parents[2] / "src"


def named_imports(path: Path) -> set[str]:
    """Return the modules of Edgewright that a file imports by a constant name."""
    calls = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call) and node.args]
    return {
        str(call.args[0].value).partition(":")[0]
        for call in calls
        if ast.unparse(call.func).endswith("import_module") and isinstance(call.args[0], ast.Constant)
    }


def check(imports: dict[str, set[str]]) -> None:
    """Raise CycleError for a circle."""
    TopologicalSorter(imports).prepare()


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("edgewright", exclude_type_checking_imports=True)
    imports = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    by_name = 0
    for path in SOURCE.rglob("*.py"):
        if b"import_module(" in path.read_bytes():
            module = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
            named = named_imports(path) & graph.modules
            imports[module] |= named
            by_name += len(named)
    assert by_name > 5
    check(imports)
    imports["edgewright.cli.lessons"].add("edgewright.cli.command")
    with pytest.raises(CycleError):
        check(imports)
