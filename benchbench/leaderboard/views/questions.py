"""The comparisons behind the views `effects` and `which`: one family of tests, so that the two never disagree.

A question is what was asked of the scores: one row against others, in one or several contexts. Both views may ask the
same one; it is then tested once, and its p is adjusted once, with Holm's correction over all questions of both views.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from benchbench.leaderboard.grid import Grid, Row, average_ranks, ordered
from benchbench.leaderboard.paired_scores import Places, Scored, common, shared, together
from benchbench.leaderboard.statistics.averaged import Sizes
from benchbench.leaderboard.statistics.paired import Difference, holm
from benchbench.leaderboard.views.cost import average

#: A pretext's worth without meta-learning is measured by an adapter on the encoder from plain training: by this one
#: where there are several.
ADAPTER, PLAIN, UNTRAINED = "nearest-centroid", "joint", "none"
ALL = "all"
NOTE = (
    "5% level after Holm's correction over one family: every effect of the view effects and every comparison with the "
    "best of the view which, of the same records, each counted once."
)

#: An effect: the axis, which of its values, and for which pretext ("all": averaged over them).
Effect = tuple[str, str, str]


@dataclass(frozen=True, order=True)
class Context:
    """A place where a difference is seen: a row, and the rows against whose mean it is measured."""

    treated: Row
    against: tuple[Row, ...]


#: The contexts, sorted, that a difference is averaged over.
Question = tuple[Context, ...]


@dataclass(frozen=True)
class Answer:
    """difference: averaged over the columns, its `p_holm` over the family; sizes: the same in standard deviations;
    columns: the paired scores behind it in each column; contexts: how many contexts were seen, over all columns."""

    difference: Difference
    sizes: Sizes
    columns: dict[str, tuple[Scored, Scored]]
    contexts: int

    @property
    def mirrored(self) -> "Answer":
        """The same, the other way round."""
        d = self.difference
        columns = {name: (b, a) for name, (a, b) in self.columns.items()}
        return Answer(replace(d, mean=-d.mean, low=-d.high, high=-d.low), self.sizes.mirrored, columns, self.contexts)


@dataclass(frozen=True)
class Family:
    """effects: sorted, those that could be measured. best: of the rows that have scores of one training in every
    column, that with the highest mean score, None if there is none; against_best: each other such row."""

    effects: dict[Effect, Answer]
    best: Row | None
    against_best: dict[Row, Answer]


def family(found: Grid) -> Family:
    """All questions of both views, measured and corrected together."""
    scored = {column: shared(found, column) for column in found.columns}
    effects = effect_questions(found)
    rows = [row for row in ordered(found, average_ranks(found)) if _has_one_training_everywhere(found, row, scored)]
    best = min(rows, key=lambda row: (-round(average(found, row), 9), row), default=None)
    choices: dict[Row, Question] = {row: (Context(row, (best,)),) for row in rows if best and row != best}
    measured: dict[Question, Answer] = {}
    for question in dict.fromkeys(_upright(q) for q in (*effects.values(), *choices.values())):
        if answer := _measured(found, question, scored):
            measured[question] = answer
    adjusted = holm([answer.difference.p for answer in measured.values()])
    for (question, answer), p in zip(list(measured.items()), adjusted, strict=True):
        measured[question] = replace(answer, difference=replace(answer.difference, p_holm=float(p)))

    def answered(question: Question) -> Answer | None:
        upright = _upright(question)
        answer = measured.get(upright)
        return answer if answer is None or question == upright else answer.mirrored

    return Family(
        {effect: answer for effect, q in sorted(effects.items()) if (answer := answered(q))},
        best,
        {row: answer for row, q in choices.items() if (answer := answered(q))},
    )


def _has_one_training_everywhere(found: Grid, row: Row, scored: Mapping[str, Mapping[Row, Scored]]) -> bool:
    if not found.columns or not found.complete(row) or not all(row in of_column for of_column in scored.values()):
        return False
    return bool(common(of_column[row] for of_column in scored.values()))


def _upright(question: Question) -> Question:
    """The question or its mirror image (A against B, B against A), the same for both: they are one test."""
    if any(len(context.against) > 1 for context in question):
        return question
    mirror = tuple(sorted(Context(c.against[0], (c.treated,)) for c in question))
    return min(question, mirror)


def _measured(found: Grid, question: Question, scored: Mapping[str, Mapping[Row, Scored]]) -> Answer | None:
    """None if no column has all that is compared, or no training is in all columns."""
    pairs: dict[str, tuple[Scored, Scored]] = {}
    contexts = 0
    for column, of_column in scored.items():
        seen = []
        for context in question:
            if all(row in of_column for row in (context.treated, *context.against)):
                against = together([of_column[row] for row in context.against])
                seen += [(of_column[context.treated], against)] if against else []
        if seen:
            # One difference per column: its contexts share episodes, and averaging them first respects that.
            a, b = (together(part) for part in zip(*seen, strict=True))
            if a and b:
                pairs[column] = a, b
                contexts += len(seen)
    places = Places.of_columns(found, pairs) if pairs else None
    return Answer(places.difference, places.sizes, pairs, contexts) if places else None


def effect_questions(found: Grid) -> dict[Effect, Question]:
    """Every effect, and the contexts that it is averaged over."""
    contexts: dict[Effect, set[Context]] = defaultdict(set)
    for effect, context in _contexts(found):
        contexts[effect].add(context)
    return {effect: tuple(sorted(of)) for effect, of in contexts.items()}


def _contexts(found: Grid) -> Iterator[tuple[Effect, Context]]:
    floors = {row for row, members in found.members.items() if members[0].floor}
    # A method with several settings has no single counterpart.
    rows = [row for row in found.cells if not row.variant]
    counterparts = plain_counterparts(found)
    for row in rows:
        if row in floors:
            continue
        if plain := counterparts.get(row):
            for pretext in (row.pretext, ALL):
                yield ("meta", f"{row.meta} ({row.regime})", pretext), Context(row, (plain,))
        untrained = Row(UNTRAINED, row.meta, row.backbone, "", "", earlier=row.earlier)
        if row.meta == ADAPTER and row.regime == PLAIN and untrained in floors:
            yield ("pretext", row.pretext, row.pretext), Context(row, (untrained,))
    trained = [row for row in rows if row not in floors]
    yield from _balanced("backbone", trained, lambda r: (r.pretext, r.meta, r.regime, r.source))
    yield from _balanced("source", trained, lambda r: (r.pretext, r.meta, r.regime, r.backbone))


def plain_counterparts(found: Grid) -> dict[Row, Row]:
    """The row that each meta-trained one is held against: the same pretext, encoder and source without meta-learning.
    Of several adapters there that is `ADAPTER`; a method with several settings has none, and is none."""
    single = [row for row, members in found.members.items() if not row.variant and not members[0].floor]

    def place(row: Row) -> tuple[str, str, str, bool]:
        return row.pretext, row.backbone, row.source, row.earlier

    plain: dict[tuple[str, str, str, bool], dict[str, Row]] = defaultdict(dict)
    for row in single:
        if row.regime == PLAIN and row.origin == "own":
            plain[place(row)][found.members[row][0].component("meta")] = row
    paired = {}
    for row in single:
        of = plain[place(row)]
        if row.regime != PLAIN and (against := of.get(ADAPTER) or (next(iter(of.values())) if len(of) == 1 else None)):
            paired[row] = against
    return paired


def _balanced(axis: str, rows: list[Row], rest: Callable[[Row], tuple[str, ...]]) -> Iterator[tuple[Effect, Context]]:
    values = {getattr(row, axis) for row in rows}
    alike: dict[tuple[str, ...], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        alike[rest(row)][getattr(row, axis)] = row
    for by_value in alike.values():
        if len(values) > 1 and len(by_value) == len(values):
            for value, row in by_value.items():
                others = tuple(other for name, other in by_value.items() if name != value)
                yield (axis, value, ALL), Context(row, others)
