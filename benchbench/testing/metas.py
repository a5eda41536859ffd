"""What is required of a meta-learner at test: shapes, what it may read, what it leaves alone, and its state."""

from dataclasses import replace

import torch
from torch import Tensor

from benchbench.encoding.backbone import Backbone
from benchbench.episodes.batch import Episodes, EpisodeShape
from benchbench.errors import BenchbenchError
from benchbench.rng import Rng, seeded_globals
from benchbench.testing.checks import check
from benchbench.testing.guards import descend, float64, own_draws_only, own_state_kept, through_safetensors, unchanged
from benchbench.testing.standins import encoder_for
from benchbench.testing.subjects import Fault, NotApplicable, Subject
from benchbench.training.learner import MetaLearner
from benchbench.training.on_encoder import Progress

RNG = Rng("conformance", "meta")
#: Ways, shots, queries per class, tasks.
SHAPES = ((2, 1, 1, 1), (5, 1, 3, 2), (3, 5, 2, 3), (50, 1, 1, 1))
#: Differences up to this are rounding in float64.
CLOSE = 1e-5


def learner_of(subject: Subject, number: int = 0, seed: int = 0, *, normless: bool = False) -> MetaLearner:
    """The learner on a stand-in encoder, both in training mode, for samples of one of the shapes. `normless`: without
    batch norm, for a single query."""
    sample = subject.shapes()[number]
    encoder = encoder_for(sample, subject.cls.requires | ({"linear"} if normless else frozenset()), seed)
    if encoder is None:
        raise NotApplicable(f"no stand-in encoder provides {', '.join(sorted(subject.cls.requires))}")
    learner: MetaLearner = subject.build(encoder, seed=seed)
    encoder.train()
    return learner.train()


def tasks_of(subject: Subject, number: int = 0, shape: EpisodeShape | None = None, count: int = 3) -> Episodes:
    """Episodes whose classes differ, with queries in random order, as at test."""
    shape = shape or EpisodeShape(3, 2, 2)
    sample = subject.shapes()[number].shape
    g = torch.Generator().manual_seed(7)
    dtype = torch.get_default_dtype()
    centres = torch.rand(count, shape.ways, 1, *sample, generator=g, dtype=torch.float64)
    noise = torch.rand(count, shape.ways, shape.per_class, *sample, generator=g, dtype=torch.float64)
    ordered = Episodes.from_classes((0.7 * centres + 0.3 * noise).to(dtype), shape)
    order = torch.randperm(ordered.query_x.shape[1], generator=g)
    return replace(ordered, query_x=ordered.query_x[:, order], query_y=ordered.labels()[:, order])


def tested(learner: MetaLearner) -> MetaLearner:
    """Learner and encoder as they are at test."""
    learner.encoder.eval()
    return learner.eval()


def logits_of(learner: MetaLearner, episodes: Episodes, seed: int = 0) -> Tensor:
    """Scores as evaluation computes them: without gradients, with the global generator seeded."""
    with torch.no_grad(), seeded_globals(RNG.child("globals", seed)):
        return learner.logits(episodes, RNG.child("learner", seed))


def encoder_of(learner: MetaLearner) -> Backbone:
    """The encoder that it works on."""
    return learner.encoder


@check("meta")
def any_ways(subject: Subject) -> None:
    """Scores are finite (B, Q, ways), from 2 to 50 ways, for one task or several, on samples of odd sizes."""
    given = 0
    for number in range(len(subject.shapes())):
        learner = tested(learner_of(subject, number))
        for ways, shots, queries, count in SHAPES if number == 0 else SHAPES[:2]:
            shape = EpisodeShape(ways, shots, queries)
            episodes = tasks_of(subject, number, shape, count)
            try:
                logits = logits_of(learner, episodes.withheld())
            except BenchbenchError:
                continue
            given += 1
            wanted = (count, ways * queries, ways)
            if tuple(logits.shape) != wanted:
                raise Fault(
                    f"for {count} tasks of {ways} ways and {ways * queries} queries its logits are "
                    f"{tuple(logits.shape)}: they must be (B, Q, ways), {wanted}, with the ways of the episodes"
                )
            if not logits.isfinite().all():
                raise Fault(
                    f"its logits at {ways} ways and {shots} shots are not finite: guard divisions and logarithms"
                )
    if not given:
        raise Fault("it refuses tasks of every shape tried: take the ways of the episodes, which may differ at test")


