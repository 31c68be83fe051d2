"""Which keys sign which heads: C2SP tlog-checkpoint "Signatures", and the log-key entry."""

import pytest

from ledger.authority import Authorities
from ledger.canonical import Json
from ledger.checkpoint import Checkpoint
from ledger.control import (
    NAME_MAX,
    VERIFIER_KEY_MAX,
    Control,
    ControlContent,
    LogKey,
    issue_control,
)
from ledger.cosignature import Cosigner
from ledger.custody import Algorithm
from ledger.errors import (
    ControlForbidden,
    ControlInvalid,
    LedgerEmpty,
    LogKeyMismatch,
    LogKeyReplaced,
    NoteUnverified,
)
from ledger.log_keys import KnownLogKeys, LogKeys, LogSigners
from ledger.merkle import Hash
from ledger.note import NoteVerifier, SignedNote, Signer
from ledger.seed_key import SeedKey
from tests.world import ORIGIN, genesis, key_of, seed_of

AT_S = 1_772_000_000


def ed25519(name: str) -> Signer:
    return Signer(ORIGIN, key_of(name))


def ml_dsa_44(name: str) -> Cosigner:
    return Cosigner(ORIGIN, SeedKey(seed_of(name), Algorithm.ML_DSA_44))


def log_key(first: str, second: str | None = None) -> LogKey:
    """By the names of the keys."""
    return LogKey(ed25519(first).verifier, None if second is None else ml_dsa_44(second).verifier)


def signers(*names: str) -> LogSigners:
    return LogSigners(
        lambda: [
            SeedKey(
                seed_of(name), Algorithm.ML_DSA_44 if name.startswith("pq") else Algorithm.ED25519
            )
            for name in names
        ],
        ORIGIN,
    )


ROTATED = (
    LogKeys()
    .after(genesis(), 0)
    .after(log_key("log-2"), 10)
    .after(log_key("log-2", "pq"), 20)
    .after(log_key("log-3", "pq-2"), 21)
)
ALL = ("log", "log-2", "log-3", "pq", "pq-2")


def head(tree_size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, tree_size, Hash(bytes(32)))


def lines_of(note: SignedNote) -> list[str]:
    """Who signed, by the names of the keys."""
    known: dict[bytes, str] = {ed25519(name).verifier.key_id: name for name in ALL[:3]}
    known.update({ml_dsa_44(name).verifier.key_id: name for name in ALL[3:]})
    return [known[line.key_id] for line in note.signatures]


def signed_by(tree_size: int, *names: str) -> SignedNote:
    text = head(tree_size).text
    lines = [
        ml_dsa_44(name).cosign(text, at_s=AT_S)
        if name.startswith("pq")
        else ed25519(name).sign(text).signatures[0]
        for name in names
    ]
    return SignedNote(text, tuple(lines))


@pytest.mark.parametrize(
    ("previous_size", "tree_size", "lines"),
    [
        pytest.param(0, 1, ["log"], id="the first head"),
        pytest.param(9, 10, ["log"], id="the last head before the entry"),
        pytest.param(10, 11, ["log-2", "log"], id="the first that contains it hands over"),
        pytest.param(3, 15, ["log-2", "log"], id="so it does when it contains more"),
        pytest.param(11, 12, ["log-2"], id="every later one has the new key's line alone"),
        pytest.param(20, 21, ["log-2", "pq"], id="a key that stays signs once"),
        pytest.param(21, 22, ["log-3", "pq-2", "log-2", "pq"], id="both are replaced"),
        pytest.param(20, 22, ["log-3", "pq-2", "log-2"], id="two entries of one batch"),
        pytest.param(5, 30, ["log-3", "pq-2", "log"], id="three entries of one batch"),
        pytest.param(22, 99, ["log-3", "pq-2"], id="the newest keys sign on"),
    ],
)
def test_a_head_is_signed_by_the_keys_of_its_size_and_once_by_those_it_replaces(
    previous_size: int, tree_size: int, lines: list[str]
) -> None:
    note = signers(*ALL).signed(head(tree_size), ROTATED, previous_size=previous_size, at_s=AT_S)
    assert lines_of(note) == lines
    ROTATED.check_head(note, tree_size, previous_size=previous_size)
    ROTATED.check_head(note, tree_size)
    assert SignedNote.parse(str(note).encode()) == note


