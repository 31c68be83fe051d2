"""C2SP tlog-policy: the file of its text, every rule of its grammar, and what is a quorum."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.checkpoint import Checkpoint
from ledger.cosignature import Cosigner
from ledger.custody import Algorithm
from ledger.errors import NoteUnverified, QuorumMissing, WitnessPolicyInvalid
from ledger.merkle import Hash
from ledger.note import KeyType, NoteSignature, SignedNote, Signer, VerifierKey
from ledger.seed_key import SeedKey
from ledger.witness_policy import (
    GROUPS_MAX,
    LOGS_MAX,
    POLICY_BYTES_MAX,
    WITNESSES_MAX,
    WitnessPolicy,
)

LOG = Signer("ledger.test/xinyuan", SeedKey(bytes(range(32))))
HEAD = Checkpoint(LOG.name, 5, Hash(bytes(32)))


def cosigner(number: int, key_type: KeyType = KeyType.ED25519_COSIGNATURE) -> Cosigner:
    return Cosigner(
        f"witness.test/{number}", SeedKey(number.to_bytes(32, "big"), key_type.algorithm)
    )


X = [cosigner(1), cosigner(2), cosigner(3, KeyType.ML_DSA_44_COSIGNATURE)]
Y = [cosigner(4), cosigner(5), cosigner(6, KeyType.ML_DSA_44_COSIGNATURE)]
KEYS = [one.verifier.vkey for one in (*X, *Y)]

# The example of tlog-policy, "Example policy", with keys.
EXAMPLE = f"""log {LOG.verifier.vkey}

witness X1 {KEYS[0]}
witness X2 {KEYS[1]}
witness X3 {KEYS[2]}
group X-witnesses 2 X1 X2 X3

witness Y1 {KEYS[3]}
witness Y2 {KEYS[4]}
witness Y3 {KEYS[5]}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def cosigned(*by: Cosigner, head: Checkpoint = HEAD) -> SignedNote:
    note = head.signed(LOG)
    return SignedNote(note.text, (*note.signatures, *(one.cosign(note.text, at_s=1) for one in by)))


def test_the_published_example_asks_for_two_of_x_and_one_of_y() -> None:
    policy = WitnessPolicy.parse(EXAMPLE.encode())
    assert [one.verifier for one in policy.logs] == [LOG.verifier]
    assert [group.threshold for group in policy.groups] == [2, 1, 2]
    for count in range(7):
        for some in itertools.combinations([*X, *Y], count):
            enough = sum(one in X for one in some) >= 2 and any(one in Y for one in some)
            if enough:
                assert policy.open(cosigned(*some)) == HEAD
            else:
                with pytest.raises(QuorumMissing):
                    policy.open(cosigned(*some))


def test_spaces_tabs_empty_lines_and_comments_mean_nothing() -> None:
    spaced = EXAMPLE.replace(" ", " \t ").replace("\n", "  \n\t# quorum Y1\n \n\t")[:-1]
    assert WitnessPolicy.parse(spaced.encode()) == WitnessPolicy.parse(EXAMPLE.encode())


def test_a_url_is_kept_as_it_stands() -> None:
    text = EXAMPLE.replace(KEYS[0], f"{KEYS[0]} https://witness.test/1/")
    policy = WitnessPolicy.parse(text.replace(LOG.verifier.vkey, f"{LOG.verifier.vkey} x").encode())
    assert [one.url for one in policy.witnesses] == ["https://witness.test/1/", *[None] * 5]
    assert policy.logs[0].url == "x"


def test_names_are_octets() -> None:
    text = f"witness K {KEYS[0]}\nwitness \u212a {KEYS[1]}\nwitness ? {KEYS[3]}\nquorum ?\n"
    raw = text.encode().replace(b"?", b"\xff\xfe")
    policy = WitnessPolicy.parse(raw)
    assert len({one.name for one in policy.witnesses}) == 3
    assert policy.open(cosigned(Y[0]), log=LOG.verifier) == HEAD


def test_without_cosignatures_none_is_the_quorum() -> None:
    policy = WitnessPolicy.parse(f"log {LOG.verifier.vkey}\nquorum none\n".encode())
    assert policy.open(HEAD.signed(LOG)) == HEAD


