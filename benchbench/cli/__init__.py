"""The ``benchbench`` command. Each subcommand is a module of its own, imported when used: ``--help`` imports no
torch."""

import os
import signal
import sys
import warnings
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, version
from itertools import pairwise
from typing import Any

import click

from benchbench.cli.values import check_arguments
from benchbench.components.installed import entry_points
from benchbench.errors import BenchbenchError, BrokenPlugin, suggest

COMMANDS = {
    "compare": "Compare two results folders, revisions of one, or two methods, on the episodes they share.",
    "data": "List, prepare, check and show datasets.",
    "embed": "Write the features of your images by a trained encoder.",
    "export": "Write a trained encoder with a model card, also as ONNX.",
    "gc": "Remove checkpoints that no plan or record needs.",
    "leaderboard": "Render the leaderboard of a results folder.",
    "logs": "Print what a training printed, and why it failed.",
    "plugins": "List the components that are installed.",
    "reproduce": "Set published numbers beside ours.",
    "results": "Submit, merge, export, prune and audit records.",
    "run": "Train and score a matrix, then print its leaderboard.",
    "status": "Say what is done in a results folder, and what runs.",
    "study": "Answer the contrasts of a study that was written down beforehand.",
    "tune": "Search a method's settings by validation, under a declared budget.",
}


def _load(entry: EntryPoint) -> click.Command:
    where = f"plugin {entry.dist.name if entry.dist else '?'}: command {entry.name!r} from {entry.value}"
    try:
        loaded = entry.load()
    except Exception as error:
        raise BrokenPlugin(f"{where} cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(loaded, click.Command):
        raise BrokenPlugin(f"{where} is no click command")
    warnings.warn(
        f"{where}: the entry-point group benchbench.commands is deprecated: give the plugin a script of its own",
        DeprecationWarning,
        stacklevel=2,
    )
    return loaded


class Commands(click.Group):
    """Subcommands by name; help texts are kept here so that listing them imports nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*COMMANDS, *(e.name for e in entry_points("benchbench.commands"))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            return import_module(f"benchbench.cli.cmd_{cmd_name}").command
        for entry in entry_points("benchbench.commands"):
            if entry.name == cmd_name:
                return _load(entry)
        raise click.UsageError(f"no command {cmd_name!r}{suggest(cmd_name, self.list_commands(ctx))}", ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        leaf = command
        for word in rest:
            if isinstance(leaf, click.Group):
                leaf = leaf.commands.get(word, leaf)
        _refuse_swallowed(leaf, rest)
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(n, COMMANDS.get(n, "from a plugin")) for n in self.list_commands(ctx)])


def _refuse_swallowed(command: click.Command | None, arguments: list[str]) -> None:
    """Raise UsageError for an option without its value before another option, which click would take for the value:
    ``--results --dry-run`` would train into a folder called ``--dry-run``."""
    options = {name: o for o in (command.params if command else ()) if isinstance(o, click.Option) for name in o.opts}
    for before, argument in pairwise(arguments):
        option = options.get(before)
        # A flag takes no value, and an option with one for its name alone never another option.
        alone = option is None or option.is_flag or isinstance(option.flag_value, str)
        if not alone and argument.partition("=")[0] in options:
            raise click.UsageError(f"Option {before!r} requires an argument, but {argument!r} follows.")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="benchbench-suite", prog_name="benchbench")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def group(debug: bool) -> None:
    """A benchmark of meta-learning x self-supervised learning: what does meta-learning add, and does it transfer?"""


def _warn_of_namesake() -> None:
    try:
        version("benchbench")
    except PackageNotFoundError:
        return
    click.echo(
        "warning: the unrelated distribution 'benchbench' is installed beside 'benchbench-suite', and both own the "
        "package benchbench: uninstall the former and reinstall the latter",
        err=True,
    )


def main(arguments: list[str] | None = None) -> Any:
    """Run the command and exit with 0 if done, 1 if something failed, 2 for bad input or a store that cannot be
    written, or 128 plus the signal's number after a signal (130 after Ctrl-C)."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given or bool(os.environ.get("BENCHBENCH_DEBUG"))
    given = [a for a in given if a != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # Names contain characters that a bare C locale cannot print.
            stream.reconfigure(encoding="utf-8", errors="replace")
    _warn_of_namesake()
    try:
        check_arguments(given)
        code = group.main(given, "benchbench", standalone_mode=False)
        if isinstance(code, int):
            # The code that a command passed to `ctx.exit`, which click returns here.
            sys.exit(code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        click.echo("interrupted; what is finished is kept, run again to go on", err=True)
        # click turns every KeyboardInterrupt into an Abort.
        sys.exit(128 + getattr(error.__cause__ or error, "signum", signal.SIGINT))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except BenchbenchError as error:
        if debug:
            raise
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        # For example a file that may not be read; an error that names no file is a bug.
        if debug or error.filename is None:
            raise
        click.echo(f"error: {error.filename}: {error.strerror}", err=True)
        sys.exit(2)