@pytest.mark.parametrize(
    ("tree_size", "previous_size", "names", "kind"),
    [
        pytest.param(12, 11, ["log"], LogKeyReplaced, id="by the old key beyond the entry"),
        pytest.param(12, None, ["log"], LogKeyReplaced, id="by it, whatever came before"),
        pytest.param(12, 11, ["log-2", "log"], LogKeyReplaced, id="by both, once too often"),
        pytest.param(10, 9, ["log-2"], LogKeyReplaced, id="by the new key before its entry"),
        pytest.param(10, 9, ["log", "log-2"], LogKeyReplaced, id="by it too, before its entry"),
        pytest.param(11, 10, ["log"], LogKeyReplaced, id="handed over by the old key alone"),
        pytest.param(21, 20, ["log-2"], NoteUnverified, id="without the post-quantum line"),
        pytest.param(21, 20, ["pq"], NoteUnverified, id="by the post-quantum key alone"),
        pytest.param(5, 4, ["log-3"], LogKeyReplaced, id="by a key of a later entry"),
    ],
)
def test_a_head_of_other_keys_is_refused(
    tree_size: int, previous_size: int | None, names: list[str], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        ROTATED.check_head(signed_by(tree_size, *names), tree_size, previous_size=previous_size)


def test_a_head_that_hands_over_without_a_lost_key_is_good() -> None:
    note = signers("log-2").signed(head(11), ROTATED, previous_size=10, at_s=AT_S)
    assert lines_of(note) == ["log-2"]
    ROTATED.check_head(note, 11, previous_size=10)


def test_who_saw_no_earlier_head_passes_over_the_lines_of_replaced_keys() -> None:
    ROTATED.check_head(signed_by(12, "log-2", "log"), 12)


def test_a_stranger_signs_no_head() -> None:
    stranger = Signer(ORIGIN, key_of("stranger")).sign(head(5).text)
    with pytest.raises(NoteUnverified):
        ROTATED.check_head(stranger, 5)


def test_a_line_of_a_known_key_that_does_not_fit_spoils_the_head() -> None:
    good, other = signed_by(12, "log-2"), signed_by(13, "log")
    with pytest.raises(NoteUnverified):
        ROTATED.check_head(SignedNote(good.text, (*good.signatures, *other.signatures)), 12)


@pytest.mark.parametrize("names", [(), ("log",), ("log-3",), ("log", "log-2", "pq")])
def test_a_key_that_is_not_kept_signs_nothing(names: tuple[str, ...]) -> None:
    with pytest.raises(LogKeyMismatch):
        signers(*names).signed(head(22), ROTATED, previous_size=21, at_s=AT_S)


def test_a_private_key_of_the_other_algorithm_is_not_taken_for_it() -> None:
    # The seed of an Ed25519 key makes an ML-DSA-44 key as well: they have nothing in common.
    own = LogSigners(lambda: [SeedKey(seed_of("log"), Algorithm.ML_DSA_44)], ORIGIN)
    with pytest.raises(LogKeyMismatch):
        own.find(ROTATED.at(1))


def test_a_home_knows_keys_that_its_entries_do_not_name_yet() -> None:
    older = LogKeys(ROTATED.records[:2])
    new = ed25519("log-3").verifier
    KnownLogKeys(older, (new,)).check(signed_by(30, "log-3"), 30)
    KnownLogKeys(LogKeys(), (new,)).check(signed_by(30, "log-3"), 30)
    for known in (KnownLogKeys(older), KnownLogKeys(LogKeys())):
        with pytest.raises(NoteUnverified):
            known.check(signed_by(30, "log-3"), 30)


@pytest.mark.parametrize(
    ("tree_size", "names"),
    [
        pytest.param(10, ["log"], id="before its end"),
        pytest.param(11, ["log-2", "log"], id="as it hands over"),
        pytest.param(0, ["log"], id="of no entries"),
    ],
)
def test_a_key_that_was_replaced_counts_for_heads_of_its_time(
    tree_size: int, names: list[str]
) -> None:
    others = tuple(ed25519(name).verifier for name in ("log", "log-2", "log-3"))
    KnownLogKeys(ROTATED, others).check(signed_by(tree_size, *names), tree_size)


def test_a_key_that_was_replaced_counts_for_no_later_head_though_it_is_kept() -> None:
    others = tuple(ed25519(name).verifier for name in ("log", "log-2", "log-3"))
    for tree_size in (11, 30):
        with pytest.raises(NoteUnverified):
            KnownLogKeys(ROTATED, others).check(signed_by(tree_size, "log"), tree_size)


# The entry


def control(content: ControlContent, key: str = "root") -> Control:
    return issue_control(content, key=key_of(key), jti="k-1", issued_at=1)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(log_key("log-2"), id="Ed25519 alone"),
        pytest.param(log_key("log-2", "pq"), id="with ML-DSA-44 beside it"),
    ],
)
def test_parsing_and_issuing_are_inverse(content: LogKey) -> None:
    again = Control.parse(control(content).token)
    assert again.content == content
    assert again.subject == control(genesis()).subject


