"""Lifecycle hooks (pluggy): trackers and reporters observe a run through them.

A hook plugin is a module or object in the entry-point group ``benchbench.hooks`` whose functions carry
``@benchbench.hookimpl``. Hooks run in the driver; exceptions they raise are logged, and the run goes on.
"""

import logging
from typing import Any

import pluggy

from benchbench.components.installed import entry_points
from benchbench.store.records import Record

hookspec = pluggy.HookspecMarker("benchbench")
hookimpl = pluggy.HookimplMarker("benchbench")
log = logging.getLogger("benchbench.hooks")


class Specifications:
    """Every hook, with its arguments; an implementation names those that it wants. `training` is
    ``{"key", "label", "matrix", "seed"}``."""

    @hookspec
    def training_started(self, training: dict[str, Any], settings: dict[str, Any]) -> None:
        """A training begins. `settings` holds ``pretext``, ``meta``, ``backbone`` and ``source`` (name, revision and
        settings of each; a floor's source is None), ``regime``, ``budget``, ``episodes``, ``training`` and the rest of
        its recipe."""

    @hookspec
    def step_metrics(self, training: dict[str, Any], step: int, stage: int, metrics: dict[str, float]) -> None:
        """Loss and other metrics after `step` optimiser steps of a stage; the first one is 1."""

    @hookspec
    def training_finished(
        self, training: dict[str, Any], seconds: float, cost: dict[str, float], scores: dict[str, Any]
    ) -> None:
        """A training and its evaluations are done. `cost` holds ``parameters``, ``samples``, ``encoder_passes``,
        ``flops``, ``train_seconds``, ``evaluation_seconds`` and ``peak_memory_mib``; `scores` target -> protocol ->
        metric -> ``{"mean", "ci95", "n"}``, those of earlier runs included."""

    @hookspec
    def training_failed(self, training: dict[str, Any], reason: str) -> None:
        """A training failed; its failure is recorded."""

    @hookspec
    def training_stopped(self, training: dict[str, Any]) -> None:
        """A training stopped before its end, as Ctrl-C asked; another run takes it up."""

    @hookspec
    def record_written(self, record: Record) -> None:
        """A record is in the store."""

    @hookspec(warn_on_impl=DeprecationWarning("the hook leaderboard_columns is deprecated: read records instead"))
    def leaderboard_columns(self, records: list[Record]) -> dict[str, str]:  # type: ignore[empty-body]
        """Extra columns for one row of the leaderboard, from that row's records: title -> text. Deprecated: it makes a
        table depend on the installed plugins, and no longer on its records alone."""


class Hooks:
    """The installed hook plugins, called so that none can disturb the run."""

    def __init__(self, manager: pluggy.PluginManager):
        self.manager = manager

    @classmethod
    def installed(cls) -> "Hooks":
        """Load every hook plugin that is allowed to load; a broken one is logged and left out."""
        manager = pluggy.PluginManager("benchbench")
        manager.add_hookspecs(Specifications)
        for entry in sorted(entry_points("benchbench.hooks"), key=lambda e: e.name):
            plugin = None
            try:
                plugin = entry.load()
                manager.register(plugin, entry.name)
            except Exception as error:
                if plugin is not None and manager.is_registered(plugin):
                    # pluggy keeps the functions it took before the one it refused.
                    manager.unregister(plugin)
                log.warning("hook plugin %s is broken: %s: %s", entry.name, type(error).__name__, error)
        for hook in set(vars(manager.hook)) - set(vars(Specifications)):
            for implementation in getattr(manager.hook, hook).get_hookimpls():
                log.warning("hook plugin %s: there is no hook %r", implementation.plugin_name, hook)
        return cls(manager)

    def call(self, hook: str, **arguments: Any) -> list[Any]:
        """Call every implementation of `hook` and return their results; exceptions are logged and left out."""
        results = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            wanted = {name: arguments[name] for name in implementation.argnames}
            try:
                results.append(implementation.function(**wanted))
            except Exception as error:
                name = implementation.plugin_name
                log.warning("hook %s of plugin %s failed: %s: %s", hook, name, type(error).__name__, error)
        return results
