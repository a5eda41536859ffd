"""Searches of a matrix that trains in no time."""

from benchbench.planning.matrix import parse_matrix
from benchbench.planning.tuned import Range
from benchbench.tuning.search import Search

RATE = ("meta", "maml", "inner_lr")
SPACE = {"meta": {"maml": {"inner_lr": Range(low=0.01, high=1.0, log=True), "test_norm": ["call", "support"]}}}


def content(**changes):
    return {
        "axes": {
            "pretext": ["rotation"],
            "meta": ["maml"],
            "backbone": ["mlp"],
            "source": ["glyphs"],
            "target": ["digits"],
            "protocol": ["5way-1shot"],
        },
        "floors": False,
        "budget": {"samples": 60},
        "episodes": {"meta_batch": 1, "queries": 1},
        "settings": {
            "backbone": {"mlp": {"width": 8, "depth": 1}},
            "protocol": {"episodic": {"episodes": 4, "queries": 2}},
        },
        **changes,
    }


def whole(space=SPACE, criterion="labelled-valid", only=None, seed=0, repeats=1, **changes):
    matrix = parse_matrix(content(**changes), "test")
    return Search(matrix, space, criterion, seed=seed, repeats=repeats, only=only or {})


def what(*args, **changes):
    """The search of a matrix of one method."""
    (one,) = whole(*args, **changes).methods()
    return one


def declaration(**changes):
    declared = {"criterion": "labelled-valid", "trials": 2, "sampler": "tpe", "seed": 0, "best": 0.5, "method": "m"}
    space = {"meta": {"maml": {"inner_lr": {"low": 0.05, "high": 1.0, "log": False}}}}
    return {**declared, "budget": {"samples": 60}, "space": space, **changes}
