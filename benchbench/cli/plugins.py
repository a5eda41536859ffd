import inspect
import json
from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from tabulate import tabulate

from benchbench.errors import BenchbenchError, BrokenPlugin, suggest
from benchbench.registry import GROUPS, Offer, misnamed, offers
from benchbench.settings import schema


def _all() -> list[Offer]:
    return [o for kind in GROUPS for o in offers(kind)]


@click.group("plugins", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--check", is_flag=True, help="Import every component and say which are broken.")
@click.pass_context
def command(ctx: click.Context, as_json: bool, check: bool) -> None:
    """List the components that are installed."""
    if ctx.invoked_subcommand:
        return
    rows = [
        {"kind": o.kind, "name": o.name, "distribution": o.distribution, "version": o.version}
        | ({"state": _state(o)} if check else {})
        for o in _all()
    ]
    click.echo(json.dumps(rows, indent=1) if as_json else tabulate(rows, headers="keys"))
    for kind in GROUPS:
        for message in misnamed(kind):
            click.echo(f"warning: {message}", err=True)


def _state(offer: Offer) -> str:
    try:
        offer.load()
    except BrokenPlugin as error:
        return f"broken: {error}"
    return "ok"


def _type(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """A type and its bounds as people write them; validators are the code's own business."""
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


@command.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(list(GROUPS)), help="Where one name is of several kinds.")
def show(name: str, kind: str | None) -> None:
    """Say what the component NAME is, and its settings."""
    found = [o for o in _all() if name in (o.name, o.qualified) and kind in (None, o.kind)]
    if not found:
        raise BenchbenchError(f"unknown component {name!r}{suggest(name, {o.name for o in _all()})}")
    for offer in found:
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
