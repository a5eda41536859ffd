"""Writes results/BENCHMARKS.md, benchmarks.json and benchmarks.png from what pytest-benchmark measured:

    python -m tests.benchmarks.report MEASURED.json results

Rows that were not measured anew are kept, unless they come from another machine.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tabulate import tabulate

HEAD = """# Benchmarks

How many times longer a peer takes for the same mathematics: losses and gradients agree to 1e-10 in float64 before
anything is timed. Each row is a ratio within one run, both on the same threads and allocator settings, in turns, CPU
time, the median over rounds; in brackets the smallest and largest round. The fastest peer decides. The launch alone is
by the clock, both as a user types them: nothing set, processes as they start. `make bench` measures the table,
`make bench-compare REV=...` compares its ratios with another revision's.

*own products*: how many times longer ours takes than its own convolutions and matrix products, forward and backward,
with nothing between them, measured in the same turns. *limit*: than these would at the best rate that this machine
reaches on large ones. Both are left out where there are none.

Tried on Conv-4's plain and metric steps, and of no use: torch.compile and pooling by slices, which were slower, and
pooling before the norm with its gradient in closed form, which is the same function: scattering by index costs what the
shorter passes save.

The plain loop is PyTorch as the papers' code has it, a task at a time. It stands for learn2learn, too, whose 0.2.0
does not build on Python 3.11 and which was within 5 % of it where it ran. torchmeta 1.8.0 does not import beside the
torchvision in use.
"""


def machine(measured: dict[str, Any]) -> str:
    """The processor and what ran on it."""
    cpu, system = measured["machine_info"]["cpu"], measured["machine_info"]
    name = f"{cpu.get('brand_raw', system['machine'])}, {cpu['count']} cores"
    return f"{name}, {system['system']}, Python {system['python_version']}"


def rows(measured: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What each benchmark left for the table or the plot, by its name; others have no part in them."""
    found = {b["name"]: b["extra_info"] for b in measured["benchmarks"]}
    return {name: info for name, info in found.items() if "ratios" in info or "curve" in info}


def merged(before: dict[str, Any], measured: dict[str, Any]) -> dict[str, Any]:
    """The rows of before and the new ones over them, by name."""
    kept = before.get("rows", {}) if before.get("machine") == machine(measured) else {}
    return {"machine": machine(measured), "rows": dict(sorted((kept | rows(measured)).items()))}


def verdict(row: dict[str, Any]) -> tuple[str, str]:
    """(what is asked, whether it is reached)."""
    ratios, asked, reached = row["ratios"].values(), [], []
    if "least" in row:
        asked.append(f">= {row['least']:g}")
        reached.append(min(ratios) >= row["least"])
    if "most" in row:
        asked.append(f"<= {row['most']:g}")
        reached.append(max(ratios) <= row["most"])
    if "within" in row:
        asked.append(f"own <= {row['within']:g}")
        reached.append(row["own"] <= row["within"])
    if not asked:
        return "", ""
    return ", ".join(asked), "met" if all(reached) else "missed" if not any(reached) else "met, missed"


def markdown(held: dict[str, Any]) -> str:
    """The table, and under it where the time goes in the rows that are missed."""
    table, missed, shares = [], [], []
    measured = [row for row in held["rows"].values() if "ratios" in row]
    for row in measured:
        asked, reached = verdict(row)
        for peer, ratio in row["ratios"].items():
            low_high = row.get("range", {}).get(peer)
            shown = f"{ratio:.2f}" + (f" ({low_high[0]:.2f} to {low_high[1]:.2f})" if low_high else "")
            limits = [f"{row[name]:.2f}" if name in row else "–" for name in ("own", "limit")]
            table.append([row["work"], peer, shown, *limits, asked, reached])
        if "profile" in row and "missed" in reached:
            parts = ", ".join(f"{name} {share:.0%}" for name, share in row["profile"])
            missed.append(f"- {row['work']}: {parts}")
        if "shares" in row:
            parts = ", ".join(f"{name} {share:.1%}" for name, share in row["shares"].items())
            shares.append(f"- {row['work']}: {parts}")
    rates: dict[str, list[float]] = {}
    for row in measured:
        if "rate" in row:
            rates.setdefault(row["dtype"], []).append(row["rate"] / 1e9)
    best = ", ".join(f"{max(of):.0f} GFLOP/s in {dtype}" for dtype, of in sorted(rates.items()))
    under = {f"torch {row['torch']}, {_threads(row)}, {_allocator(row)}" for row in measured}
    text = HEAD + f"\nMeasured on {held['machine']}; {'; '.join(sorted(under))}."
    text += f" Its best rates: {best}.\n\n" if best else "\n\n"
    text += (
        tabulate(
            table, ["work", "against", "ratio", "own products", "limit", "asked", ""], "github", disable_numparse=True
        )
        + "\n"
    )
    if missed:
        text += "\n## Missed\n\nWhere the time of ours goes, by operator:\n\n" + "\n".join(missed) + "\n"
    if shares:
        text += "\n## Shares\n\nOf the time that a user waits for:\n\n" + "\n".join(shares) + "\n"
    if any("curve" in row for row in held["rows"].values()):
        text += "\n![Time of a task against jobs, tasks, ways, shots and image size](benchmarks.png)\n"
    return text


def _threads(row: dict[str, Any]) -> str:
    return f"{row['threads']} thread" + ("s" if row["threads"] > 1 else "")


def _allocator(row: dict[str, Any]) -> str:
    return "the allocator set as the launcher sets it" if row["allocator"] else "the allocator as it comes"


def plot(held: dict[str, Any], path: Path) -> None:
    """A panel for each axis: milliseconds a task, ours and the plain loop's, of CPU time; by the clock for jobs."""
    curves = [row["curve"] for row in held["rows"].values() if "curve" in row]
    if not curves:
        return
    from matplotlib.figure import Figure

    figure = Figure((3.2 * len(curves), 3), layout="constrained")
    for panel, curve in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves, strict=True):
        x, ours, plain = zip(*curve["points"], strict=True)
        panel.plot(x, plain, "o--", label="plain loop")
        panel.plot(x, ours, "o-", label="benchbench")
        panel.set(xlabel=curve["axis"], ylabel="ms a task", ylim=(0, None))
        panel.legend(frameon=False)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def main(measured: str, folder: str) -> None:
    kept = Path(folder) / "benchmarks.json"
    before = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    held = merged(before, json.loads(Path(measured).read_text("utf-8")))
    kept.write_text(json.dumps(held, indent=1) + "\n", "utf-8")
    (Path(folder) / "BENCHMARKS.md").write_text(markdown(held), "utf-8")
    plot(held, Path(folder) / "benchmarks.png")
    print(markdown(held))


if __name__ == "__main__":
    main(*sys.argv[1:])