@check("meta")
def one_query(subject: Subject) -> None:
    """A single query of a task is scored."""
    learner, episodes = tested(learner_of(subject, normless=True)), tasks_of(subject, count=1).withheld()
    logits = logits_of(learner, replace(episodes, query_x=episodes.query_x[:, :1]))
    if tuple(logits.shape) != (1, 1, 3) or not logits.isfinite().all():
        raise Fault(
            f"for one query its logits are {tuple(logits.shape)}: they must be finite (1, 1, ways); drop squeeze()"
        )


@check("meta")
def uneven_shots(subject: Subject) -> None:
    """Shots may differ between classes, as in Meta-Dataset."""
    learner, episodes = tested(learner_of(subject)), tasks_of(subject, count=1).withheld()
    uneven = replace(episodes, support_x=episodes.support_x[:, 1:], support_y=episodes.support_y[:, 1:])
    try:
        logits = logits_of(learner, uneven)
    except BenchbenchError:
        return
    if tuple(logits.shape) != (1, 6, 3) or not logits.isfinite().all():
        raise Fault(
            f"for support labels {uneven.support_y.tolist()} its logits are {tuple(logits.shape)}, not finite (1, 6, 3)"
            ": group the support set by support_y (benchbench.class_means), never by position"
        )


@check("meta")
def query_labels_unread(subject: Subject) -> None:
    """Scores are the same with query labels withheld, swapped and poisoned."""
    learner, episodes = tested(learner_of(subject)), tasks_of(subject)
    seen = logits_of(learner, episodes)
    advice = "score queries from support_x, support_y and query_x alone; query_y is None at test"
    try:
        withheld = logits_of(learner, episodes.withheld())
    except (ValueError, AttributeError, TypeError) as error:
        raise Fault(f"it reads the query labels ({error}): {advice}") from None
    others = {
        "withheld": withheld,
        "swapped": logits_of(learner, replace(episodes, query_y=episodes.labels().flip(1))),
        "poisoned": logits_of(learner, replace(episodes, query_y=torch.zeros_like(episodes.labels()))),
    }
    for how, logits in others.items():
        if not torch.equal(seen, logits):
            raise Fault(f"its scores change where the query labels are {how}: it reads them; {advice}")


@check("meta")
def support_labels_used(subject: Subject) -> None:
    """Different support labels give different scores: it adapts."""
    if not subject.cls.uses_support:
        raise NotApplicable("it declares that it does not adapt (uses_support)")
    learner, episodes = tested(learner_of(subject)), tasks_of(subject).withheld()
    other = replace(episodes, support_y=(episodes.support_y + 1) % episodes.ways)
    if torch.equal(logits_of(learner, episodes), logits_of(learner, other)):
        raise Fault("its scores do not depend on the support labels, so it adapts to nothing: use support_y in logits")


@check("meta")
def tasks_are_independent(subject: Subject) -> None:
    """A task's scores are the same alone as among others."""
    with float64():
        learner, episodes = tested(learner_of(subject)), tasks_of(subject).withheld()
        whole = logits_of(learner, episodes)
        alone = torch.cat([logits_of(learner, part) for part in episodes.chunks(1)])
    if not torch.allclose(whole, alone, rtol=CLOSE, atol=CLOSE):
        raise Fault(
            "a task's scores depend on the other tasks of the batch: never flatten B into the encoder, use "
            "self.encode, which keeps tasks apart; draw what is random once for all tasks"
        )


@check("meta")
def queries_are_independent(subject: Subject) -> None:
    """A query's scores are the same whatever the other queries are, or the learner declares itself transductive."""
    with float64():
        learner, episodes = tested(learner_of(subject)), tasks_of(subject).withheld()
        if learner.transductive:
            raise NotApplicable("it declares itself transductive")
        # Batch statistics over all queries are the other way to be transductive, and a setting declares that.
        learner.test_norm = "running"
        whole = logits_of(learner, episodes)[:, :2]
        alone = logits_of(learner, replace(episodes, query_x=episodes.query_x[:, :2]))
    if not torch.allclose(whole, alone, rtol=CLOSE, atol=CLOSE):
        raise Fault(
            "a query's scores depend on the other queries of its task: score each by itself, or set "
            "`transductive = True` on the class, so that its records say so"
        )


