"""C2SP tlog-witness: requests have one spelling, and a witness never cosigns two histories.

The refusals are those of "add-checkpoint", each in its place in the standard's order.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import TREE_SIZE_MAX, Checkpoint
from ledger.cosignature import Cosigner, Timestamped
from ledger.errors import (
    CheckpointConflict,
    CheckpointInconsistent,
    CheckpointUntrusted,
    KeyNotKept,
    LedgerError,
    NoteMalformed,
    NoteUnverified,
    OriginUnknown,
    RequestToWitnessMalformed,
    WitnessClockBehind,
    WitnessStateMismatch,
)
from ledger.keystore import Keystore
from ledger.merkle import EMPTY_ROOT, Hash
from ledger.note import NoteSignature, SignedNote, Signer
from ledger.seed_key import SeedKey
from ledger.vault import MEMORY_BYTES_MIN, Cost, Passphrase
from ledger.witness import KEY_NAMES, Witness, origin_hash
from ledger.witness_policy import WitnessPolicy
from ledger.witness_protocol import (
    CONSISTENCY_LENGTH_MAX,
    REQUEST_BYTES_MAX,
    AddCheckpoint,
    CosignedHead,
    cosignatures_of,
    judge,
)
from tests.watched import Watched

NAME = "witness.test/w1"
LOG = Watched()
FORK = Watched(forked_at=3)
LOGS = WitnessPolicy.parse(f"log {LOG.signer.verifier.vkey}\nquorum none\n".encode())


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 8, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def witness(tmp_path: Path, clock: Clock) -> AsyncIterator[Witness]:
    async with Witness.opened(tmp_path / "witness", NAME, LOGS, now=clock.now) as opened:
        yield opened


REQUEST = bytes(LOG.request(3, 7)).decode()


@given(
    st.integers(0, TREE_SIZE_MAX),
    st.lists(st.binary(min_size=32, max_size=32), max_size=CONSISTENCY_LENGTH_MAX),
    st.integers(0, TREE_SIZE_MAX),
)
def test_a_request_and_its_bytes_are_inverse(
    old_size: int, path: list[bytes], tree_size: int
) -> None:
    note = Checkpoint(LOG.signer.name, tree_size, EMPTY_ROOT).signed(LOG.signer)
    request = AddCheckpoint.of(old_size, [Hash(hash_) for hash_ in path], note)
    assert AddCheckpoint.parse(bytes(request)) == request


def test_the_published_request_is_read() -> None:
    # tlog-witness, "add-checkpoint".
    published = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""  # noqa: E501
    request = AddCheckpoint.parse(published.encode())
    assert (request.old_size, len(request.consistency_path)) == (20852014, 4)
    assert (request.checkpoint.origin, request.checkpoint.tree_size) == (
        "example.com/behind-the-sofa",
        20852163,
    )
    assert bytes(request).decode() == published


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="nothing"),
        pytest.param(REQUEST.removeprefix("old 3\n"), id="no old size"),
        pytest.param(REQUEST.replace("old 3", "old 03"), id="a leading zero"),
        pytest.param(REQUEST.replace("old 3", "old -1"), id="a negative size"),
        pytest.param(REQUEST.replace("old 3", "old  3"), id="two spaces"),
        pytest.param(REQUEST.replace("old 3", "Old 3"), id="a capital"),
        pytest.param(REQUEST.replace("old 3", "old ٣"), id="a digit of another script"),
        pytest.param(REQUEST.replace("old 3", f"old {TREE_SIZE_MAX + 1}"), id="too large a size"),
        pytest.param(REQUEST.replace("old 3\n", "old 3\nAAAA\n"), id="a hash of three bytes"),
        pytest.param(REQUEST.replace("old 3\n", "old 3\n!\n"), id="a hash that is no base64"),
        pytest.param(REQUEST.replace("\n\n", "\n", 1), id="no empty line"),
        pytest.param(REQUEST.replace("\n", "\r\n"), id="other line ends"),
        pytest.param(REQUEST[:-1], id="no line feed at the end"),
        pytest.param(REQUEST + "\n", id="a line feed too many"),
        pytest.param(REQUEST.replace("\n7\n", "\n07\n"), id="a checkpoint with a leading zero"),
        pytest.param(REQUEST.replace("\n7\n", "\nseven\n"), id="a checkpoint without a size"),
        pytest.param(REQUEST.replace("\u2014", "-"), id="a hyphen for the dash"),
    ],
)
def test_a_request_in_another_spelling_is_refused(body: str) -> None:
    with pytest.raises(RequestToWitnessMalformed):
        AddCheckpoint.parse(body.encode())


def test_a_request_has_a_longest_path_and_a_longest_form() -> None:
    most = [Hash(bytes(32))] * CONSISTENCY_LENGTH_MAX
    request = AddCheckpoint.of(3, most, LOG.note(7))
    assert AddCheckpoint.parse(bytes(request)) == request
    with pytest.raises(RequestToWitnessMalformed):
        AddCheckpoint.parse(bytes(AddCheckpoint.of(3, [*most, most[0]], LOG.note(7))))
    with pytest.raises(RequestToWitnessMalformed, match=str(REQUEST_BYTES_MAX)):
        AddCheckpoint.parse(bytes(request).ljust(REQUEST_BYTES_MAX + 1, b"\n"))


KEY = LOG.signer.verifier


@given(st.integers(0, 40), st.integers(0, 40))
def test_whatever_extends_the_last_head_may_be_cosigned(old_size: int, more: int) -> None:
    latest = CosignedHead(old_size, LOG.root(old_size))
    judge(LOG.request(old_size, old_size + more), [KEY], latest)


@given(st.integers(4, 20), st.integers(0, 20))
def test_no_fork_of_the_last_head_may_be_cosigned(old_size: int, more: int) -> None:
    latest = CosignedHead(old_size, LOG.root(old_size))
    with pytest.raises(CheckpointInconsistent):
        judge(FORK.request(old_size, old_size + more), [KEY], latest)


EMPTY_WRONG = AddCheckpoint.of(0, [], Checkpoint(KEY.name, 0, Hash(bytes(32))).signed(LOG.signer))
STRANGER = Signer(KEY.name, SeedKey(bytes(32)))
FORGED = SignedNote(
    LOG.note(7).text,
    (*LOG.note(7).signatures, NoteSignature(KEY.name, KEY.key_id, bytes(64))),
)


@pytest.mark.parametrize(
    ("request_", "stands_at", "refusal"),
    [
        pytest.param(
            AddCheckpoint.of(3, [], LOG.head(7).signed(STRANGER)),
            5,
            CheckpointUntrusted,
            id="403 no signature of a trusted key, before the conflict is told",
        ),
        pytest.param(
            AddCheckpoint.of(3, LOG.path(3, 7), FORGED),
            3,
            CheckpointUntrusted,
            id="403 a trusted key's line that fails beside one that verifies",
        ),
        pytest.param(
            AddCheckpoint.of(8, [], LOG.note(7)),
            3,
            RequestToWitnessMalformed,
            id="400 an old size above the checkpoint's, before the conflict",
        ),
        pytest.param(LOG.request(3, 7), 0, CheckpointConflict, id="409 an old size never cosigned"),
        pytest.param(LOG.request(0, 7), 3, CheckpointConflict, id="409 a first time that is none"),
        pytest.param(LOG.request(3, 7), 7, CheckpointConflict, id="409 cosigned meanwhile"),
        pytest.param(LOG.request(3, 5), 7, CheckpointConflict, id="409 a tree that shrinks"),
        pytest.param(EMPTY_WRONG, 0, CheckpointInconsistent, id="422 an empty tree with a root"),
        pytest.param(
            replace(LOG.request(0, 7), consistency_path=tuple(LOG.path(3, 7))),
            0,
            CheckpointInconsistent,
            id="422 a proof from the empty tree",
        ),
        pytest.param(
            replace(LOG.request(3, 7), consistency_path=()),
            3,
            CheckpointInconsistent,
            id="422 no proof",
        ),
        pytest.param(
            replace(LOG.request(3, 7), consistency_path=tuple(LOG.path(2, 7))),
            3,
            CheckpointInconsistent,
            id="422 the proof of another size",
        ),
        pytest.param(
            replace(LOG.request(3, 7), consistency_path=(*LOG.path(3, 7), LOG.leaf(0))),
            3,
            CheckpointInconsistent,
            id="422 a proof with a hash too many",
        ),
        pytest.param(
            FORK.request(5, 5), 5, CheckpointInconsistent, id="422 another root, one size"
        ),
        pytest.param(
            replace(LOG.request(5, 5), consistency_path=(LOG.leaf(0),)),
            5,
            CheckpointInconsistent,
            id="422 a proof where sizes are equal",
        ),
    ],
)
def test_a_request_is_refused_as_the_standard_says(
    request_: AddCheckpoint, stands_at: int, refusal: type[LedgerError]
) -> None:
    with pytest.raises(refusal) as refused:
        judge(request_, [KEY], CosignedHead(stands_at, LOG.root(stands_at)))
    if isinstance(refused.value, CheckpointConflict):
        assert refused.value.tree_size == stands_at


async def cosign(witness: Witness, old_size: int, tree_size: int) -> tuple[NoteSignature, ...]:
    return await witness.add_checkpoint(LOG.request(old_size, tree_size))


async def test_both_keys_cosign_and_monitors_see_the_same_lines(
    witness: Witness, clock: Clock
) -> None:
    lines = await cosign(witness, 0, 7)
    note = LOG.note(7)
    cosigned = SignedNote(note.text, (*note.signatures, *lines))
    assert cosigned.verified_by(witness.verifiers) == witness.verifiers
    assert {verifier.key.key_type for verifier in witness.verifiers} == set(KEY_NAMES)
    for line, verifier in zip(lines, witness.verifiers, strict=True):
        at_s = Timestamped.parse(line.signature, verifier.key.key_type).at_s
        assert at_s == int(clock.moment.timestamp())
    assert await witness.checkpoint(origin_hash(KEY.name)) == str(cosigned)


async def test_a_strangers_lines_are_not_handed_on(witness: Witness) -> None:
    note = LOG.note(7)
    stranger = STRANGER.sign(note.text).signatures
    doubled = SignedNote(note.text, (*stranger, *note.signatures, *note.signatures))
    lines = await witness.add_checkpoint(AddCheckpoint.of(0, [], doubled))
    kept = await witness.checkpoint(origin_hash(KEY.name))
    assert kept == str(SignedNote(note.text, (*note.signatures, *lines)))


async def test_the_same_head_is_cosigned_again_at_a_later_time(
    witness: Witness, clock: Clock
) -> None:
    await cosign(witness, 0, 7)
    clock.moment += timedelta(hours=1)
    lines = await cosign(witness, 7, 7)
    assert Timestamped.parse(lines[0].signature, witness.verifiers[0].key.key_type).at_s == int(
        clock.moment.timestamp()
    )


async def test_extension_lines_are_cosigned_with_the_head(witness: Witness) -> None:
    note = LOG.signer.sign(f"{LOG.head(7).text}an extension\n")
    lines = await witness.add_checkpoint(AddCheckpoint.of(0, [], note))
    assert SignedNote(note.text, lines).verified_by(witness.verifiers) == witness.verifiers


async def test_a_witness_survives_the_rotation_of_a_logs_key(tmp_path: Path, clock: Clock) -> None:
    """Its log lines name the new key beside the old before the log does, and alone afterwards."""
    old, new = LOG.signer, Signer(KEY.name, SeedKey(bytes(31) + b"n"))

    def request(old_size: int, tree_size: int, *signers: Signer) -> AddCheckpoint:
        text = LOG.head(tree_size).text
        lines = [signer.sign(text).signatures[0] for signer in signers]
        note = SignedNote(text, tuple(lines))
        return AddCheckpoint.of(old_size, LOG.path(old_size, tree_size), note)

    def opened(*signers: Signer) -> AbstractAsyncContextManager[Witness]:
        lines = "".join(f"log {signer.verifier.vkey}\n" for signer in signers)
        logs = WitnessPolicy.parse(f"{lines}quorum none\n".encode())
        return Witness.opened(tmp_path / "witness", NAME, logs, now=clock.now)

    async with opened(old) as before:
        await before.add_checkpoint(request(0, 5, old))
        # One that was not told follows up to the head that hands over, and no further.
        await before.add_checkpoint(request(5, 6, new, old))
        with pytest.raises(CheckpointUntrusted):
            await before.add_checkpoint(request(6, 7, new))
    async with opened(old, new) as between:
        await between.add_checkpoint(request(6, 7, new))
        await between.add_checkpoint(request(7, 8, new, old))
        kept = await between.checkpoint(origin_hash(KEY.name))
        assert SignedNote.parse(kept.encode()).verified_by([new.verifier, old.verifier])
    async with opened(new) as after:
        await after.add_checkpoint(request(8, 9, new))
        # Whoever stole the old key has no head cosigned any more.
        with pytest.raises(CheckpointUntrusted):
            await after.add_checkpoint(request(9, 10, old))
        await after.add_checkpoint(request(9, 10, new, old))


async def test_the_keys_of_a_witness_may_be_sealed(tmp_path: Path, clock: Clock) -> None:
    cost = Cost(passes=1, memory_bytes=MEMORY_BYTES_MIN)
    keys = Keystore(tmp_path / "keys", Passphrase(b"a passphrase of tests"), cost=cost)
    for sizes in ((0, 5), (5, 7)):
        async with Witness.opened(
            tmp_path / "witness", NAME, LOGS, now=clock.now, keys=keys
        ) as opened:
            await cosign(opened, *sizes)
    assert [file.sealed for file in keys.kept()] == [True, True]
    assert not list((tmp_path / "witness").rglob("*.key"))


async def test_an_unknown_log_is_refused_and_nothing_is_kept(witness: Witness) -> None:
    other = Watched(Signer("log.test/unwatched", SeedKey(bytes(32))))
    with pytest.raises(OriginUnknown):
        await witness.add_checkpoint(other.request(0, 7))
    for origin in (other.signer.name, KEY.name):
        with pytest.raises(OriginUnknown):
            await witness.checkpoint(origin_hash(origin))


async def test_what_is_refused_leaves_the_memory_as_it_was(witness: Witness) -> None:
    await cosign(witness, 0, 5)
    kept = await witness.checkpoint(origin_hash(KEY.name))
    for refused in (
        FORK.request(5, 5),
        FORK.request(5, 7),
        LOG.request(3, 7),
        AddCheckpoint.of(5, LOG.path(5, 7), LOG.head(7).signed(STRANGER)),
    ):
        with pytest.raises(LedgerError):
            await witness.add_checkpoint(refused)
    assert await witness.checkpoint(origin_hash(KEY.name)) == kept
    await cosign(witness, 5, 7)


async def test_a_clock_set_back_never_dates_a_larger_head_before_a_smaller(
    witness: Witness, clock: Clock
) -> None:
    await cosign(witness, 0, 5)
    clock.moment -= timedelta(seconds=1)
    with pytest.raises(WitnessClockBehind):
        await cosign(witness, 5, 7)
    clock.moment += timedelta(seconds=1)
    await cosign(witness, 5, 7)


async def test_of_two_feeders_with_one_old_size_one_is_told_the_conflict(witness: Witness) -> None:
    await cosign(witness, 0, 3)
    answers = await asyncio.gather(
        cosign(witness, 3, 7), cosign(witness, 3, 5), return_exceptions=True
    )
    conflicts = [answer for answer in answers if isinstance(answer, CheckpointConflict)]
    assert len(conflicts) == 1
    assert conflicts[0].tree_size in (5, 7)


async def test_two_processes_on_one_memory_never_cosign_two_histories(
    witness: Witness, tmp_path: Path, clock: Clock
) -> None:
    await cosign(witness, 0, 3)
    async with Witness.opened(tmp_path / "witness", NAME, LOGS, now=clock.now) as other:
        for size in range(4, 24):
            answers = await asyncio.gather(
                witness.add_checkpoint(LOG.request(size - 1, size)),
                other.add_checkpoint(LOG.request(size - 1, size)),
                return_exceptions=True,
            )
            refused = [answer for answer in answers if isinstance(answer, CheckpointConflict)]
            assert len(refused) == 1, answers
            assert refused[0].tree_size == size


async def test_of_two_forks_of_one_size_only_the_first_is_ever_cosigned(witness: Witness) -> None:
    await cosign(witness, 0, 3)
    fork = Watched(forked_at=5)
    answers = await asyncio.gather(
        witness.add_checkpoint(LOG.request(3, 7)),
        witness.add_checkpoint(fork.request(3, 7)),
        return_exceptions=True,
    )
    cosigned = [answer for answer in answers if isinstance(answer, tuple)]
    assert len(cosigned) == 1
    loser = fork if isinstance(answers[1], CheckpointConflict) else LOG
    with pytest.raises(CheckpointInconsistent):
        await witness.add_checkpoint(loser.request(7, 7))


async def reopened(folder: Path, clock: Clock, name: str = NAME) -> tuple[Witness, int]:
    """A restart: the same folder, a new process's view of it, and where it stands."""
    async with Witness.opened(folder, name, LOGS, now=clock.now) as witness:
        try:
            await witness.add_checkpoint(AddCheckpoint.of(1, [], LOG.note(1)))
        except CheckpointConflict as conflict:
            return witness, conflict.tree_size
        return witness, 1


