"""Protocols by name: a component, or a preset of one under ``tasks/protocols``."""

import tomllib
from collections.abc import Mapping
from typing import Any

from benchbench.components.reference import ComponentRef, resolve_component
from benchbench.components.registry import offers
from benchbench.errors import BenchbenchError, suggest
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


def _named(name: str, settings: Mapping[str, Mapping[str, Any]]) -> ComponentRef:
    presets = {p.stem: p for p in (tasks_folder() / "protocols").glob("*.toml")}
    if name not in presets:
        known = {o.name for o in offers("protocol")} | {o.qualified for o in offers("protocol")}
        if name not in known:
            raise BenchbenchError(f"unknown protocol {name!r}{suggest(name, [*known, *presets])}")
        return resolve_component("protocol", name, settings.get(name, {}))
    preset = tomllib.loads(presets[name].read_text("utf-8"))
    component = preset["component"]
    merged = {**settings.get(component, {}), **preset["settings"], **settings.get(name, {})}
    return resolve_component("protocol", component, merged)
