"""Compares the ratios of results/benchmarks.json with another git revision's, and exits with 1 where one fell:

    python -m tests.benchmarks.regressions REVISION

Ratios, not seconds: what slows a machine slows both sides of a ratio. Repeated runs differ by up to 15 %.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

KEPT = "results/benchmarks.json"
NOISE = 1.15


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, float, float, bool]]:
    """(row, ratio before, ratio after, whether it is worse beyond noise) of each ratio that both have.

    A larger ratio is better, but for rows that have a `most`.
    """
    found = []
    for name, row in after["rows"].items():
        for peer, new in row.get("ratios", {}).items():
            old = before["rows"].get(name, {}).get("ratios", {}).get(peer)
            if old is not None:
                worse = new / old if "most" in row else old / new
                found.append((f"{row['work']}, against {peer}", old, new, worse > NOISE))
    return found


def main(revision: str) -> int:
    shown = subprocess.run(["git", "show", f"{revision}:{KEPT}"], capture_output=True, text=True)
    if shown.returncode:
        print(f"{revision} has no {KEPT}: {shown.stderr.strip()}", file=sys.stderr)
        return 2
    before, after = json.loads(shown.stdout), json.loads(Path(KEPT).read_text("utf-8"))
    if before["machine"] != after["machine"]:
        print(f"other machines: {before['machine']} then, {after['machine']} now")
    found = changes(before, after)
    for work, old, new, worse in found:
        print(f"{old:8.2f} {new:8.2f} {'WORSE ' if worse else '      '} {work}")
    return int(any(worse for *_, worse in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
