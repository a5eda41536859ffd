"""Pages that code writes: the README as the first one, the schemas of matrix and record, the public API, and a page for
each standard component."""

import inspect
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from PIL import Image

import benchbench
from benchbench.cli.cmd_plugins import _type
from benchbench.components.reference import resolve_component
from benchbench.components.registry import Offer, offers
from benchbench.components.settings import construct, schema
from benchbench.data.modality import takes
from benchbench.data.pool import Pool
from benchbench.data.prepare import prepare
from benchbench.episodes.batch import EpisodeShape
from benchbench.planning.matrix import Matrix
from benchbench.rng import Rng, seeded_globals
from benchbench.store.records import Record
from benchbench.training.pretext import Pretext

KINDS = {
    "pretext": "Pretexts",
    "meta": "Meta-algorithms",
    "backbone": "Backbones",
    "dataset": "Datasets",
    "protocol": "Protocols",
    "modality": "Modalities",
}
README = Path(__file__).parents[1] / "README.md"
#: A picture or a link in Markdown: (``!`` or nothing, text, target).
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
SHAPE = EpisodeShape(ways=4, shots=1, queries=3)
GAP = 3


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is generated to the site's sources."""
    for path, content in generated():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The first page is the README."""
    return first_page(README.read_text("utf-8")) if page.file.src_uri == "index.md" else markdown


def first_page(readme: str) -> str:
    """The README as the site has it: its pictures are copied, and links into the checkout, where the site does not
    lead, become text."""

    def linked(found: re.Match[str]) -> str:
        picture, text, target = found.groups()
        if picture:
            return f"![{text}](figures/{Path(target).name})"
        return f"[{text}]({target.removeprefix('docs/')})" if target.startswith(("docs/", "https:")) else text

    return LINK.sub(linked, readme)


def generated() -> Iterator[tuple[str, str | bytes]]:
    """Path below the sources, and content, of every page and picture."""
    for picture, _, target in LINK.findall(README.read_text("utf-8")):
        if picture:
            yield f"figures/{Path(target).name}", (README.parent / target).read_bytes()
    yield "reference/matrix.md", _model_page("The matrix file", MATRIX, Matrix)
    yield "reference/record.md", _model_page("The record", RECORD, Record)
    yield "reference/api.md", _api()
    found = {kind: [o for o in offers(kind) if o.distribution == "benchbench-suite"] for kind in KINDS}
    yield "reference/components.md", _index(found)
    for kind, several in found.items():
        for offer in several:
            drawn = episode_picture(offer) if kind == "pretext" else None
            if drawn:
                yield f"components/{kind}/{offer.name}.png", drawn
            yield f"components/{kind}/{offer.name}.md", _component(offer, drawn is not None)


MATRIX = """A matrix is a TOML file, validated as a whole before anything runs. These are its keys; a table in it, such
as `[budget]`, is a section below. `[settings.KIND.NAME]` holds the settings of a component, which its own page lists.
`[[exclude]]`, `[[include]]` and `[[when]]` hold axes with a name or a list of names each; `[[when]]` also holds
`episodes` and `training`, which replace those sections' values where its axes hold, and `settings`, as
`[when.settings.KIND.NAME]`, which come on top of a pretext's, learner's or backbone's."""

RECORD = """A results folder holds one JSON Lines file for each training below `records/`; a line is a record, the
scores of one cell. Records of older schema versions are read too. `timing` and `environment` differ from machine to
machine; all
else is the same wherever a record is computed under one version of torch and one kind of processor."""


def _model_page(title: str, about: str, model: Any) -> str:
    """The fields of a pydantic model and of the models within it."""
    parts, todo, seen = [f"# {title}\n\n{about}\n"], [("", model.model_json_schema())], set()
    definitions = todo[0][1].get("$defs", {})
    while todo:
        name, held = todo.pop(0)
        if name:
            parts.append(f"\n## {name}\n\n{held.get('description', '')}\n")
        elif held.get("description"):
            parts.append(f"\n{held['description']}\n")
        parts.append("\n| key | type | default |\n|---|---|---|\n")
        for key, value in held["properties"].items():
            default = "required" if key in held.get("required", []) else f"`{value.get('default')!r}`"
            if "$ref" in value or ("default" not in value and default != "required"):
                default = "see there"
            parts.append(f"| `{key}` | {_json_type(value)} | {default} |\n")
        for child in _references(held["properties"]):
            if child not in seen:
                seen.add(child)
                todo.append((child, definitions[child]))
    return "".join(parts)


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"].rpartition("/")[2]] if "$ref" in value else []
        return own + [r for v in value.values() for r in _references(v)]
    return [r for v in value for r in _references(v)] if isinstance(value, list) else []