@check("meta")
def leaves_itself_untouched(subject: Subject) -> None:
    """Scoring leaves the state and mode of learner and encoder unchanged, and the episodes too."""
    learner, episodes = tested(learner_of(subject)), tasks_of(subject)
    parts = {"support_samples": episodes.support_x, "queries": episodes.query_x, "support_labels": episodes.support_y}
    advice = "work on a copy (operations without a trailing _)"
    with (
        own_state_kept("its logits method", learner=learner, encoder=learner.encoder),
        unchanged("its logits method", advice, **parts),
    ):
        logits_of(learner, episodes.withheld())


@check("meta")
def draws_follow_the_stream(subject: Subject) -> None:
    """The same `rng` gives the same scores and loss, and no global generator is touched."""
    learner, episodes = tested(learner_of(subject)), tasks_of(subject)
    with torch.no_grad(), own_draws_only("its logits method", learner, learner.encoder):
        first = learner.logits(episodes.withheld(), RNG.child("learner"))
    with torch.no_grad():
        if not torch.equal(first, learner.logits(episodes.withheld(), RNG.child("learner"))):
            raise Fault(
                "the same episodes and rng give other scores at the second call: draw from `rng`, keep no state"
            )
    if learner.adapter_only:
        return
    learner.train()
    learner.encoder.train()
    with own_draws_only("its loss", learner, learner.encoder):
        learner.backward(episodes, RNG.child("learner"))


@check("meta")
def state_round_trip(subject: Subject) -> None:
    """Another learner gives the same scores after loading its state."""
    trained, other = learner_of(subject), learner_of(subject, seed=1)
    episodes = tasks_of(subject)
    if not trained.adapter_only:
        with seeded_globals(RNG):
            trained.backward(episodes, RNG.child("learner"))
        descend(trained.parameter_groups())
        trained.after_step(Progress(1, 10, episodes.samples))
    for left, right in ((trained.encoder, other.encoder), (trained, other)):
        try:
            right.load_state_dict(through_safetensors(left))
        except RuntimeError as error:
            raise Fault(
                f"its state does not load into a new one ({' '.join(str(error).split())[:200]}): make all modules and "
                "buffers in the constructor"
            ) from None
    episodes = episodes.withheld()
    if not torch.equal(logits_of(tested(trained), episodes), logits_of(tested(other), episodes)):
        raise Fault(
            "another learner has other scores after loading its state: keep what is learned or drawn in parameters and "
            "buffers (register_buffer), which checkpoints hold"
        )


@check("meta")
def precomputed_features(subject: Subject) -> None:
    """With `frozen_features`, it gives precomputed features the same scores as the samples."""
    if not subject.cls.frozen_features:
        raise NotApplicable("it does not declare frozen_features")
    with float64():
        learner, episodes = tested(learner_of(subject)), tasks_of(subject).withheld()
        learner.test_norm = "running"
        with torch.no_grad():
            support, query = (
                learner.encoder(x.flatten(0, 1)).unflatten(0, x.shape[:2])
                for x in (episodes.support_x, episodes.query_x)
            )
        held = replace(episodes, support_x=support, query_x=query)
        with learner.precomputed():
            cached = logits_of(learner, held)
        plain = logits_of(learner, episodes)
    if not torch.allclose(cached, plain, rtol=CLOSE, atol=CLOSE):
        raise Fault(
            "it declares frozen_features but scores precomputed ones otherwise: reach the encoder by self.encode"
        )


@check("meta")
def steps_stated(subject: Subject) -> None:
    """`adaptation_steps` is how many steps are taken at test, 0 if there is no gradient descent."""
    steps = learner_of(subject).adaptation_steps
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
        raise Fault(
            f"adaptation_steps is {steps!r}: set it to the steps taken on a support set at test, an int from 0 on"
        )
