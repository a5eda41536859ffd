from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from benchbench import BenchbenchError, ClassSplit, DataMissing, Dataset, Sample, SampleTable
from benchbench_standard.datasets.movielens_files import LAYOUTS, Rating, items, ratings, users
from benchbench_standard.datasets.users import PARTS, class_of, parts_of, split_by_user

#: A user likes what the user gave so many stars, or more.
LIKED_FROM = 4


class MovieLens(Dataset):
    """MovieLens (Harper & Konstan 2015), the set of a hundred thousand ratings or the one of a million, as GroupLens
    publishes them: `version`, "100k" or "1m", in ``ml-100k`` or ``ml-1m`` below ``BENCHBENCH_DATA``.

    A sample is an item that a user rated, its tokens item, year and genres; with `user_fields` also the user's group of
    age, gender and occupation, as MeLU has them (Lee et al. 2019, arXiv 1908.00413). A user is a source of two ordered
    classes: disliked, and liked, from 4 stars on. Users with fewer than `least` of either are left out; of the others
    70 % are for training, 10 % for validation, 20 % for test. An episode draws ratings of a user at random, whatever
    their dates.

    Items are the same in all parts, unless `cold_items` is above 0: that share of them is rated by test users alone,
    and these rate nothing else, so that no encoder knows the items that it ranks, only their years and genres.
    """

    modality = "interaction"
    licence = "GroupLens's own: research, with acknowledgement; no redistribution, no commercial use"
    citation = "Harper & Konstan 2015, The MovieLens Datasets: History and Context, doi 10.1145/2827872"
    homepage = "https://grouplens.org/datasets/movielens/"
    expects = "ml-100k/{u.data,u.item,u.user}, or ml-1m/{ratings.dat,movies.dat,users.dat}"

    def __init__(
        self,
        *,
        version: Literal["100k", "1m"] = "100k",
        user_fields: bool = False,
        least: Annotated[int, Field(ge=1)] = 15,
        cold_items: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    ):
        self.version, self.user_fields = version, user_fields
        self.least, self.cold_items = least, cold_items

    def sources(self, root: Path | None) -> list[Path]:
        """Its three files."""
        folder, files = LAYOUTS[self.version]
        if root is None:
            raise DataMissing(f"dataset movielens: set BENCHBENCH_DATA to a folder that holds {folder}")
        found = [root / folder / name for name, _, _ in files]
        if lacking := [path.name for path in found if not path.is_file()]:
            raise DataMissing(
                f"dataset movielens: no {', '.join(lacking)} in {root / folder}: unpack {folder}.zip of GroupLens there"
            )
        return found

    def samples(self, root: Path | None) -> Iterator[Sample]:
        """The ratings of one user after the other. Raises BenchbenchError if a rating names an unknown item or user, or
        too few users are left for every part."""
        paths = self.sources(root)
        forms = [(between, columns) for _, between, columns in LAYOUTS[self.version][1]]
        known, people = items(paths[1], *forms[1]), users(paths[2], *forms[2])
        by_user: dict[str, list[Rating]] = defaultdict(list)
        for rating in ratings(paths[0], *forms[0]):
            for what, there, file in ((rating.item, known, paths[1]), (rating.user, people, paths[2])):
                if what not in there:
                    raise BenchbenchError(f"{paths[0]}: rates {what!r}, which {file.name} lacks")
            by_user[rating.user].append(rating)
        state = np.random.RandomState(0)
        names = sorted(known)
        cold = {names[i] for i in state.permutation(len(names))[: round(self.cold_items * len(names))]}
        able = sorted((user for user, given in by_user.items() if self._enough(given)), key=lambda u: (len(u), u))
        parts = parts_of(able, state)
        # Without cold items every part has them all.
        kept = {
            user: [r for r in by_user[user] if not cold or (r.item in cold) == (parts[user] == "test")] for user in able
        }
        kept = {user: held for user, held in kept.items() if self._enough(held)}
        if lacking := [part for part in PARTS if part not in {parts[user] for user in kept}]:
            raise BenchbenchError(
                f"dataset movielens: no user of part {lacking[0]!r} has {self.least} liked and {self.least} disliked "
                "items: set 'least' lower, or 'cold_items' nearer to a half, or to 0"
            )
        for user, held in kept.items():
            about = people[user] if self.user_fields else []
            for r in held:
                yield Sample(known[r.item] + about, class_of(parts[user], f"user{user}", liked=r.stars >= LIKED_FROM))

    def _enough(self, held: list[Rating]) -> bool:
        liked = sum(r.stars >= LIKED_FROM for r in held)
        return min(liked, len(held) - liked) >= self.least

    def split(self, table: SampleTable) -> ClassSplit:
        """By user."""
        return split_by_user(table.class_names, "dataset movielens")
