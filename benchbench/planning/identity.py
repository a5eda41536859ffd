"""What stages, trainings and cells are found by: the one rule of keys, for planning and for verifying records.

To change it renames every result there is. Imports no torch.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from benchbench.components.reference import key_content
from benchbench.keys import content_key
from benchbench.revisions import ENGINE_REVISION, EPISODES_REVISION
from benchbench.training.chain import Link, Objective, Stage


def keyed(links: Iterable[Link], content: Mapping[str, Any]) -> tuple[Stage, ...]:
    """The stages of a chain, each under a key that holds its parent's. `content` is that of the training: its backbone,
    source, seed and recipe are what all stages share."""
    shared = {name: content[name] for name in ("backbone", "source", "seed")}
    stages: list[Stage] = []
    for link in links:
        key = content_key(
            {
                **shared,
                "recipe": _relevant(content["recipe"], link.objective),
                "engine": ENGINE_REVISION,
                "objective": link.objective,
                "pretext": key_content(link.pretext),
                "meta": link.meta and key_content(link.meta),
                "helper": link.helper and key_content(link.helper),
                "share": link.share,
                "parent": stages[-1].key if stages else None,
            }
        )
        stages.append(Stage(link.objective, link.pretext, link.meta, link.helper, link.share, key))
    return tuple(stages)


def _relevant(recipe: dict[str, Any], objective: Objective) -> dict[str, Any]:
    """What of a recipe shapes a stage: a plain one is shared by trainings whose episodes differ."""
    training = dict(recipe["training"])
    if objective != "auxiliary":
        del training["auxiliary_weight"]
    if objective in ("meta", "task"):
        del training["batch_size"]
    rest = {k: v for k, v in recipe.items() if k != "episodes" or objective != "plain"}
    return {**rest, "training": training}


def training_key(content: Mapping[str, Any]) -> str:
    """The key of a training, from its content or that of one of its records. A floor trains nothing: of what it would
    have been trained on, and how, only the shape of a sample counts."""
    about = ("source", "recipe") if content["stages"] else ("sample",)
    names = ["backbone", "seed", "learner", "stages", *about, *(["tuned"] if "tuned" in content else [])]
    return content_key({name: content[name] for name in names})


def cell_key(training: str, target: str, protocol: Mapping[str, Any]) -> str:
    """The key of a cell: its training's key, its target's fingerprint, and what of its protocol enters a key."""
    return content_key({"training": training, "target": target, "protocol": protocol, "episodes": EPISODES_REVISION})
