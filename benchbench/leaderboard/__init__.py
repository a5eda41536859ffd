"""Records -> tables. Reads only records: no torch, no plugins.

The package can be called: ``benchbench.leaderboard(results, view="effects")`` is `frames.leaderboard`. A function of
this name in `benchbench` would vanish as soon as anything imported a module from here.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from benchbench.store.records import Record


class _Callable(ModuleType):
    def __call__(
        self, results: "Path | str | Iterable[Record]" = "runs", view: str = "overall", **options: Any
    ) -> "pd.DataFrame":
        """See `benchbench.leaderboard.frames.leaderboard`."""
        from benchbench.leaderboard.frames import leaderboard

        return leaderboard(results, view, **options)


sys.modules[__name__].__class__ = _Callable