async def test_a_restart_changes_neither_keys_nor_memory(tmp_path: Path, clock: Clock) -> None:
    async with Witness.opened(tmp_path, NAME, LOGS, now=clock.now) as first:
        await cosign(first, 0, 7)
    second, stands_at = await reopened(tmp_path, clock)
    assert stands_at == 7
    assert second.verifiers == first.verifiers


async def test_keys_without_their_memory_are_refused(tmp_path: Path, clock: Clock) -> None:
    async with Witness.opened(tmp_path, NAME, LOGS, now=clock.now) as first:
        await cosign(first, 0, 7)
    (tmp_path / "witness.sqlite").unlink()
    for _ in range(2):
        with pytest.raises(WitnessStateMismatch):
            await reopened(tmp_path, clock)


async def test_a_memory_without_its_keys_is_refused(tmp_path: Path, clock: Clock) -> None:
    async with Witness.opened(tmp_path, NAME, LOGS, now=clock.now) as first:
        await cosign(first, 0, 7)
    (tmp_path / "keys" / "witness-ml-dsa-44.key").unlink()
    with pytest.raises(KeyNotKept):
        await reopened(tmp_path, clock)


async def test_a_first_start_that_broke_off_between_memory_and_keys_is_taken_up(
    tmp_path: Path, clock: Clock
) -> None:
    async with Witness.opened(tmp_path, NAME, LOGS, now=clock.now) as first:
        ed25519 = first.verifiers[0]
    (tmp_path / "keys" / "witness-ml-dsa-44.key").unlink()
    second, stands_at = await reopened(tmp_path, clock)
    assert second.verifiers[0] == ed25519
    assert stands_at == 0