LONGEST = "o" * NAME_MAX


def contents() -> list[tuple[str, dict[str, Json]]]:
    """Contents that no log-key entry has, each with why."""
    good = log_key("log-2", "pq").content()
    cosigner = Cosigner(ORIGIN, key_of("log-2")).verifier.vkey
    another = Cosigner("other.test/log", SeedKey(seed_of("pq"), Algorithm.ML_DSA_44)).verifier.vkey
    return [
        ("a member missing", {"log_key": good["log_key"]}),
        ("a member too many", {**good, "other": None}),
        ("no key", {**good, "log_key": None}),
        ("no text", {**good, "ml_dsa_44_key": 1}),
        ("the post-quantum key in the other's place", {**good, "log_key": good["ml_dsa_44_key"]}),
        ("the other in the post-quantum key's place", {**good, "ml_dsa_44_key": good["log_key"]}),
        ("a witness's key", {**good, "ml_dsa_44_key": cosigner}),
        ("another name beside it", {**good, "ml_dsa_44_key": another}),
        ("more characters than a key has", {**good, "ml_dsa_44_key": "x" * (VERIFIER_KEY_MAX + 1)}),
    ]


@pytest.mark.parametrize("content", [pytest.param(content, id=why) for why, content in contents()])
def test_a_content_outside_its_form_is_refused(content: dict[str, Json]) -> None:
    with pytest.raises(ControlInvalid):
        LogKey.parse(content)


def test_the_longest_key_fits() -> None:
    second = Cosigner(LONGEST, SeedKey(bytes(32), Algorithm.ML_DSA_44)).verifier
    assert len(second.vkey) <= VERIFIER_KEY_MAX
    first = Signer("o" * 140, key_of("log")).verifier
    assert LogKey.parse({"log_key": first.vkey, "ml_dsa_44_key": None}).ed25519 == first


FOUNDED = Authorities().after(control(genesis()), 0)


def after(*contents: LogKey) -> Authorities:
    """The log's keys after some entries, each let pass."""
    authorities = FOUNDED
    for leaf_index, content in enumerate(contents, start=1):
        body = control(content)
        authorities.check(body)
        authorities = authorities.after(body, leaf_index)
    return authorities


def test_keys_follow_upon_each_other() -> None:
    authorities = after(
        log_key("log-2"), log_key("log-2", "pq"), log_key("log-2"), log_key("log-3")
    )
    ids = [record.key.ed25519.key_id for record in authorities.log_keys.records]
    assert ids == [
        ed25519(name).verifier.key_id for name in ("log", "log-2", "log-2", "log-2", "log-3")
    ]
    verifiers: list[NoteVerifier] = [*authorities.log_keys.verifiers]
    assert len(verifiers) == 4


@pytest.mark.parametrize(
    ("before", "content"),
    [
        pytest.param([], log_key("log"), id="the key that signs already"),
        pytest.param([log_key("log-2")], log_key("log-2"), id="the key that signs since"),
        pytest.param([log_key("log-2")], log_key("log"), id="a key that was replaced"),
        pytest.param(
            [log_key("log", "pq"), log_key("log")], log_key("log", "pq"), id="one that was dropped"
        ),
        pytest.param(
            [log_key("log", "pq"), log_key("log", "pq-2")],
            log_key("log-2", "pq"),
            id="a post-quantum one that was replaced",
        ),
        pytest.param(
            [],
            LogKey(Signer("other.test/log", key_of("log-2")).verifier, None),
            id="a key of another name",
        ),
        pytest.param([], log_key("map"), id="the key of the map log"),
    ],
)
def test_a_key_of_the_log_begins_once(before: list[LogKey], content: LogKey) -> None:
    with pytest.raises(ControlInvalid):
        after(*before).check(control(content))


def test_the_root_key_alone_names_the_keys_of_the_log() -> None:
    for key in ("log", "log-2", "market"):
        with pytest.raises(ControlForbidden):
            FOUNDED.check(control(log_key("log-2"), key))
    with pytest.raises(LedgerEmpty):
        Authorities().check(control(log_key("log-2")))
