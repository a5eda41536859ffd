"""What is required of a pretext's episodes."""

import numpy as np
import torch
from torch import Tensor

from benchbench.encoding.sample import SampleSpec
from benchbench.episodes.batch import Episodes, EpisodeShape
from benchbench.errors import BenchbenchError
from benchbench.rng import Rng, seeded_globals
from benchbench.testing.checks import check
from benchbench.testing.guards import own_draws_only
from benchbench.testing.pretexts import Set, one, sets
from benchbench.testing.subjects import Fault, Subject

RNG = Rng("conformance", "episodes")
#: Ways, shots, queries, tasks.
SHAPES = ((2, 1, 1, 1), (5, 1, 3, 3), (50, 1, 1, 2))
#: How far above chance labels may be told from images alone before it is a fault.
MARGIN = 0.2


def drawn(made: Set, shape: EpisodeShape, count: int, rng: Rng) -> Episodes | None:
    """Episodes; None if it refuses them with a reason."""
    try:
        with seeded_globals(rng.child("globals")):
            return made.pretext.episodes(made.pool, shape, count, rng)
    except BenchbenchError as refusal:
        if "unlabelled pool" in str(refusal):
            raise Fault("it reads the pool's labels without saying so: set `uses_labels = True`") from None
        return None


def ways_of(made: Set, asked: int) -> int:
    """Training ways: as many as asked for, at most `max_ways`."""
    return asked if made.pretext.max_ways is None else min(asked, made.pretext.max_ways)


@check("pretext")
def episode_shapes(subject: Subject) -> None:
    """Episodes have the requested shape, from 2 to 50 ways, for one task or several, on samples of odd sizes."""
    one(subject, "episodes")
    for made in [able for able in sets(subject) if "episodes" in able.pretext.objectives]:
        sample, given = made.pretext.sample, 0
        for asked, shots, queries, count in SHAPES:
            shape = EpisodeShape(ways_of(made, asked), shots, queries)
            episodes = drawn(made, shape, count, RNG)
            if episodes is not None:
                given += 1
                _judge(episodes, shape, count, sample)
        if not given:
            raise Fault("it refuses episodes of 2, of 5 and of 50 ways: it cannot say 'episodes' among its objectives")


def _judge(episodes: Episodes, shape: EpisodeShape, count: int, sample: SampleSpec) -> None:
    asked = f"{count} episodes of {shape.ways} ways, {shape.shots} shots and {shape.queries} queries"
    if not isinstance(episodes, Episodes):
        raise Fault(f"its episodes are a {type(episodes).__name__}: return benchbench.Episodes (Episodes.from_classes)")
    if episodes.ways != shape.ways:
        raise Fault(f"asked for {asked} it gives {episodes.ways} ways: give shape.ways, and say the most in max_ways")
    for part, per_class in (("support", shape.shots), ("query", shape.queries)):
        x, y = getattr(episodes, f"{part}_x"), getattr(episodes, f"{part}_y")
        wanted = (count, shape.ways * per_class, *sample.shape)
        if tuple(x.shape) != wanted or tuple(y.shape) != wanted[:2]:
            raise Fault(
                f"asked for {asked} its {part}_x is {tuple(x.shape)} and its {part}_y {tuple(y.shape)}: they must be "
                f"{wanted} and {wanted[:2]}, samples of the shape that the encoder takes"
            )
        _judge_values(x, part, sample)
        if y.dtype != torch.int64 or y.min() < 0 or y.max() >= shape.ways:
            raise Fault(f"its {part} labels are no int64 from 0 to ways - 1: number the classes of each episode from 0")
        if not (torch.nn.functional.one_hot(y, shape.ways).sum(1) == per_class).all():
            raise Fault(f"its {part} labels are not balanced: give each class {per_class} samples in every episode")


def _judge_values(x: Tensor, part: str, sample: SampleSpec) -> None:
    if sample.vocabulary:
        if x.dtype != torch.int64 or x.min() < 0 or x.max() >= len(sample.vocabulary):
            raise Fault(f"its {part} samples are no int64 ids below {len(sample.vocabulary)}: keep to the vocabulary")
        return
    bounded = len(sample.shape) == 3 and (x.min() < 0 or x.max() > 1 + 1e-5)
    if not x.is_floating_point() or not x.isfinite().all() or bounded:
        raise Fault(f"its {part} samples are no finite floats in [0, 1]: clamp them")


@check("pretext")
def episodes_follow_the_stream(subject: Subject) -> None:
    """The same `rng` gives the same episodes, another one gives others, and no global generator is touched."""
    made = one(subject, "episodes")
    shape = EpisodeShape(ways_of(made, 2), 1, 2)
    with own_draws_only("its episodes method", made.pretext, made.encoder):
        first = made.pretext.episodes(made.pool, shape, 3, RNG.child(0))
    again, other = (made.pretext.episodes(made.pool, shape, 3, RNG.child(i)) for i in (0, 1))
    if not (torch.equal(first.all_x, again.all_x) and torch.equal(first.support_y, again.support_y)):
        raise Fault("the same rng gives other episodes at the second call: draw from `rng` alone, and keep no counter")
    if torch.equal(first.all_x, other.all_x):
        raise Fault("another rng gives the same episodes: draw samples and classes from the `rng` that is handed in")
    if torch.equal(first.all_x[0], first.all_x[1]):
        raise Fault("all episodes of a batch are the same: draw each of them anew")


@check("pretext")
def labels_shuffled(subject: Subject) -> None:
    """Which class has which label is drawn anew for every episode; otherwise the support set can be ignored."""
    made = one(subject, "episodes")
    ways = ways_of(made, 4)
    episodes = drawn(made, EpisodeShape(ways, 1, 1), 160, RNG.child("shuffled"))
    if episodes is None:
        return
    x = _flat(episodes.all_x, made.pretext.sample).numpy()
    y = torch.cat([episodes.support_y, episodes.labels()], 1).numpy()
    accuracy = told_from_images(x, y, ways)
    if accuracy > 1 / ways + MARGIN:
        raise Fault(
            f"its labels can be told from single images ({accuracy:.0%} right, chance is {1 / ways:.0%}): a class has "
            "the same label in every episode, so a learner may ignore the support set: draw the classes of each "
            "episode in random order, by rng.choices(classes, ways, count)"
        )


def _flat(x: Tensor, sample: SampleSpec) -> Tensor:
    """Samples (B, n, *shape) as vectors (B, n, d): ids as how often each occurs."""
    if not sample.vocabulary:
        return x.flatten(2).double()
    counts = torch.zeros(*x.shape[:2], len(sample.vocabulary), dtype=torch.float64)
    return counts.scatter_add_(2, x, torch.ones(x.shape, dtype=torch.float64))


def told_from_images(x: np.ndarray, y: np.ndarray, ways: int) -> float:
    """How often ridge regression predicts labels y (B, n) correctly from images x (B, n, d) alone: fitted on half of
    the episodes, tested on the other half."""
    half = len(x) // 2
    fit, test = (part.reshape(-1, x.shape[-1]) for part in (x[:half], x[half:]))
    mean = fit.mean(0)
    fit, test = fit - mean, test - mean
    targets = np.eye(ways)[y[:half].reshape(-1)] - 1 / ways
    gram = fit @ fit.T
    strength = 1e-3 * np.trace(gram) / len(gram) + 1e-12
    dual = np.linalg.solve(gram + strength * np.eye(len(gram)), targets)
    return float(((test @ fit.T @ dual).argmax(1) == y[half:].reshape(-1)).mean())
