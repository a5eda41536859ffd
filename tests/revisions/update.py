"""The code behind every revision: ``tests/revisions.lock``.

Results are found by keys that hold a component's revision and not its code, so a change of code must either raise the
revision or state why results stay the same:

    python tests/revisions/update.py                       after revisions were raised: write the lock anew
    python tests/revisions/update.py "why results stay"    for changed code of the same revision
"""

import json
import sys
from pathlib import Path
from typing import Any

import benchbench
from benchbench.components.code import class_hash, engine_hash
from benchbench.components.registry import GROUPS, offers
from benchbench.revisions import ENGINE_REVISION, EPISODES_REVISION, EVALUATION_REVISION

LOCK = Path(__file__).parents[1] / "revisions.lock"
PACKAGE = Path(benchbench.__file__).parent
Entries = dict[str, dict[str, Any]]


def current() -> Entries:
    """Revision and hash of the harness and of each component that it ships."""
    revision = f"{ENGINE_REVISION}.{EPISODES_REVISION}.{EVALUATION_REVISION}"
    found: Entries = {"harness": {"revision": revision, "source": engine_hash(PACKAGE)}}
    for kind in sorted(set(GROUPS) - {"executor"}):
        for offer in offers(kind):
            if offer.distribution == "benchbench-suite":
                cls: Any = offer.load()
                found[f"{kind} {offer.name}"] = {"revision": cls.revision, "source": class_hash(cls)}
    return found


def locked() -> Entries:
    """What the lock holds."""
    return json.loads(LOCK.read_text("utf-8"))


def unexplained(now: Entries, before: Entries) -> list[str]:
    """Names whose code is another one while their revision is the same."""
    return [
        name
        for name, entry in now.items()
        if name in before
        and before[name]["revision"] == entry["revision"]
        and before[name]["source"] != entry["source"]
    ]


def main(reason: str | None) -> None:
    """Write the lock; refuse where a reason is wanted."""
    now, before = current(), locked() if LOCK.exists() else {}
    changed = unexplained(now, before)
    if changed and not reason:
        sys.exit(f"raise the revision of these, or say why their results stay the same: {', '.join(changed)}")
    for name, entry in now.items():
        if name in changed:
            entry["same_results"] = reason
        elif before.get(name, {}).get("source") == entry["source"] and "same_results" in before[name]:
            entry["same_results"] = before[name]["same_results"]
    LOCK.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or None)
