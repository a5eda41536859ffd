"""What datasets of users and the items that they like share: who is in which part, and the split."""

from collections.abc import Iterable, Sequence

import numpy as np

from benchbench import BenchbenchError, ClassSplit

#: Of the two classes of each user, in their order: their names are in that order too.
DISLIKED, LIKED = "disliked", "liked"
PARTS = ("train", "valid", "test")
#: Shares of the users for validation and for test.
VALID_SHARE, TEST_SHARE = 0.1, 0.2


def parts_of(users: Sequence[str], state: np.random.RandomState) -> dict[str, str]:
    """The part of each user, drawn at random: a tenth for validation, a fifth for test."""
    order = [users[i] for i in state.permutation(len(users))]
    valid, test = (round(share * len(order)) for share in (VALID_SHARE, TEST_SHARE))
    bounds = {"valid": order[:valid], "test": order[valid : valid + test], "train": order[valid + test :]}
    return {user: part for part, held in bounds.items() for user in held}


def class_of(part: str, user: str, *, liked: bool) -> str:
    """The class of what a user likes, or of what not: ``part/user/liked``."""
    return f"{part}/{user}/{LIKED if liked else DISLIKED}"


def split_by_user(class_names: Iterable[str], where: str) -> ClassSplit:
    """Each user as a source of its own, of two ordered classes: disliked, then liked. Raises BenchbenchError, which
    begins with `where`, for a user without one of them."""
    users: dict[tuple[str, str], dict[str, int]] = {}
    for i, name in enumerate(class_names):
        part, user, taste = name.split("/")
        users.setdefault((part, user), {})[taste] = i
    sources = []
    for (part, user), classes in sorted(users.items(), key=lambda held: (PARTS.index(held[0][0]), held[0][1])):
        if set(classes) != {DISLIKED, LIKED}:
            raise BenchbenchError(f"{where}: user {user} has nothing {min({DISLIKED, LIKED} - set(classes))}")
        sources.append(ClassSplit(**{part: (classes[DISLIKED], classes[LIKED])}, ordered=True))
    return ClassSplit.joined(sources)
