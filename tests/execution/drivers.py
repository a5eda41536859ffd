"""A process that has imported what a run imports, and forks one that runs for each line it reads: a run's own start is
that of its interpreter and of torch, which takes seconds, and is no part of what is tested here.

A line is JSON: ``code`` and its ``arguments``, ``environment``, and a ``folder`` for what it prints (``out``, ``err``)
and, as ``ended``, its exit code. The answer is its process number. Its server of processes is forked from it as well,
unless the line says ``fresh``: then it is started as users' are.
"""

import json
import os
import signal
import sys
from itertools import pairwise
from multiprocessing import util
from pathlib import Path
from typing import Any


def serve(matrix: str) -> dict[str, Any]:
    """Read requests until the end of input; returns one in each process that is to do it."""
    import benchbench.api
    import benchbench.cli.cmd_run
    import benchbench.execution.warm
    import benchbench.leaderboard.render  # noqa: F401
    from benchbench.planning.matrix import load_matrix
    from benchbench.planning.plan import plan

    plan(load_matrix(matrix))
    # Whoever waits for a run is waited for by nobody.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        request = json.loads(line)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if (runs := os.fork()) == 0:
                return request
            os.write(1, b"%d\n" % runs)
            _, status = os.waitpid(runs, 0)
            ended = Path(request["folder"]) / "ended"
            ended.with_suffix(".part").write_text(str(os.waitstatus_to_exitcode(status)))
            ended.with_suffix(".part").rename(ended)
            os._exit(0)
    sys.exit()


def prepare(request: dict[str, Any]) -> None:
    """Make this process what it would be had it been started by itself, in a session of its own."""
    os.setsid()
    os.environ.clear()
    os.environ.update(request["environment"])
    for stream, name, flags in ((0, os.devnull, os.O_RDONLY), (1, "out", os.O_WRONLY), (2, "err", os.O_WRONLY)):
        file = os.open(Path(request["folder"]) / name, flags | os.O_CREAT, 0o644)
        os.dup2(file, stream)
        os.close(file)
    sys.argv = ["-c", *request["arguments"]]


def fork_server() -> None:
    """Let `multiprocessing` fork its server, where it would start an interpreter that imports the same again."""
    start = util.spawnv_passfds

    def started(path: bytes, arguments: list[str], passed: list[int]) -> int:
        program = arguments[-1]
        if "multiprocessing.forkserver" not in program:
            return start(path, arguments, passed)
        sys.stdout.flush()
        sys.stderr.flush()
        if server := os.fork():
            return server
        for kept, following in pairwise([2, *sorted(passed), os.sysconf("SC_OPEN_MAX")]):
            os.closerange(kept + 1, following)
        try:
            exec(program, {})
        finally:
            os._exit(0)

    util.spawnv_passfds = started


# No guard against being imported: a training's process must not run its driver's program again.
request = serve(sys.argv[1])
prepare(request)
if not request["fresh"]:
    fork_server()
exec(compile(request["code"], "<driver>", "exec"), {"__name__": "__main__"})
