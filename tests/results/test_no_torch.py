"""What reads records needs neither torch nor a plugin."""

CODE = """
import sys
from benchbench.cli import group
def run(*arguments):
    group.main(list(arguments), "benchbench", standalone_mode=False)
for command in ("list", "show", "add", "merge", "export", "prune", "audit"):
    run("results", command, "--help")
run("compare", "--help")
results, work = sys.argv[1:]
run("results", "list", results)
run("results", "show", "", "--results", results)
run("results", "merge", results, "--into", work + "/merged")
run("results", "export", results, "--csv", work + "/all.csv")
run("results", "prune", results, "--dry-run")
run("compare", results, work + "/merged")
run("leaderboard", results, "--output", results)
run("leaderboard", results, "--check")
run("reproduce", results)
# Hooks see leaderboards, so trackers are loaded: they need nothing.
kinds = ("torch", "torchvision", *(f"benchbench_standard.{k}s" for k in ("pretext", "meta", "backbone", "dataset")))
loaded = [m for m in sys.modules if m.startswith(kinds)]
assert not loaded, loaded
"""


def test_no_torch(make, save, tmp_path, python):
    python("-c", CODE, save(tmp_path / "results", make((5, 6, 7))), tmp_path)
