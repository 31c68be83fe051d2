"""Whether a writer may sign on: each case of the table in `ledger.resumption`, invariant 2."""

import base64

import pytest

from ledger.errors import HeadUnwitnessed, LedgerError, LogBehind, LogForked
from ledger.merkle import Hash
from ledger.resumption import Sighting, check_head
from tests.watched import Watched

LOG = Watched()
FORK = Watched(forked_at=6)


def seen(
    size: int, own: int, log: Watched = LOG, *, proof: bool = True, vouches: bool = True
) -> Sighting:
    """That log's head at `size`, with the path between both sizes out of that log."""
    path = tuple(log.path(min(size, own), max(size, own))) if proof else None
    return Sighting("somebody", log.head(size), path, vouches=vouches)


OWN = 9

WRONG = (Hash(bytes(32)),) * 3


@pytest.mark.parametrize(
    ("own", "sightings"),
    [
        pytest.param(0, [], id="an empty log that nobody has seen is founded"),
        pytest.param(0, [seen(0, 0)], id="an empty log that was remembered as empty"),
        pytest.param(OWN, [seen(OWN, OWN)], id="the same head"),
        pytest.param(OWN, [seen(5, OWN)], id="a smaller head that ours extends"),
        pytest.param(8, [seen(4, 8)], id="a smaller head that is a subtree of ours"),
        pytest.param(OWN, [seen(0, OWN)], id="the empty tree"),
        pytest.param(
            OWN,
            [seen(OWN, OWN, vouches=False), seen(3, OWN)],
            id="one who vouches beside one who may not",
        ),
    ],
)
def test_a_writer_signs_on_from(own: int, sightings: list[Sighting]) -> None:
    check_head(LOG.head(own), sightings)


@pytest.mark.parametrize(
    ("own", "sightings", "refusal"),
    [
        pytest.param(OWN, [], HeadUnwitnessed, id="nobody has seen anything"),
        pytest.param(
            OWN, [seen(OWN, OWN, vouches=False)], HeadUnwitnessed, id="nobody who may vouch"
        ),
        pytest.param(0, [seen(3, 0)], LogBehind, id="an empty database of a log that is not"),
        pytest.param(OWN, [seen(12, OWN)], LogBehind, id="a larger head that extends ours"),
        pytest.param(OWN, [seen(12, OWN, proof=False)], LogBehind, id="a larger head, no proof"),
        pytest.param(
            OWN, [seen(12, OWN, vouches=False)], LogBehind, id="a larger head, whoever shows it"
        ),
        pytest.param(OWN, [seen(OWN, OWN, FORK)], LogForked, id="another root for our size"),
        pytest.param(OWN, [seen(12, OWN, FORK)], LogForked, id="a larger head of another history"),
        pytest.param(
            OWN,
            [Sighting("somebody", FORK.head(8), tuple(LOG.path(8, OWN)))],
            LogForked,
            id="a smaller head of another history",
        ),
        pytest.param(
            OWN, [Sighting("somebody", LOG.head(5), WRONG)], LogForked, id="a path to nowhere"
        ),
        pytest.param(
            OWN,
            [seen(OWN, OWN), seen(12, OWN), seen(OWN, OWN, FORK)],
            LogForked,
            id="a fork is said before all else",
        ),
        pytest.param(
            OWN, [seen(OWN, OWN), seen(12, OWN)], LogBehind, id="one who has seen more is enough"
        ),
    ],
)
def test_a_writer_does_not_sign_on_from(
    own: int, sightings: list[Sighting], refusal: type[LedgerError]
) -> None:
    with pytest.raises(refusal):
        check_head(LOG.head(own), sightings)


def test_a_history_that_parts_beyond_our_size_is_ahead_and_no_fork() -> None:
    later = Watched(forked_at=10)
    with pytest.raises(LogBehind):
        check_head(LOG.head(OWN), [seen(12, OWN, later)])


def test_a_refusal_names_both_sizes_and_what_to_run() -> None:
    sightings = [seen(5, OWN), Sighting("the witness w1", LOG.head(12))]
    with pytest.raises(LogBehind) as behind:
        check_head(LOG.head(OWN), sightings)
    assert behind.value.message == (
        "the database ends at size 9, and the witness w1 has seen size 12; "
        "nothing is signed before it has caught up: xin log recover --from URL"
    )
    root = base64.b64encode(LOG.root(OWN)).decode()
    with pytest.raises(HeadUnwitnessed) as unseen:
        check_head(LOG.head(OWN), [], silent=["the file f is missing", "w1: away"])
    assert unseen.value.message == (
        "nobody who could be asked has seen a head of this log; the file f is missing; w1: away. "
        "If no newer copy of it exists, say so: "
        f"xin log recover --accept-head 9:{root}"
    )
    with pytest.raises(LogForked) as forked:
        check_head(LOG.head(OWN), [seen(OWN, OWN, FORK)], whose="the source")
    other = base64.b64encode(FORK.root(OWN)).decode()
    assert forked.value.message == (
        f"the source has size 9 with root {root}, and somebody has size 9 with root {other}, "
        "which is another history under the same key; nothing is signed any more"
    )
