"""What is required of a meta-learner in training: its gradients, and adaptation to any loss."""

from dataclasses import replace
from typing import Any, get_args

import torch
from torch import Tensor

from benchbench.components.settings import validate
from benchbench.encoding.backbone import Encode
from benchbench.encoding.task_norm import NormMode
from benchbench.episodes.batch import Episodes
from benchbench.errors import BenchbenchError
from benchbench.rng import seeded_globals
from benchbench.testing.checks import check
from benchbench.testing.guards import float64, own_state_kept
from benchbench.testing.metas import CLOSE, RNG, learner_of, tasks_of
from benchbench.testing.subjects import Fault, NotApplicable, Subject
from benchbench.training.learner import MetaLearner


def weights_of(learner: MetaLearner) -> dict[str, Tensor]:
    """The encoder's and the learner's own trainable weights."""
    body = {f"encoder.{k}": w for k, w in learner.encoder.named_parameters()}
    return {k: w for k, w in {**body, **dict(learner.named_parameters())}.items() if w.requires_grad}


def gradients(learner: MetaLearner, parts: list[tuple[Episodes, float]]) -> dict[str, Tensor]:
    """What `backward` adds to ``.grad``, over some episodes with their weights."""
    weights = weights_of(learner)
    for w in weights.values():
        w.grad = None
    for episodes, weight in parts:
        with seeded_globals(RNG):
            learner.backward(episodes, RNG.child("same"), weight)
    return {k: torch.zeros_like(w) if w.grad is None else w.grad.clone() for k, w in weights.items()}


def training(subject: Subject) -> tuple[MetaLearner, Episodes]:
    """A learner in training mode, and tasks."""
    if subject.cls.adapter_only:
        raise NotApplicable("it only adapts: there is no meta-training")
    return learner_of(subject), tasks_of(subject)


@check("meta")
def loss_and_logits(subject: Subject) -> None:
    """`loss` and `backward` return a finite scalar and the logits it came from; `backward` detaches them."""
    learner, episodes = training(subject)
    with seeded_globals(RNG):
        loss, logits = learner.backward(episodes, RNG.child("learner"))
    wanted = (len(episodes), episodes.query_x.shape[1], episodes.ways)
    if loss.dim() or not loss.isfinite() or tuple(logits.shape) != wanted:
        raise Fault(
            f"backward returns a loss of shape {tuple(loss.shape)} and logits {tuple(logits.shape)}: return a finite "
            f"scalar and logits (B, Q, ways), {wanted}"
        )
    if loss.requires_grad or logits.requires_grad:
        raise Fault("backward returns tensors with a graph, which keep a step's memory: return them detached")


@check("meta")
def gradients_reach_the_encoder(subject: Subject) -> None:
    """Every trainable weight of the encoder gets a finite gradient, and some are not zero; a learner that leaves the
    encoder out of its optimiser groups leaves its running averages alone too."""
    # A head's own gradient may vanish at initialisation, so only the encoder is judged.
    learner, episodes = training(subject)
    trained = {id(w) for group in learner.parameter_groups() for w in group["params"]}
    if not any(id(w) in trained for w in learner.encoder.parameters()):
        with own_state_kept("backward, which trains no encoder,", encoder=learner.encoder):
            gradients(learner, [(episodes, 1.0)])
        raise NotApplicable("its optimiser groups hold no weight of the encoder")
    found = gradients(learner, [(episodes, 1.0)])
    for name, gradient in found.items():
        if not gradient.isfinite().all():
            raise Fault(f"the gradient at {name} is not finite: guard square roots, norms and divisions at zero")
    body = {k: g for k, g in found.items() if k.startswith("encoder.")}
    still = [k for k, g in body.items() if g.abs().max() == 0]
    if len(still) == len(body):
        raise Fault("no gradient reaches the encoder: keep the graph through self.encode, without detach or no_grad")


@check("meta")
def gradients_add_up(subject: Subject) -> None:
    """The weighted gradients of a meta-batch's pieces add up to the gradient of the whole."""
    with float64():
        learner, episodes = training(subject)
        whole = gradients(learner, [(episodes, 1.0)])
        pieces = gradients(learner, [(part, len(part) / len(episodes)) for part in episodes.chunks(2)])
        thrice = gradients(learner, [(episodes, 0.5), (episodes, 2.5)])
    for name, gradient in whole.items():
        scale = CLOSE * gradient.abs().max().clamp(min=CLOSE)
        if (thrice[name] - 3 * gradient).abs().max() > 10 * scale:
            raise Fault(
                f"at {name}, backward with weights 0.5 and 2.5 does not add up to 3 times the gradient: ADD `weight` "
                "times the loss's gradient to .grad, never zero or replace it"
            )
        if (pieces[name] - gradient).abs().max() > 10 * scale:
            raise Fault(
                f"the gradient at {name} of a meta-batch in pieces is another than that of the whole: take the mean "
                "over tasks, and keep tasks apart (self.encode)"
            )


@check("meta")
def settings_of_tests_leave_training_alone(subject: Subject) -> None:
    """What it declares as `test_settings` changes no gradient: trainings that differ only in them are taken for one."""
    learner, episodes = training(subject)
    mine = validate(subject.label, subject.cls, subject.settings).model_dump()
    found = gradients(learner, [(episodes, 1.0)])
    for name in sorted(subject.cls.test_settings & mine.keys()):
        for value in _others(mine[name]):
            try:
                other, _ = training(replace(subject, settings={**subject.settings, name: value}))
            except BenchbenchError:
                continue
            for weight, gradient in gradients(other, [(episodes, 1.0)]).items():
                if not torch.equal(gradient, found[weight]):
                    raise Fault(
                        f"it declares {name} a test setting, but with {value!r} the gradient at {weight} is another: "
                        "read it in evaluation mode only, or leave it out of test_settings"
                    )


def _others(value: Any) -> list[Any]:
    """Values that a setting may have instead; it need not take all."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, 2 * value]
    return [other for other in (1, *get_args(NormMode)) if other != value]


@check("meta")
def adapts_to_any_loss(subject: Subject) -> None:
    """`adapt_to` returns an encoder with a smaller loss, differentiable in training, and leaves the learner
    unchanged."""
    if not subject.cls.adapts_to_any_loss:
        raise NotApplicable("it does not declare adapts_to_any_loss")
    learner = learner_of(subject)
    x = tasks_of(subject).support_x[0]
    wanted = torch.zeros(len(x), learner.encoder.dim)

    def loss(encode: Encode) -> Tensor:
        return 1e-2 * (encode(x) - wanted).square().mean()

    with own_state_kept("its adapt_to method", learner=learner), seeded_globals(RNG):
        adapted = learner.adapt_to(loss)
    after = loss(adapted)
    before = loss(lambda x: learner.encode(x.unsqueeze(0), support=len(x)).squeeze(0))
    if float(after.detach()) >= float(before.detach()):
        raise Fault("the encoder that adapt_to returns has no smaller loss than before: descend the loss it is handed")
    body = [w for w in learner.encoder.parameters() if w.requires_grad]
    if not after.requires_grad or all(g is None for g in torch.autograd.grad(after, body, allow_unused=True)):
        raise Fault(
            "the encoder that adapt_to returns has no gradient to the initial weights: keep the graph in training"
        )