def test_a_witness_alone_can_be_the_quorum() -> None:
    policy = WitnessPolicy.parse(
        f"log {LOG.verifier.vkey}\nwitness w {KEYS[0]}\nquorum w\n".encode()
    )
    assert policy.open(cosigned(X[0])) == HEAD
    with pytest.raises(QuorumMissing):
        policy.open(cosigned(X[1]))


def test_a_witness_twice_in_a_note_counts_once() -> None:
    text = f"log {LOG.verifier.vkey}\nwitness a {KEYS[0]}\nwitness b {KEYS[1]}\ngroup g all a b\n"
    policy = WitnessPolicy.parse(f"{text}quorum g\n".encode())
    with pytest.raises(QuorumMissing):
        policy.open(cosigned(X[0], X[0]))


def test_a_cosignature_that_fails_spoils_the_note() -> None:
    policy = WitnessPolicy.parse(EXAMPLE.encode())
    whole = cosigned(*X, *Y)
    key = X[0].verifier
    forged = NoteSignature(key.name, key.key_id, whole.signatures[1].signature[:-1] + b"\0")
    with pytest.raises(NoteUnverified):
        policy.open(SignedNote(whole.text, (*whole.signatures, forged)))


def test_a_log_is_believed_about_its_own_origin_only() -> None:
    policy = WitnessPolicy.parse(f"log {LOG.verifier.vkey}\nquorum none\n".encode())
    with pytest.raises(NoteUnverified):
        policy.open(cosigned(head=Checkpoint("another.test/log", 5, HEAD.root_hash)))
    with pytest.raises(NoteUnverified):
        policy.open(HEAD.signed(Signer(LOG.name, SeedKey(bytes(32)))))


def test_a_log_may_sign_with_a_post_quantum_key_and_extension_lines() -> None:
    log = Cosigner(LOG.name, SeedKey(bytes(32), Algorithm.ML_DSA_44))
    policy = WitnessPolicy.parse(f"log {log.verifier.vkey}\nquorum none\n".encode())
    text = f"{HEAD.text}an extension\n"
    assert policy.open(SignedNote(text, (log.cosign(text, at_s=1),))) == HEAD


W = f"witness w {KEYS[0]}\n"
V = f"witness v {KEYS[1]}\n"


@pytest.mark.parametrize(
    ("policy", "line"),
    [
        pytest.param("", None, id="nothing"),
        pytest.param("quorum none", None, id="no line feed at the end"),
        pytest.param(f"{W}", None, id="no quorum"),
        pytest.param("quorum none\r\n", None, id="a carriage return"),
        pytest.param("quorum none\x7f\n", None, id="a delete character"),
        pytest.param("quorum none\nquorum none\n", 2, id="two quorums"),
        pytest.param("quorum w\n", 1, id="a quorum of nobody known"),
        pytest.param(f"quorum w\n{W}", 1, id="a quorum named below"),
        pytest.param(f"{W}quorum w v\n", 2, id="a quorum of two"),
        pytest.param(f"{W}quorum w # why\n", 2, id="a comment behind a line"),
        pytest.param("Quorum none\n", 1, id="a keyword in capitals"),
        pytest.param(f"{W}{W}quorum w\n", 2, id="one name twice"),
        pytest.param(f"{W}witness v {KEYS[0]}\nquorum w\n", 2, id="one key twice"),
        pytest.param(f"witness none {KEYS[0]}\nquorum none\n", 1, id="a witness called none"),
        pytest.param(f"{W}group none any w\nquorum none\n", 2, id="a group called none"),
        pytest.param(f"{W}group w any w\nquorum w\n", 2, id="a group called as a witness"),
        pytest.param(f"{W}group g any none\nquorum g\n", 2, id="none as a member"),
        pytest.param(f"{W}group g any g\nquorum g\n", 2, id="a group in itself"),
        pytest.param(f"{W}group g any v\n{V}quorum g\n", 2, id="a member named below"),
        pytest.param(f"{W}group g any\nquorum g\n", 2, id="a group of nobody"),
        pytest.param(f"{W}group g all w w\nquorum g\n", 2, id="a member twice"),
        pytest.param(
            f"{W}group g any w\ngroup h any w\nquorum h\n", 3, id="a member of two groups"
        ),
        pytest.param(f"{W}{V}group g 3 w v\nquorum g\n", 3, id="more than there are"),
        pytest.param(f"{W}{V}group g 0 w v\nquorum g\n", 3, id="none of them"),
        pytest.param(f"{W}{V}group g 01 w v\nquorum g\n", 3, id="a leading zero"),
        pytest.param(f"{W}{V}group g +1 w v\nquorum g\n", 3, id="a sign"),
        pytest.param(f"{W}{V}group g ١ w v\nquorum g\n", 3, id="a digit of another script"),
        pytest.param(f"{W}{V}group g ALL w v\nquorum g\n", 3, id="all in capitals"),
        pytest.param(f"witness w {LOG.verifier.vkey}\nquorum w\n", 1, id="a log's key"),
        pytest.param(f"log {KEYS[0]}\nquorum none\n", 1, id="a witness's key for a log"),
        pytest.param(f"witness w {KEYS[0]} a b\nquorum w\n", 1, id="an item too many"),
        pytest.param("witness w\nquorum w\n", 1, id="no key"),
        pytest.param("log\nquorum none\n", 1, id="a log without a key"),
        pytest.param(f"witness w {KEYS[0][:-4]}\nquorum w\n", 1, id="a key cut short"),
    ],
)
def test_what_the_standard_does_not_spell_is_refused(policy: str, line: int | None) -> None:
    with pytest.raises(WitnessPolicyInvalid) as refused:
        WitnessPolicy.parse(policy.encode())
    assert refused.value.path == (() if line is None else ("line", line))


