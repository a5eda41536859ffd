import inspect
import json
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from textwrap import shorten
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from tabulate import tabulate

from benchbench.cli.values import parse_settings
from benchbench.components.described import Description, described
from benchbench.components.installed import STANDARD
from benchbench.components.registry import GROUPS, Offer, also_called, misnamed, offers
from benchbench.components.settings import schema
from benchbench.errors import BenchbenchError, BrokenPlugin, suggest
from benchbench.leaderboard.columns import terminal_width


def _all() -> list[Offer]:
    return [o for kind in GROUPS for o in offers(kind)]


_listing = (
    click.option("--json", "as_json", is_flag=True, help="As JSON."),
    click.option("--markdown", is_flag=True, help="As a table of names, synonyms and papers."),
    click.option("--check", is_flag=True, help="Import every component and say which are broken."),
)


@click.group("plugins", invoke_without_command=True)
@_listing[0]
@_listing[1]
@_listing[2]
@click.pass_context
def command(ctx: click.Context, as_json: bool, markdown: bool, check: bool) -> None:
    """List the components that are installed, with what each is and its paper."""
    if not ctx.invoked_subcommand:
        _list(_all(), as_json, markdown, check)


@command.command("list")
@click.option("--kind", "kinds", type=click.Choice(list(GROUPS)), multiple=True, help="Only these; may be repeated.")
@_listing[0]
@_listing[1]
@_listing[2]
def list_(kinds: tuple[str, ...], as_json: bool, markdown: bool, check: bool) -> None:
    """List the components that are installed, with what each is and its paper."""
    _list([o for o in _all() if not kinds or o.kind in kinds], as_json, markdown, check)


def _list(found: list[Offer], as_json: bool, markdown: bool, check: bool) -> None:
    said = [described(o.entry_point) for o in found]
    states = [{"state": _state(o)} if check else {} for o in found]
    if as_json:
        rows = [
            {"kind": o.kind, "name": o.name, "distribution": o.distribution, "version": o.version}
            | {"description": d.line, "paper": d.paper, **state}
            for o, d, state in zip(found, said, states, strict=True)
        ]
        click.echo(json.dumps(rows, indent=1))
    elif markdown:
        click.echo(_as_markdown(found, said, states))
    else:
        click.echo(_as_text(found, said, states))
    for kind in GROUPS:
        for message in misnamed(kind):
            click.echo(f"warning: {message}", err=True)


def _as_markdown(found: list[Offer], said: list[Description], states: list[dict[str, str]]) -> str:
    lines = [
        {"kind": o.kind, "name": f"`{o.name}`", "also called": ", ".join(also_called(o)), "paper": d.paper} | state
        for o, d, state in zip(found, said, states, strict=True)
    ]
    return tabulate(lines, headers="keys", tablefmt="github", disable_numparse=True)


def _as_text(found: list[Offer], said: list[Description], states: list[dict[str, str]]) -> str:
    """One line a component, as wide as the terminal; the distribution where it is not the suite."""
    names = [o.name if o.distribution == STANDARD else f"{o.name} ({o.distribution} {o.version})" for o in found]
    papers = [_cut(d.paper, 60) for d in said]
    taken = sum(2 + max(map(len, column), default=0) for column in ([o.kind for o in found], names, papers))
    room = max(30, (terminal_width() or 200) - taken)
    lines = [
        {"kind": o.kind, "name": name, "what it is": _cut(d.line, room), "paper": paper} | state
        for o, name, d, paper, state in zip(found, names, said, papers, states, strict=True)
    ]
    return tabulate(lines, headers="keys", disable_numparse=True)


def _cut(text: str, most: int) -> str:
    return shorten(text, most, placeholder=" …", break_on_hyphens=False)


def _state(offer: Offer) -> str:
    try:
        offer.load()
    except BrokenPlugin as error:
        return f"broken: {error}"
    return "ok"


