"""Protocols by name: a component, or a preset of one under ``tasks/protocols``."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from benchbench.components.reference import ComponentRef, bare, resolve_component
from benchbench.components.registry import find, offers
from benchbench.errors import BenchbenchError
from benchbench.packaged import tasks_folder
from benchbench.store.records import shown


def load_protocol(name: str, settings: Mapping[str, Mapping[str, Any]]) -> ComponentRef:
    """The protocol called `name`. `settings` is a matrix's ``[settings.protocol]``: a preset's own settings override
    those given for its component, and are overridden by those given for the preset's name.

    Raises BenchbenchError for an unknown name, and for a protocol whose tables would rank the worst method first.
    """
    ref = _named(name, settings)
    metrics: Mapping[str, str] = ref.load().metrics
    if metrics[shown(metrics)] != "higher":
        raise BenchbenchError(
            f"protocol {name}: tables rank by its metric {shown(metrics)!r}, of which lower is better: let it be "
            "scored so that higher is better, and keep the other beside it"
        )
    return ref


def name_fault(name: str, component: str, settings: Mapping[str, Any]) -> str:
    """Why a protocol of these settings may not go by a name: the name is another component's, or that of a preset with
    other settings. Empty if it may."""
    if name in presets():
        preset = _read(presets()[name])
        if component not in (preset["component"], find("protocol", preset["component"]).qualified):
            return f"protocol {name!r} is a preset of {preset['component']}, not of {component}"
        differ = [f"{key} = {value!r}" for key, value in preset["settings"].items() if settings.get(key) != value]
        return f"protocol {name!r} has {', '.join(differ)}, and its content does not" if differ else ""
    own = not any(o.qualified != component for o in offers("protocol") if o.name == name)
    return (
        "" if name == component or (own and name == bare(component)) else f"protocol {name!r} is no name of {component}"
    )


def presets() -> dict[str, Path]:
    """The file of each preset, by name."""
    return {path.stem: path for path in (tasks_folder() / "protocols").glob("*.toml")}


@cache
def _read(preset: Path) -> dict[str, Any]:
    return tomllib.loads(preset.read_text("utf-8"))


def _named(name: str, settings: Mapping[str, Mapping[str, Any]]) -> ComponentRef:
    if name not in presets():
        return resolve_component("protocol", find("protocol", name, presets()).qualified, settings.get(name, {}))
    preset = _read(presets()[name])
    component = preset["component"]
    merged = {**settings.get(component, {}), **preset["settings"], **settings.get(name, {})}
    return resolve_component("protocol", component, merged)
