"""Connectors are what a third party would publish: one short module, the public API alone, entry points that load."""

import ast
import importlib
import tomllib
from collections.abc import Callable
from pathlib import Path

import pluggy
import pytest

import benchbench
from benchbench.components import registry
from benchbench.execution.hooks import Specifications
from benchbench.planning.matrix import load_matrix

ROOT = Path(__file__).parents[2]
FOLDERS = sorted((ROOT / "plugins").glob("benchbench-*"))
KINDS = {group: kind for kind, group in registry.GROUPS.items()}


def about(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]


def module(folder: Path) -> Path:
    return folder / f"{folder.name.replace('-', '_')}.py"


def test_all_of_them_are_there():
    names = ["easyfsl", "huggingface", "lightly", "submitit", "timm", "trackers"]
    assert [f.name.removeprefix("benchbench-") for f in FOLDERS] == names


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_it_is_short_and_imports_the_public_api_alone(folder: Path):
    text = module(folder).read_text("utf-8")
    assert len(text.splitlines()) < 225
    imported = [n for n in ast.walk(ast.parse(text)) if isinstance(n, (ast.Import, ast.ImportFrom))]
    for statement in imported:
        names = [a.name for a in statement.names] if isinstance(statement, ast.Import) else [statement.module or ""]
        assert all(not name.startswith(("benchbench.", "benchbench_")) for name in names), ast.unparse(statement)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_its_distribution_is_whole(folder: Path):
    project = about(folder)
    assert project["name"] == folder.name
    assert any(d.startswith("benchbench-suite") for d in project["dependencies"])
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (folder / "README.md").read_text("utf-8").startswith(f"# {folder.name}\n")
    assert list((folder / "tests").glob("test_*.py"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_every_entry_point_is_a_component_of_its_kind_with_a_name_of_its_own(folder: Path):
    contracts = {kind: getattr(benchbench, name) for kind, name in registry.CONTRACTS.items()}
    for group, offered in about(folder)["entry-points"].items():
        if group == "benchbench.hooks":
            continue
        kind = KINDS[group]
        standard = {o.name for o in registry.offers(kind) if o.distribution == "benchbench-suite"}
        for name, value in offered.items():
            path, _, attribute = value.partition(":")
            assert issubclass(getattr(importlib.import_module(path), attribute), contracts[kind])
            assert registry.NAME.fullmatch(name)
            assert name.startswith(folder.name.removeprefix("benchbench-"))
            assert name not in standard


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.name)
def test_every_hook_plugin_implements_hooks(folder: Path):
    for name, value in about(folder)["entry-points"].get("benchbench.hooks", {}).items():
        assert registry.NAME.fullmatch(name)
        path, _, attribute = value.partition(":")
        manager = pluggy.PluginManager("benchbench")
        manager.add_hookspecs(Specifications)
        manager.register(getattr(importlib.import_module(path), attribute), name)
        manager.check_pending()
        assert {hook.name for hook in manager.get_hookcallers(manager.get_plugin(name)) or ()} >= {"training_started"}


def test_the_committed_matrix_uses_enough_of_them():
    axes = load_matrix("connectors").axes
    assert sum(name.startswith("timm-") for name in axes.backbone) >= 3
    assert sum(name.startswith("lightly-") for name in axes.pretext) >= 3
    assert sum(name.startswith("easyfsl-") for name in axes.meta) >= 2


@pytest.mark.parametrize("matrix", ["connectors", "pretrained"])
def test_without_them_a_matrix_says_which_name_is_unknown(
    matrix: str, command: Callable, monkeypatch: pytest.MonkeyPatch
):
    def standard_only(group: str) -> list:
        return [e for e in everything(group) if e.dist and e.dist.name == "benchbench-suite"]

    everything = registry.entry_points
    monkeypatch.setattr(registry, "entry_points", standard_only)
    registry.offers.cache_clear()
    code, _, error = command("run", "--matrix", matrix, "--dry-run")
    registry.offers.cache_clear()
    assert code == 2
    assert "Traceback" not in error
    assert error.startswith("error: ")
    assert any(f"unknown {kind} '" in error for kind in ("pretext", "meta", "backbone"))


def test_their_records_are_committed_and_marked_as_randomly_initialised():
    from benchbench import load_records

    records = load_records(ROOT / "results" / "connectors")
    of_timm = [r for r in records if r.method.backbone.startswith("timm-")]
    assert {r.status for r in records} == {"ok"}
    assert len({r.method.backbone for r in of_timm}) >= 3
    assert len({r.method.pretext for r in records if r.method.pretext.startswith("lightly-")}) >= 3
    assert len({r.method.meta for r in records if r.method.meta.startswith("easyfsl-")}) >= 2
    for record in of_timm:
        # The checksum of weights is what the key holds of them: without one, they are random.
        assert '"sha256": null' in record.model_dump_json(indent=1)
