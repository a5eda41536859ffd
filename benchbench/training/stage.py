"""The loop: one stage from its parent's weights to its final checkpoint, bit-identical when resumed."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench.data.pool import Pool
from benchbench.data.prepare import Prepared
from benchbench.encoding.backbone import Backbone
from benchbench.encoding.precision import encoding_in
from benchbench.encoding.tasks import class_means, encode, similarity
from benchbench.episodes.batch import EpisodeShape
from benchbench.errors import Stopped, TrainingFailed
from benchbench.rng import Rng, seeded_globals
from benchbench.store.files import Store
from benchbench.training.chain import Stage
from benchbench.training.checkpoints import Modules, StageCheckpoints, named, restore
from benchbench.training.draws import CHUNK, TrainingEpisodes
from benchbench.training.flops import counted
from benchbench.training.learner import MetaLearner
from benchbench.training.on_encoder import Progress
from benchbench.training.pretext import Batch, Pretext
from benchbench.training.pretext_tasks import PretextTasks

#: Points on a training curve, and checkpoints of a stage.
POINTS = 50
CHECKPOINTS = 20


@dataclass
class StageResult:
    """What a stage cost, and how it went."""

    samples: int = 0
    encoder_passes: int = 0
    flops: int = 0
    ways: int | None = None
    #: Episodes of a step, where it learns from classes.
    meta_batch: int | None = None
    steps: int = 0
    seconds: float = 0.0
    best: float | None = None
    curve: list[dict[str, float]] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    chunk: int = CHUNK

    def count(self, flops: int, encoder_passes: int) -> None:
        """Note what the first step took."""
        self.flops, self.encoder_passes = flops, encoder_passes


Report = Callable[[dict[str, Any]], None]
#: Whether training should stop at the next step.
Stop = Callable[[], bool]


def never() -> bool:
    """A `Stop` that never asks to stop."""
    return False


def run_stage(
    run: "StageRun", store: Store | None, report: Report, *, rerun: bool = False, stop: Stop = never
) -> StageResult:
    """Train in place, or load what was trained before; with `rerun`, not what different code trained.

    Raises TrainingFailed with step and metrics if the loss or a weight is non-finite; Stopped after a step at which
    `stop` says so, once its checkpoint is written.
    """
    if store is None:
        return run.train(None, report)
    kept = StageCheckpoints(store, run.stage.key)
    if held := kept.read("final", run.trained, lambda state: StageResult(**state)):
        result, tensors = held
        if not rerun or result.sources == run.sources:
            restore(tensors, run.trained)
            return result
    result = run.train(kept, report, stop)
    kept.save("final", run.trained, None, vars(result))
    kept.remove("resume", "best")
    return result


class StageRun:
    """One stage of a training, on its encoder and, unless the objective is plain, its learner. `sources` are the
    hashes of the code it trains with."""

    def __init__(
        self,
        stage: Stage,
        number: int,
        encoder: Backbone,
        learner: MetaLearner | None,
        data: Prepared,
        seed: int,
        recipe: dict[str, Any],
        device: str,
        sources: dict[str, str],
    ):
        self.stage, self.encoder, self.learner, self.device = stage, encoder, learner, device
        self.rng = Rng(seed, "stage", number)
        self.recipe, self.settings, self.selection = recipe, recipe["training"], recipe["selection"]
        self.data, self.sources = data, sources
        #: Tasks at once.
        self.chunk: int = CHUNK
        #: The modules that the stage leaves behind, by name in checkpoints.
        self.trained: Modules = {"encoder": encoder}
        if learner is not None:
            self.trained["learner"] = learner

    def _start(self) -> None:
        """Make the pretext and what it needs. Not done if the final checkpoint is loaded instead."""
        sample = self.data.sample
        source = self.stage.helper or self.stage.pretext
        with seeded_globals(self.rng.child("pretext"), self.device):
            self.pretext: Pretext = source.build(self.encoder, sample).to(self.device)
        self.labels: Pretext | None = self.stage.pretext.build(self.encoder, sample) if self.stage.helper else None
        episodic = self.labels or self.pretext
        self.pool = self._pool("train", self.pretext)
        pool = self._pool("train", episodic) if self.labels else self.pool
        self.episodes = TrainingEpisodes(episodic, pool, self.recipe["episodes"])
        self.tasks: PretextTasks | None = None
        if self.stage.objective == "task":
            assert self.learner is not None
            labelled = self.episodes if self.labels else None
            self.tasks = PretextTasks(self.pretext, self.learner, self.pool, labelled, self.recipe["episodes"])
        self.batch_size = min(self.settings["batch_size"], len(self.pool))
        self.embedded = 0
        with seeded_globals(self.rng.child("prepare"), self.device):
            self.pretext.prepare(self.pool, self._embed, self.rng.child("prepare"))
        self.pretext.to(self.device)
        self.used = self._samples(self.recipe["budget"])
        self.steps = len(self.used)

    def _pool(self, part: str, pretext: Pretext) -> Pool:
        return Pool.of(
            self.data.table,
            self.data.split,
            part,
            name=f"dataset {self.data.name}",
            labelled=pretext.uses_labels,
            device=self.device,
            rng=self.rng.child("pool"),
            sample=self.data.sample,
        )

    @torch.no_grad()
    def _embed(self, x: Tensor) -> Tensor:
        training = self.encoder.training
        self.encoder.eval()
        features = torch.cat([self.encoder(part) for part in x.split(256)])
        self.embedded += len(x)
        self.encoder.train(training)
        return features

    def _views(self, step: int) -> int:
        """Views that enter the loss of a step, as the budget counts them."""
        if self.tasks:
            return self.tasks.views
        views = self.batch_size * self.pretext.views if self.stage.objective != "meta" else 0
        if self.stage.objective != "plain":
            views += self.episodes.samples(self.rng.child(step).child("episodes"))
        return views

    def _samples(self, budget: dict[str, int]) -> list[int]:
        """The samples used so far after each step of the budget, which only a first step may exceed."""
        if self.pretext.closed_form and self.stage.objective == "plain":
            return []
        steps = round(budget["steps"] * self.stage.share) if "steps" in budget else math.inf
        samples = int(budget["samples"] * self.stage.share) if "samples" in budget else math.inf
        used = [self._views(0)]
        while len(used) < steps and (total := used[-1] + self._views(len(used))) <= samples:
            used.append(total)
        return used

    def _optimiser(self) -> torch.optim.Optimizer:
        if self.stage.objective == "plain":
            groups = self.pretext.parameter_groups()
        else:
            assert self.learner is not None
            groups = self.learner.parameter_groups()
            if self.stage.objective in ("auxiliary", "task"):
                groups.append({"params": list(self.pretext.parameters())})
        groups = [g for g in groups if g["params"]]
        lr, decay = self.settings["lr"], self.settings["weight_decay"]
        if self.settings["optimiser"] == "sgd":
            made: torch.optim.Optimizer = torch.optim.SGD(groups, lr, momentum=0.9, weight_decay=decay)
        else:
            kind = torch.optim.AdamW if self.settings["optimiser"] == "adamw" else torch.optim.Adam
            made = kind(groups, lr, weight_decay=decay)
        for group in made.param_groups:
            group["base_lr"] = group["lr"]
        return made

    def _schedule(self, optimiser: torch.optim.Optimizer, step: int) -> None:
        """Set learning rates as a pure function of the step, so that no schedule state needs saving."""
        factor = {
            "constant": 1.0,
            "cosine": 0.5 * (1 + math.cos(math.pi * step / self.steps)),
            "halving": 0.5 ** (step // self.settings["halve_every"]),
        }[self.settings["schedule"]]
        for group in optimiser.param_groups:
            group["lr"] = group["base_lr"] * factor

    def _plain(self, rng: Rng, weight: float = 1.0) -> dict[str, float]:
        index = rng.choices(len(self.pool), self.batch_size)[0]
        y = self.pool.labels[index].to(self.device) if self.pretext.uses_labels else None
        loss = self.pretext.loss(Batch(self.pool.samples(index), index, y), rng.child("loss"))
        (weight * loss).backward()
        return {"loss": float(loss.detach())}

    def _meta(self, rng: Rng) -> dict[str, float]:
        assert self.learner is not None
        loss = accuracy = 0.0
        for i, (chunk, share) in enumerate(self.episodes.draw(rng, self.chunk)):
            part, logits = self.learner.backward(chunk, rng.child("learner", i), share)
            loss += float(part) * share
            accuracy += float((logits.argmax(-1) == chunk.labels()).double().mean()) * share
        return {"loss": loss, "accuracy": accuracy}

    def _step(self, step: int) -> dict[str, float]:
        rng = self.rng.child(step)
        with seeded_globals(rng.child("globals"), self.device):
            if self.stage.objective == "plain":
                return self._plain(rng.child("batch"))
            if self.tasks:
                return self.tasks.backward(rng.child("tasks"))
            metrics = self._meta(rng.child("episodes"))
            if self.stage.objective == "auxiliary":
                extra = self._plain(rng.child("batch"), self.settings["auxiliary_weight"])
                metrics["auxiliary_loss"] = extra["loss"]
            return metrics

    def _fitting_step(self, step: int, result: StageResult, modules: Modules) -> dict[str, float]:
        """One step, retried with fewer tasks at once while the device lacks the memory for it. Only the task axis is
        split: a self-supervised batch is one loss."""
        while True:
            try:
                counting = counted(self.encoder, self.pretext, result.count) if step == 0 else nullcontext()
                with counting, encoding_in(self.recipe["precision"]):
                    return self._step(step)
            except torch.OutOfMemoryError:
                if self.stage.objective == "plain" or self.chunk == 1:
                    raise
            self.chunk = result.chunk = self.chunk // 2
            for module in modules.values():
                module.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()

    def train(self, kept: StageCheckpoints | None, report: Report, stop: Stop = never) -> StageResult:
        """Run the stage, from its last checkpoint if there is one."""
        self._start()
        modules = {**self.trained, "pretext": self.pretext}
        optimiser = self._optimiser()
        # Plain stages and a pretext's own tasks have no classes.
        episodic = self.stage.objective in ("meta", "auxiliary") or self.labels is not None
        ways, meta_batch = (self.episodes.ways, self.episodes.meta_batch) if episodic else (None, None)
        fresh = StageResult(steps=self.steps, ways=ways, meta_batch=meta_batch, sources=self.sources)
        first, result = (kept and self._resumed(kept, modules, optimiser)) or (0, fresh)
        self.chunk = result.chunk
        started = time.monotonic()
        every, log_every = max(1, self.steps // CHECKPOINTS), max(1, self.steps // POINTS)
        validate_every = max(1, self.steps // self.settings["validate_times"])
        for step in range(first, self.steps):
            for module in modules.values():
                module.train()
            self._schedule(optimiser, step)
            optimiser.zero_grad(set_to_none=True)
            metrics = self._fitting_step(step, result, modules)
            if not all(math.isfinite(v) for v in metrics.values()):
                shown = ", ".join(f"{k} {v:.4g}" for k, v in metrics.items())
                raise TrainingFailed(f"non-finite loss at step {step + 1} of {self.steps} ({shown})")
            optimiser.step()
            done = step + 1
            progress = Progress(done, self.steps, self.used[step])
            for part in (self.pretext, self.learner):
                if part is not None:
                    part.after_step(progress)
            result.samples = progress.samples
            if done % log_every == 0 or done == self.steps:
                result.curve.append({"step": done, "samples": progress.samples, **metrics})
                left = (time.monotonic() - started) / (done - first) * (self.steps - done)
                report({"step": done, "steps": self.steps, **metrics, "seconds_left": left})
            if self.selection != "last" and (done % validate_every == 0 or done == self.steps):
                self._select(done, result, modules, kept)
            asked = kept is not None and done < self.steps and stop()
            if kept is not None and done < self.steps and (done % every == 0 or asked):
                spent = result.seconds + time.monotonic() - started
                state = {"step": done, "result": {**vars(result), "seconds": spent}}
                kept.save("resume", modules, optimiser, state)
            if asked:
                raise Stopped
        if self.selection != "last" and self.steps:
            restore(self._best, modules)
        if not all(p.isfinite().all() for m in self.trained.values() for p in m.parameters()):
            raise TrainingFailed(f"a weight is not finite after step {self.steps} of {self.steps}")
        # One step was measured; cost is proportional to samples.
        times = self.used[-1] / self.used[0] if self.used else 0
        result.encoder_passes = round(result.encoder_passes * times) + self.embedded
        result.flops = round(result.flops * times)
        result.seconds += time.monotonic() - started
        return result

    def _resumed(
        self, kept: StageCheckpoints, modules: Modules, optimiser: torch.optim.Optimizer
    ) -> tuple[int, StageResult] | None:
        """Go on from the last checkpoint: the steps done and the result so far. None, with nothing changed, if there is
        none, if it was begun by different code, or if the best weights so far are gone."""
        best = kept.read("best", modules, lambda state: state["step"])
        held = kept.read("resume", modules, lambda state: (state["step"], StageResult(**state["result"])))
        if not held or (result := held[0][1]).sources != self.sources or (result.best is not None and not best):
            return None
        self._best = best[1] if best else {}
        restore(held[1], modules, optimiser)
        return held[0]

    # Selection

    def _select(self, step: int, result: StageResult, modules: Modules, kept: StageCheckpoints | None) -> None:
        score = self._validate()
        result.curve[-1][self.selection] = score
        if result.best is None or score > result.best:
            result.best = score
            self._best = {name: t.clone() for name, t in named(modules).items()}
            if kept:
                kept.save("best", modules, None, {"step": step})

    @torch.no_grad()
    def _validate(self) -> float:
        """Higher is better: minus the pretext's own loss on unlabelled validation samples, or accuracy on labelled
        episodes. Draws are the same each time, so that checkpoints are compared on the same samples."""
        rng = self.rng.child("validate")
        for module in (self.encoder, self.pretext, self.learner):
            if module is not None:
                module.eval()
        with seeded_globals(rng.child("globals"), self.device):
            if self.selection == "labelled-valid":
                labelled = Pool.of(
                    self.data.table,
                    self.data.split,
                    "valid",
                    name=self.data.name,
                    labelled=True,
                    device=self.device,
                    sample=self.data.sample,
                )
                return self._episode_accuracy(labelled, rng)
            pool = self._pool("valid", self.pretext)
            if self.stage.objective == "meta":
                assert self.learner is not None
                losses = []
                for i in range(10):
                    episodes = self.pretext.episodes(pool, self.episodes.shape, CHUNK, rng.child(i))
                    logits = self.learner.logits(episodes, rng.child(i, "learner"))
                    losses.append(float(F.cross_entropy(logits.flatten(0, 1), episodes.labels().flatten())))
                return -sum(losses) / len(losses)
            if self.tasks:
                return -sum(float(self.tasks.own_loss(pool, rng.child(i))) for i in range(10)) / 10
            index = rng.choices(len(pool), min(256, len(pool)))[0]
            return -float(self.pretext.loss(Batch(pool.samples(index), index), rng.child("loss")))

    def _episode_accuracy(self, pool: Pool, rng: Rng) -> float:
        asked = self.episodes.shape
        shape = EpisodeShape(min(5, pool.classes), asked.shots, asked.queries)
        correct = total = 0
        for i in range(25):
            episodes = pool.labelled_episodes(shape, CHUNK, rng.child(i)).shuffled(rng.child(i, "order"))
            if self.learner is not None:
                logits = self.learner.logits(episodes.withheld(), rng.child(i, "learner"))
            else:
                features = encode(self.encoder, episodes.all_x)
                means = class_means(features[:, : episodes.shots], episodes.support_y, episodes.ways)
                logits = similarity(features[:, episodes.shots :], means, "cosine")
            correct += int((logits.argmax(-1) == episodes.labels()).sum())
            total += episodes.labels().numel()
        return correct / total
