"""The model card of an exported encoder."""

import platform
from collections.abc import Mapping
from typing import Any

from benchbench.components.registry import find
from benchbench.encoding.backbone import Backbone
from benchbench.encoding.sample import SampleSpec
from benchbench.export.encoder import WEIGHTS, Encoder
from benchbench.export.hub import headed
from benchbench.export.onnx import ONNX, TOLERANCE
from benchbench.store.records import Record


def model_card(records: list[Record], encoder: Encoder, times: Mapping[str, str], difference: float | None) -> str:
    """The card as Markdown: how the encoder was trained, what it scored, its licence and how to load it. `times` says
    how long each runtime takes, `difference` how far the ONNX file's features are from the encoder's. It begins
    with a header for the Hub: see `headed`."""
    first = records[0]
    source = None if first.flags.floor else find("dataset", first.content["source"]["name"]).load()
    licence = getattr(source, "licence", "") or "not stated"
    rows = [
        f"| {r.target} | {r.protocol} | {name} | {s.mean:.4f} | "
        + ("| |" if r.scores[name].unit == "target" else f"{s.ci95:.4f} | {s.n} |")
        for r in sorted(records, key=lambda r: (r.target, r.protocol))
        for name, s in r.summary.items()
        # The mean similarity of pairs of images says nothing.
        if r.scores[name].unit != "pair"
    ]
    recipe = first.content["recipe"]
    shape = " x ".join(map(str, encoder.sample.shape))
    kind = encoder.sample.modality
    what = f"{kind}s of {shape} tokens" if encoder.sample.vocabulary else f"{shape} {kind}s"
    lines = [
        f"# {first.method.label}, {first.method.backbone}, trained on {first.source}",
        "",
        f"An encoder of {what} to {encoder.dim} features, exported by benchbench.",
        "",
        "## How it was trained",
        "",
        *_facts(
            pretext=_described(first.content["pretext"]),
            meta=_described(first.content["learner"]),
            backbone=_described(first.content["backbone"]),
            pretrained=_began(encoder.backbone),
            regime=first.method.regime,
            source="nothing: it was not trained" if first.flags.floor else _described(first.content["source"]),
            budget=_listed(recipe["budget"]),
            optimisation=_listed(recipe["training"]),
            seed=first.seed,
            labels=first.flags.labels,
            selection=first.flags.selection,
            training=first.training_key,
            torch=first.environment.get("torch", "unknown"),
        ),
        "",
        "## Scores",
        "",
        "Means over n test episodes or samples, with the half-width of their 95% interval; what has none describes the "
        "features of a whole target.",
        "",
        "| target | protocol | metric | mean | ± | n |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        "## Licence",
        "",
        f"The weights derive from the data of {first.source}: {licence}. "
        f"{getattr(source, 'citation', '') or ''}".rstrip(),
        "",
        "## Use",
        "",
        "```python",
        "import benchbench",
        "",
        'encoder = benchbench.load_encoder("path/to/this/folder")',
        _use(encoder.sample),
        "```",
        "",
        f"`{WEIGHTS}` holds the weights. Latency on one thread of {platform.machine()}: "
        + "; ".join(f"{name}: {time}" for name, time in times.items())
        + ".",
    ]
    if difference is not None:
        lines += [
            "",
            f"`{ONNX}` takes samples (N, {shape.replace(' x ', ', ')}) and gives the same features: the "
            f"largest difference found was {difference:.2g}, at most {TOLERANCE} is allowed.",
        ]
    return headed("\n".join(lines) + "\n", records, licence, kind)


def _use(sample: SampleSpec) -> str:
    if sample.vocabulary:
        return 'features = encoder.embed(["a text", "another"])  # N texts -> (N, dim)'
    axes = "(N, C, H, W) in [0, 1]" if len(sample.shape) == 3 else f"(N, {', '.join(map(str, sample.shape))})"
    return f"features = encoder.embed(samples)  # {axes} -> (N, dim)"


def _began(backbone: Backbone) -> str:
    labels = {None: "", True: ", with labels", False: ", without labels"}[backbone.pretrained_labels]
    return f"{backbone.pretrained_on}{labels}" if backbone.pretrained_on else "no"


def _facts(**facts: Any) -> list[str]:
    return [f"- {name}: {value}" for name, value in facts.items()]


def _described(content: dict[str, Any]) -> str:
    settings = _listed(content["settings"])
    return f"{content['name']} (revision {content['revision']})" + (f": {settings}" if settings else "")


def _listed(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items())
