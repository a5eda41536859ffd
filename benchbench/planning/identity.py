"""The keys of stages, trainings and cells: one rule, used both for planning and for verifying records.

Changing it renames every existing result. Imports no torch.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from benchbench.components.reference import ComponentRef, key_content
from benchbench.components.settings import schema
from benchbench.keys import content_key
from benchbench.revisions import EPISODES_REVISION, revision_of
from benchbench.training.chain import Link, Objective, Stage


def keyed(links: Iterable[Link], content: Mapping[str, Any]) -> tuple[Stage, ...]:
    """The stages of a chain; each stage's key includes its parent's. `content` is the training's: all stages share its
    backbone, source, seed, recipe, harness and what `trained_as` says of the learner."""
    shared = {name: content[name] for name in ("backbone", "source", "seed")}
    stages: list[Stage] = []
    for link in links:
        key = content_key(
            {
                **shared,
                "recipe": relevant(content["recipe"], link.objective),
                "engine": revision_of(content, "engine"),
                "objective": link.objective,
                "pretext": key_content(link.pretext),
                "meta": link.meta and _as_trained(key_content(link.meta), content.get("trained_as", {})),
                "helper": link.helper and key_content(link.helper),
                "share": link.share,
                "parent": stages[-1].key if stages else None,
            }
        )
        stages.append(Stage(link.objective, link.pretext, link.meta, link.helper, link.share, key))
    return tuple(stages)


def trained_as(learner: ComponentRef, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a learner that bear on its scores alone (`MetaLearner.test_settings`), where they are not the
    defaults, each with the default that stage keys hash in its place: one training can be scored with several. None
    where validation, which scores too, chooses the checkpoint."""
    cls = learner.load()
    if recipe["selection"] != "last" or cls.adapter_only:
        return {}
    test = {name: learner.settings[name] for name in cls.test_settings if name in learner.settings}
    default = {name: schema(cls).model_fields[name].default for name in test}
    return {name: default[name] for name in sorted(test) if test[name] != default[name]}


def _as_trained(learner: dict[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    return learner | {"settings": learner["settings"] | changed}


def relevant(recipe: dict[str, Any], objective: Objective) -> dict[str, Any]:
    """The part of a recipe that shapes a stage. It lets trainings with different episodes share a plain stage."""
    training = dict(recipe["training"])
    if objective != "auxiliary":
        del training["auxiliary_weight"]
    if objective in ("meta", "task"):
        del training["batch_size"]
    rest = {k: v for k, v in recipe.items() if k != "episodes" or objective != "plain"}
    return {**rest, "training": training}


def training_key(content: Mapping[str, Any]) -> str:
    """The key of a training, from its content or that of one of its records. A floor trains nothing, so the shape of a
    sample takes the place of its source and recipe."""
    about = ("source", "recipe") if content["stages"] else ("sample",)
    names = ["backbone", "seed", "learner", "stages", *about, *(["tuned"] if "tuned" in content else [])]
    return content_key({name: content[name] for name in names})


def cell_key(training: str, target: str, protocol: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """The key of a cell, from its training's key, its target's fingerprint, the part of its protocol that enters keys
    and the harness of its `content`."""
    parts = {"training": training, "target": target, "protocol": protocol, "episodes": EPISODES_REVISION}
    evaluation = revision_of(content, "evaluation")
    # The first revision did not stand in keys.
    return content_key(parts | ({"evaluation": evaluation} if evaluation > 1 else {}))
