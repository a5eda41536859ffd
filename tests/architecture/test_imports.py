"""Who may import whom, read from the imports themselves."""

import ast
import shutil
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "benchbench"
STANDARD = ROOT / "plugins" / "standard" / "benchbench_standard"

#: From the bottom up, every room of the harness and every module beside them. Each imports from those before it and
#: from itself, wherever in a module the import stands.
LAYERS = (
    "errors",
    "userfiles",
    "keys",
    "rng",
    "revisions",
    "packaged",
    "tokenising",
    "components",
    "encoding",
    "episodes",
    "data",
    "store",
    "training",
    "evaluation",
    "planning",
    "execution",
    "export",
    "leaderboard",
    "results",
    "tuning",
    "api",
    "testing",
    "scaffold",
    "cli",
    "__main__",
)


def modules(folder: Path) -> dict[str, Path]:
    """Dotted names of every module below a package's folder."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def names(statement: ast.Import | ast.ImportFrom) -> list[str]:
    """What a statement imports; ``from a import b`` gives ``a.b``, which may be a module or a name in one."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    assert not statement.level, "imports are absolute"
    return [f"{statement.module}.{alias.name}" for alias in statement.names]


def anywhere(path: Path) -> list[ast.Import | ast.ImportFrom]:
    return [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, (ast.Import, ast.ImportFrom))]


CORE_MODULES = modules(CORE)
STANDARD_MODULES = modules(STANDARD)


def test_modules_are_found():
    assert {"benchbench", "benchbench.components.registry", "benchbench.data.pool"} <= set(CORE_MODULES)
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


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").glob("benchbench-*/**/*.py")), ids=lambda path: path.name)
def test_other_plugins_and_their_tests_use_what_any_third_party_may(path):
    found = {
        module
        for i in anywhere(path)
        for module in ([i.module or ""] if isinstance(i, ast.ImportFrom) else names(i))
        if module.startswith("benchbench.")
    }
    assert found <= {"benchbench.testing"}


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


def internal(package: Path) -> dict[str, set[str]]:
    """Module -> the modules of its own package that it imports, in a function or for a type checker too."""
    found = modules(package)
    edges: dict[str, set[str]] = {module: set() for module in found}
    for module, path in found.items():
        for name in (name for statement in anywhere(path) for name in names(statement)):
            target = name if name in found else name.rpartition(".")[0]
            # The package's own module imports nothing but by name: see `benchbench._HOME`.
            if target in found and target not in (package.name, module):
                edges[module].add(target)
    return edges


def upward(package: Path) -> list[str]:
    """Each import from a later layer."""
    rank = {name: i for i, name in enumerate(LAYERS)}
    return [
        f"{module} imports {target}"
        for module, targets in internal(package).items()
        for target in sorted(targets)
        if module != package.name and rank[target.split(".")[1]] > rank[module.split(".")[1]]
    ]


def test_the_layers_are_the_folders():
    assert {m.split(".")[1] for m in CORE_MODULES if m != "benchbench"} == set(LAYERS)


def test_imports_lead_downwards():
    assert upward(CORE) == []


def test_nothing_stands_in_a_circle():
    # prepare() raises CycleError and names the cycle.
    TopologicalSorter(internal(CORE)).prepare()


PLANTED = {
    "at the top": "from benchbench.planning.plan import plan\n",
    "in a function": "def later():\n    from benchbench.planning import plan\n",
    "for a type checker": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import benchbench.planning.plan\n",
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_an_import_that_leads_upwards_is_found_out(planted, tmp_path):
    package = tmp_path / "benchbench"
    shutil.copytree(CORE, package, ignore=shutil.ignore_patterns("__pycache__"))
    module = package / "data" / "table.py"
    module.write_text(module.read_text("utf-8") + planted, "utf-8")
    assert upward(package) == ["benchbench.data.table imports benchbench.planning.plan"]
    with pytest.raises(CycleError, match=r"benchbench\.data\.table"):
        TopologicalSorter(internal(package)).prepare()


def test_a_file_name_is_used_once():
    names = Counter(path.name for path in CORE_MODULES.values() if path.name != "__init__.py")
    assert [name for name, times in names.items() if times > 1] == []


def test_tests_stand_in_the_rooms_that_they_test():
    rooms = {path.name for path in CORE.iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert rooms <= {path.name for path in (ROOT / "tests").iterdir()}
    kinds = {path.name for path in STANDARD.iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert kinds <= {path.name for path in (ROOT / "tests" / "standard").iterdir()}


@pytest.fixture
def loaded(python):
    """The top-level packages that code imports in a fresh interpreter."""

    def run(code: str) -> set[str]:
        program = f"import sys\n{code}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
        return set(python("-c", program).stdout.splitlines()[-1].split())

    return run


def test_importing_benchbench_imports_no_torch(loaded):
    assert not loaded("import benchbench") & {"torch", "torchvision", "numpy", "pandas", "benchbench_standard"}


def test_listing_components_imports_no_torch_and_no_plugin(loaded):
    code = "from benchbench.components.registry import GROUPS, offers\nassert all(offers(k) for k in GROUPS)"
    assert not loaded(code) & {"torch", "torchvision", "benchbench_standard"}