def test_a_key_under_another_name_is_the_same_log() -> None:
    other = VerifierKey("other.test", KeyType.ED25519, LOG.verifier.public_key).vkey
    with pytest.raises(WitnessPolicyInvalid):
        WitnessPolicy.parse(f"log {LOG.verifier.vkey}\nlog {other}\nquorum none\n".encode())


def test_a_key_whose_name_is_not_utf8_is_refused() -> None:
    raw = f"witness w {KEYS[0]}\nquorum w\n".encode().replace(b"witness.test", b"witness\xfftest")
    with pytest.raises(WitnessPolicyInvalid):
        WitnessPolicy.parse(raw)


def test_every_bound_is_crossed_by_one() -> None:
    def lines(logs: int, witnesses: int, groups: int) -> bytes:
        text = [
            f"log {Signer('l', SeedKey(n.to_bytes(32, 'big'))).verifier.vkey}" for n in range(logs)
        ]
        text += [f"witness w{n} {cosigner(n).verifier.vkey}" for n in range(witnesses)]
        text += [f"group g0 any {' '.join(f'w{n}' for n in range(witnesses))}"]
        text += [f"group g{n} any g{n - 1}" for n in range(1, groups)]
        return "\n".join([*text, f"quorum g{groups - 1}", ""]).encode()

    most = lines(LOGS_MAX, WITNESSES_MAX, GROUPS_MAX)
    assert len(WitnessPolicy.parse(most).groups) == GROUPS_MAX
    for more in (
        lines(LOGS_MAX + 1, 1, 1),
        lines(1, WITNESSES_MAX + 1, 1),
        lines(1, 1, GROUPS_MAX + 1),
    ):
        with pytest.raises(WitnessPolicyInvalid, match="more than"):
            WitnessPolicy.parse(more)
    comment = b"#".ljust(POLICY_BYTES_MAX - len(most) - 1, b"x") + b"\n"
    WitnessPolicy.parse(most + comment)
    with pytest.raises(WitnessPolicyInvalid, match=str(POLICY_BYTES_MAX)):
        WitnessPolicy.parse(most + b"#" + comment)


@given(st.data())
def test_a_quorum_is_what_counting_says(data: st.DataObject) -> None:
    names = ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    keys = dict(zip(names, KEYS, strict=True))
    threshold = data.draw(st.integers(1, 6))
    some = data.draw(st.sets(st.sampled_from(range(6))))
    text = "".join(f"witness {name} {keys[name]}\n" for name in names)
    policy = WitnessPolicy.parse(
        f"{text}group g {threshold} {' '.join(names)}\nquorum g\n".encode()
    )
    everyone = [*X, *Y]
    assert policy.is_met([everyone[n].verifier for n in some]) is (len(some) >= threshold)