async def test_a_memory_belongs_to_one_name(tmp_path: Path, clock: Clock) -> None:
    await reopened(tmp_path, clock)
    with pytest.raises(WitnessStateMismatch):
        await reopened(tmp_path, clock, name="witness.test/w2")


@pytest.mark.parametrize("name", ["a b", "a+b", "", "w" * 256])
async def test_a_name_that_no_key_can_have_is_refused_before_anything_is_made(
    tmp_path: Path, clock: Clock, name: str
) -> None:
    with pytest.raises(NoteMalformed):
        await reopened(tmp_path / "witness", clock, name=name)
    assert not (tmp_path / "witness").exists()


COSIGNER = Cosigner(NAME, SeedKey(bytes(32)))


def test_a_log_takes_the_lines_of_keys_it_trusts() -> None:
    note = LOG.note(7)
    line = COSIGNER.cosign(note.text, at_s=1)
    other = Cosigner("w2", SeedKey(bytes(31) + b"\1")).cosign(note.text, at_s=1)
    answer = f"{other}{line}".encode()
    assert cosignatures_of(answer, note, [COSIGNER.verifier]) == (line,)


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        pytest.param(b"", NoteMalformed, id="nothing"),
        pytest.param(b"7\n", NoteMalformed, id="a size"),
        pytest.param(str(STRANGER.sign("x\n").signatures[0]).encode(), NoteUnverified, id="others"),
        pytest.param(
            str(COSIGNER.cosign(LOG.note(5).text, at_s=1)).encode(),
            NoteUnverified,
            id="a cosignature of another head",
        ),
        pytest.param(
            str(COSIGNER.cosign(LOG.note(7).text, at_s=1)).encode()[:-1], NoteMalformed, id="cut"
        ),
    ],
)
def test_a_log_takes_nothing_else(answer: bytes, refusal: type[LedgerError]) -> None:
    with pytest.raises(refusal):
        cosignatures_of(answer, LOG.note(7), [COSIGNER.verifier])


def test_a_log_takes_no_answer_with_a_text_of_its_own() -> None:
    note = LOG.note(7)
    line = COSIGNER.cosign(f"{note.text}\nmore\n".replace("\n\n", "\n"), at_s=1)
    with pytest.raises(NoteMalformed):
        cosignatures_of(f"more\n\n{line}".encode(), note, [COSIGNER.verifier])
