from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, Dataset, Sample, SampleTable
from benchbench_standard.datasets.users import class_of, parts_of, split_by_user

#: Genres of the items, and latent dimensions that genres and tastes share.
GENRES, LATENT = 12, 4


class Tastes(Dataset):
    """Made-up users who rate made-up items: a recommender's cold start without any data. Source: own.

    An item has one to three genres, a decade and a popularity that all users agree on; its latent vector is the mean of
    its genres' with some of its own. A user has a taste, a vector too, and rates `rated` random items: popularity plus
    taste times item plus noise, of which the upper half is liked. So popularity tells much of what a new user likes,
    and what a few ratings tell of the taste tells more.

    A sample is an item, its tokens item, genres and decade. A user is a source of two ordered classes, disliked and
    liked; 70 % of the users are for training, 10 % for validation, 20 % for test. Items are the same in all parts.
    """

    modality = "interaction"
    licence = "Apache-2.0, made by benchbench"

    def __init__(
        self,
        *,
        users: Annotated[int, Field(ge=10, le=10_000)] = 400,
        items: Annotated[int, Field(ge=40, le=20_000)] = 300,
        rated: Annotated[int, Field(ge=40)] = 60,
        taste: Annotated[float, Field(ge=0)] = 1.0,
        popularity: Annotated[float, Field(ge=0)] = 0.6,
        noise: Annotated[float, Field(ge=0)] = 0.5,
    ):
        """`taste`, `popularity` and `noise` are the standard deviations of the three parts of a rating."""
        if rated > items:
            raise BenchbenchError(f"dataset tastes: rated {rated} of {items} items: expected no more than there are")
        self.users, self.items, self.rated = users, items, rated
        self.taste, self.popularity, self.noise = taste, popularity, noise

    def sources(self, root: Path | None) -> list[Path]:
        """Empty: everything is drawn."""
        return []

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """The ratings of one user after the other."""
        state = np.random.RandomState(0)
        genres = state.standard_normal((GENRES, LATENT))
        of_item = [np.sort(state.permutation(GENRES)[: state.randint(1, 4)]) for _ in range(self.items)]
        own = state.standard_normal((self.items, LATENT))
        z = np.stack([genres[held].mean(0) for held in of_item]) + 0.5 * own
        z /= np.sqrt((z**2).mean())
        liked_by_all = state.standard_normal(self.items)
        decades = 1950 + 10 * state.randint(0, 8, self.items)
        tokens = [[f"item:{i}", f"decade:{decades[i]}", *(f"genre:{g}" for g in of_item[i])] for i in range(self.items)]
        names = [f"user{u:05d}" for u in range(self.users)]
        parts = parts_of(names, state)
        for user in names:
            taste = state.standard_normal(LATENT) / np.sqrt(LATENT)
            shown = state.permutation(self.items)[: self.rated]
            ratings = self.taste * z[shown] @ taste + self.popularity * liked_by_all[shown]
            ratings += self.noise * state.standard_normal(len(shown))
            liked = np.argsort(np.argsort(ratings, kind="stable"), kind="stable") >= len(shown) // 2
            for item, likes in zip(shown, liked, strict=True):
                yield Sample(tokens[item], class_of(parts[user], user, liked=bool(likes)))

    def split(self, table: SampleTable) -> ClassSplit:
        """By user."""
        return split_by_user(table.class_names, "dataset tastes")