def _type(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """A type and its bounds as people write them, without the code's own validators."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(args[0], args[1:])
    if origin in (Union, UnionType):
        text = " | ".join(_type(a) for a in args)
    elif origin is Literal:
        text = " | ".join(repr(a) for a in args)
    elif origin:
        text = f"{origin.__name__}[{', '.join(_type(a) for a in args)}]"
    else:
        text = "None" if annotation is type(None) else getattr(annotation, "__name__", str(annotation))
    return ", ".join([text, *(repr(m) for m in metadata if type(m).__module__ == "annotated_types")])


def _named(name: str, kind: str | None) -> list[Offer]:
    called = [o for o in _all() if name in (o.name, o.qualified)]
    found = [o for o in called if kind in (None, o.kind)]
    if called and not found:
        raise BenchbenchError(f"component {name!r} is of kind {' and '.join(o.kind for o in called)}, not {kind}")
    if found:
        return found
    for folder in (Path(name), Path(f"benchbench-{name}")):
        if (folder / "pyproject.toml").is_file():
            raise BenchbenchError(f"{name!r} is not installed: pip install -e {folder}")
    near = get_close_matches(name, {o.name for o in _all()} | {o.distribution for o in _all()}, n=1)
    # Listing all of them, a hundred names, would not help.
    raise BenchbenchError(f"unknown component {name!r}{suggest(name, near) or '; `benchbench plugins` lists them'}")


@command.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(list(GROUPS)), help="Where one name is of several kinds.")
def show(name: str, kind: str | None) -> None:
    """Say what the component NAME is, and its settings."""
    for offer in _named(name, kind):
        cls = offer.load()
        revision = getattr(cls, "revision", 1)
        click.echo(f"{offer.kind} {offer.qualified} (version {offer.version}, revision {revision})\n")
        click.echo(inspect.cleandoc(cls.__doc__ or "no description") + "\n")
        settings = [
            (field, _type(info.annotation, info.metadata), "required" if info.is_required() else repr(info.default))
            for field, info in schema(cls).model_fields.items()
        ]
        click.echo(
            tabulate(settings, ["setting", "type", "default"], disable_numparse=True)
            if settings
            else "It has no settings."
        )


#: Kinds that can be checked; executors belong to the harness.
KINDS = [kind for kind in GROUPS if kind != "executor"]
#: Kinds that `plugins new` has a template of.
CREATED = [kind for kind in KINDS if kind != "modality"]


@command.command()
@click.argument("name")
@click.option(
    "--kind", "kinds", type=click.Choice(CREATED), required=True, multiple=True, help="What it offers; may be repeated."
)
@click.option("--modality", default="image", show_default=True, help="What samples the example is for: image or text.")
@click.option(
    "--path", type=click.Path(path_type=Path), default=Path(), help="The folder to write it into; here by default."
)
def new(name: str, kinds: tuple[str, ...], modality: str, path: Path) -> None:
    """Write the distribution of a new plugin NAME: a working example with tests. Of several kinds, its components are
    called NAME-KIND."""
    from benchbench.scaffold import new_plugin

    made = new_plugin(name, kinds, path, modality)
    click.echo(f"wrote {made}: pip install -e '{made}[test]', then run pytest there")


@command.command()
@click.argument("names", metavar="DIST|NAME...", nargs=-1, required=True)
@click.option("--kind", type=click.Choice(KINDS), help="Where one name is of several kinds.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting of the component; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def check(names: tuple[str, ...], kind: str | None, pairs: tuple[str, ...], as_json: bool) -> int:
    """Check installed distributions, or components, against their whole contract.

    Exits with 1 if something does not conform; every failure says what to change.
    """
    from benchbench.testing.cards import as_json as json_of
    from benchbench.testing.cards import check_offer

    settings = parse_settings(pairs)
    chosen: list[Offer] = []
    for name in names:
        chosen += [o for o in _of_distribution(name, kind) or _named(name, kind) if o not in chosen]
    chosen = [o for o in chosen if o.kind in KINDS]
    if settings and len(chosen) != 1:
        raise BenchbenchError(f"--set is for one component, but {len(chosen)} are asked for: name one")
    cards = [check_offer(offer, settings) for offer in chosen]
    click.echo(json_of(cards) if as_json else "\n\n".join(card.text() for card in cards))
    return 0 if all(card.conforms for card in cards) else 1


def _of_distribution(name: str, kind: str | None) -> list[Offer]:
    wanted = name.replace("_", "-").lower()
    return [o for o in _all() if o.distribution.replace("_", "-").lower() == wanted and kind in (None, o.kind)]