def _json_type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(_json_type(v) for v in value["anyOf"])
    if "enum" in value or "const" in value:
        return ", ".join(f"`{v}`" for v in value.get("enum", [value.get("const")]))
    if value.get("type") == "array":
        return f"list of {_json_type(value['items'])}"
    if isinstance(value.get("additionalProperties"), dict):
        return f"table of {_json_type(value['additionalProperties'])}"
    bounds = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most"}
    text = {"object": "table", "null": "none"}.get(value.get("type", ""), value.get("type", "any"))
    return " ".join([text, *(f"{word} {value[key]}" for key, word in bounds.items() if key in value)])


def _api() -> str:
    """Every public name, from its docstring; a type alias has none."""
    lines = ["# Public API\n\n`benchbench.__all__` is the contract with plugins: these names and no others.\n"]
    for name in benchbench.__all__:
        documented = inspect.isclass(getattr(benchbench, name)) or callable(getattr(benchbench, name))
        if documented and inspect.getdoc(getattr(benchbench, name)):
            lines.append(f"\n::: benchbench.{benchbench._HOME[name]}.{name}\n")
        else:
            lines.append(f"\n## {name}\n\n`{getattr(benchbench, name)!r}`\n")
    return "".join(lines)


def _index(found: dict[str, list[Offer]]) -> str:
    lines = ["# Standard components\n\nEvery component that benchbench-suite offers, from its class.\n"]
    for kind, several in found.items():
        lines.append(f"\n## {KINDS[kind]}\n\n")
        lines += [f"- [{o.name}](../components/{kind}/{o.name}.md)\n" for o in several]
    return "".join(lines)


def _component(offer: Offer, drawn: bool) -> str:
    cls: Any = offer.load()
    parts = [f"# {offer.name}\n\n{offer.kind} · `{cls.__module__}` · revision {cls.revision}\n"]
    parts.append(f"\n{inspect.cleandoc(cls.__doc__ or '')}\n")
    init = cls.__dict__.get("__init__")
    if init is not None and init.__doc__:
        parts.append(f"\n{inspect.cleandoc(init.__doc__)}\n")
    stated = {name: getattr(cls, name, "") for name in ("licence", "citation", "homepage", "expects")}
    parts += [f"\n{name.capitalize()}: {text}\n" for name, text in stated.items() if text]
    fields = schema(cls).model_fields
    parts.append("\n## Settings\n\n")
    parts.append("| setting | type | default |\n|---|---|---|\n" if fields else "It has none.\n")
    for name, info in fields.items():
        default = "required" if info.is_required() else f"`{info.default!r}`"
        kind = _type(info.annotation, info.metadata).replace("|", "or")
        parts.append(f"| `{name}` | {kind} | {default} |\n")
    if drawn:
        parts.append(
            f"\n## An episode\n\nOne of its episodes on the letters of `glyphs`: a row a class, the support sample "
            f"first, then queries.\n\n![Episode of {offer.name}]({offer.name}.png)\n"
        )
    return "".join(parts)


def episode_picture(offer: Offer) -> bytes | None:
    """A PNG of an episode on embedded letters; None for a pretext that makes none without settings of its own, or
    none of images."""
    cls: Any = offer.load()
    if not takes(cls.modalities, "image"):
        return None
    if "episodes" not in cls.objectives or any(f.is_required() for f in schema(cls).model_fields.values()):
        return None
    data = prepare(resolve_component("dataset", "glyphs"))
    encoder_ref = resolve_component("backbone", "conv4", {"width": 8})
    rng = Rng("docs", offer.name)
    with seeded_globals(rng):
        encoder = encoder_ref.build(data.sample)
        pretext: Pretext = construct(
            cls, encoder, data.sample, settings=resolve_component("pretext", offer.name).settings
        )
        pool = Pool.of(data.table, data.split, "train", name="glyphs", labelled=pretext.uses_labels)
        with torch.no_grad():
            pretext.prepare(pool, encoder.eval(), rng.child("prepare"))
            shape = EpisodeShape(min(SHAPE.ways, pretext.max_ways or SHAPE.ways), SHAPE.shots, SHAPE.queries)
            episodes = pretext.episodes(pool, shape, 1, rng.child("episode"))
    rows = []
    for label in range(shape.ways):
        x = torch.cat([episodes.support_x[0][episodes.support_y[0] == label],
                       episodes.query_x[0][episodes.labels()[0] == label]])  # fmt: skip
        rows.append(np.concatenate([np.pad(i[0].clamp(0, 1).numpy(), GAP, constant_values=0.5) for i in x], 1))
    image = Image.fromarray((255 * np.concatenate(rows)).astype(np.uint8))
    held = BytesIO()
    image.resize((image.width * 2, image.height * 2), Image.Resampling.NEAREST).save(held, "PNG")
    return held.getvalue()
