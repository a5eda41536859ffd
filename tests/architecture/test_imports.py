"""Who may import whom, read from the imports themselves."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "benchbench"
STANDARD = ROOT / "plugins" / "standard" / "benchbench_standard"

#: From the bottom up: a part imports from its own layer and from those before it.
LAYERS = (
    {"batch_norm", "errors", "installed", "keys", "rng", "tasks"},
    {"nn", "functional", "episodes", "sampling", "settings", "registry", "records", "data", "components", "sources"},
    {"store", "checkpoints", "stages", "matrix", "protocols", "hooks", "adapting", "drawing", "training", "evaluation"},
    {"family", "plan", "execution", "leaderboard"},
    {"api", "encoders"},
    {"results", "embedding", "exporting", "tuning"},
    {"cli"},
    {"__main__", "testing", "scaffold"},
)
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}


def modules(folder: Path) -> dict[str, Path]:
    """Dotted names of every module below a package's folder."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports that run when the module is imported: none inside functions or ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from (i for part in child.orelse for i in imports(part))
        elif not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from imports(child)


def names(statement: ast.Import | ast.ImportFrom) -> list[str]:
    """What a statement imports; ``from a import b`` gives ``a.b``, which may be a module or a name in one."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    assert not statement.level, "imports are absolute"
    return [f"{statement.module}.{alias.name}" for alias in statement.names]


def module_level(path: Path) -> list[str]:
    return [name for i in imports(ast.parse(path.read_text("utf-8"))) for name in names(i)]


def anywhere(path: Path) -> list[ast.Import | ast.ImportFrom]:
    return [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, (ast.Import, ast.ImportFrom))]


CORE_MODULES = modules(CORE)
STANDARD_MODULES = modules(STANDARD)


def test_modules_are_found():
    assert {"benchbench", "benchbench.registry", "benchbench.data.pool"} <= set(CORE_MODULES)
    assert "benchbench_standard.metas.protonet" in STANDARD_MODULES


@pytest.mark.parametrize("module", CORE_MODULES)
def test_core_imports_no_plugin(module):
    tops = {name.split(".")[0] for i in anywhere(CORE_MODULES[module]) for name in names(i)}
    assert not {top for top in tops if top.startswith("benchbench_")}


@pytest.mark.parametrize("module", STANDARD_MODULES)
def test_plugins_import_the_public_interface_only(module):
    for statement in anywhere(STANDARD_MODULES[module]):
        if isinstance(statement, ast.Import):
            assert all(not alias.name.startswith("benchbench.") for alias in statement.names), ast.unparse(statement)
        else:
            assert not (statement.module or "").startswith("benchbench."), ast.unparse(statement)


#: Modules that run code, or may, when they read a file.
EXECUTING = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve", "yaml"}


def executing_calls(path: Path) -> list[str]:
    """Calls that run what a file holds."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name, given = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
            unpickles = name.endswith("read_pickle") or name == "torch.load" or given.get("allow_pickle") == "True"
            if name in ("eval", "exec") or unpickles:
                found.append(ast.unparse(node))
    return found


def test_calls_that_run_files_are_found(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("torch.load(p)\nnp.load(p, allow_pickle=True)\nnp.load(p)\neval(p)\nencoder.eval()\n")
    assert executing_calls(path) == ["torch.load(p)", "np.load(p, allow_pickle=True)", "eval(p)"]


@pytest.mark.parametrize("module", CORE_MODULES)
def test_results_of_strangers_are_read_without_running_anything(module):
    tops = {name.split(".")[0] for i in anywhere(CORE_MODULES[module]) for name in names(i)}
    assert not tops & EXECUTING
    assert executing_calls(CORE_MODULES[module]) == []


def test_every_name_that_plugins_import_is_public():
    import benchbench

    used = {
        name.removeprefix("benchbench.")
        for path in STANDARD_MODULES.values()
        for statement in anywhere(path)
        if isinstance(statement, ast.ImportFrom) and statement.module == "benchbench"
        for name in names(statement)
    }
    assert used <= set(benchbench.__all__)


def core_imports(module: str) -> set[str]:
    """The core modules that a core module imports when it is imported."""
    found = set()
    for name in module_level(CORE_MODULES[module]):
        target = name if name in CORE_MODULES else name.rpartition(".")[0]
        if target in CORE_MODULES and target not in ("benchbench", module):
            found.add(target)
    return found


def part(module: str) -> str:
    return module.split(".")[1]


def test_every_part_of_the_core_has_a_layer():
    assert {part(m) for m in CORE_MODULES if m != "benchbench"} <= set(RANK)


@pytest.mark.parametrize("module", [m for m in CORE_MODULES if m != "benchbench"])
def test_layers_import_downwards_only(module):
    upwards = {m for m in core_imports(module) if RANK[part(m)] > RANK[part(module)]}
    assert not upwards, f"{module} imports {upwards} from a higher layer"


def test_no_import_cycles():
    # prepare() raises CycleError and names the cycle.
    TopologicalSorter({module: core_imports(module) for module in CORE_MODULES}).prepare()


def loaded(code: str) -> set[str]:
    program = f"import sys\n{code}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_benchbench_imports_no_torch():
    assert not loaded("import benchbench") & {"torch", "torchvision", "numpy", "pandas", "benchbench_standard"}


def test_listing_components_imports_no_torch_and_no_plugin():
    code = "from benchbench.registry import GROUPS, offers\nassert all(offers(k) for k in GROUPS)"
    assert not loaded(code) & {"torch", "torchvision", "benchbench_standard"}
