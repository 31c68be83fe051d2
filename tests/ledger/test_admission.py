"""ARCHITECTURE §3 and §4: who may sign what, judged at the assigned index."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from ledger.admission import (
    SUBMISSION_BODIES_MAX,
    Submission,
)
from ledger.authority import Authorities
from ledger.candidate import form_of, leaf_of
from ledger.canonical import Json, decode
from ledger.control import (
    LOG_LABEL,
    NAME_MAX,
    POLICY_LABEL,
    Control,
    ControlContent,
    Genesis,
    KeyBegin,
    KeyEnd,
    Mandate,
    PolicyAdoption,
    issue_control,
    issuer_label,
)
from ledger.errors import (
    ControlForbidden,
    ControlInvalid,
    IssuerMismatch,
    KeyEnded,
    KeyUnknown,
    LabelInvalid,
    LedgerEmpty,
    LedgerError,
    LedgerExists,
    MandateMissing,
    SignatureInvalid,
    StatementInvalid,
    SubjectAlreadyBound,
    SubjectUnknown,
    SubmissionTooLarge,
    TokenMalformed,
)
from ledger.identity import SubjectLabel
from ledger.statement import Statement, Weighing
from ledger.token import Token, TokenType, public_key_of, sign, thumbprint
from tests.world import (
    DAIRY,
    MARKET,
    PERSON,
    REGISTRY,
    TRADER,
    World,
    failed_inspection,
    filing,
    genesis,
    key_of,
    rows_of_all_tables,
    seed_of,
)

LABEL = SubjectLabel("A" * 42 + "E")


def begin(name: str, issuer: SubjectLabel) -> KeyBegin:
    """A key in custody."""
    return KeyBegin(issuer, public_key_of(seed_of(name)), custodial=True, names={"en": name})


def signed(content: ControlContent, key: str = "root") -> Control:
    """A control entry."""
    return issue_control(content, key=key_of(key), jti="c", issued_at=1)


FOUNDED = Authorities().after(signed(genesis()), 0)
WITH_KEY = FOUNDED.after(signed(begin("market", MARKET.label())), 5)
KID = thumbprint(public_key_of(seed_of("market")))
ENDED = WITH_KEY.after(signed(KeyEnd(MARKET.label(), KID)), 9)


def test_a_key_signs_from_after_its_begin_to_before_its_end() -> None:
    market = MARKET.label()
    for leaf_index in (6, 7, 8):
        assert ENDED.signing_key(KID, market, leaf_index=leaf_index).kid == KID
    with pytest.raises(KeyUnknown):
        ENDED.signing_key(KID, market, leaf_index=5)
    for leaf_index in (9, 10):
        with pytest.raises(KeyEnded):
            ENDED.signing_key(KID, market, leaf_index=leaf_index)
    with pytest.raises(IssuerMismatch):
        WITH_KEY.signing_key(KID, REGISTRY.label(), leaf_index=6)
    with pytest.raises(KeyUnknown):
        FOUNDED.signing_key(KID, market, leaf_index=6)


def test_a_later_mandate_replaces_an_earlier_one() -> None:
    market = MARKET.label()
    first = FOUNDED.after(signed(Mandate(market, ("filing", "inspection"))), 6)
    first.require(market, "filing")
    second = first.after(signed(Mandate(market, ("inspection",))), 7)
    second.require(market, "inspection")
    with pytest.raises(MandateMissing):
        second.require(market, "filing")
    with pytest.raises(MandateMissing):
        FOUNDED.require(market, "inspection")


@pytest.mark.parametrize(
    ("state", "content", "key", "refusal"),
    [
        pytest.param(Authorities(), Mandate(LABEL, ()), "root", LedgerEmpty, id="no genesis yet"),
        pytest.param(FOUNDED, genesis(), "root", LedgerExists, id="a second genesis"),
        pytest.param(
            Authorities(), genesis(), "log", ControlForbidden, id="a genesis of another key"
        ),
        pytest.param(FOUNDED, Mandate(LABEL, ()), "market", ControlForbidden, id="another key"),
        pytest.param(
            WITH_KEY, begin("market", LABEL), "root", ControlInvalid, id="a key begun twice"
        ),
        pytest.param(ENDED, begin("market", LABEL), "root", ControlInvalid, id="an ended key"),
        pytest.param(FOUNDED, KeyEnd(LABEL, KID), "root", KeyUnknown, id="the end of no key"),
        pytest.param(WITH_KEY, KeyEnd(LABEL, KID), "root", KeyUnknown, id="another's key ended"),
        pytest.param(
            ENDED, KeyEnd(MARKET.label(), KID), "root", ControlInvalid, id="a key ended twice"
        ),
    ],
)
def test_a_control_entry_that_may_not_come_next_is_refused(
    state: Authorities,
    content: Genesis | KeyBegin | KeyEnd | Mandate,
    key: str,
    refusal: type[LedgerError],
) -> None:
    with pytest.raises(refusal):
        state.check(signed(content, key))


def payload_of(control: str, content: dict[str, Json], **members: Json) -> Control:
    """A control token with any payload, signed by the root key, parsed."""
    payload: dict[str, Json] = {
        "content": content,
        "control": control,
        "iat": 1,
        "iss": LOG_LABEL,
        "jti": "c",
        "sub": LOG_LABEL,
        **members,
    }
    return Control.parse(sign(key_of("root"), TokenType.CONTROL, payload))


GENESIS = genesis().content()
MANDATE: dict[str, Json] = {"issuer": LABEL, "kinds": ["filing"]}
KEY_BEGIN: dict[str, Json] = {
    "custodial": True,
    "issuer": LABEL,
    "key": {"crv": "Ed25519", "kty": "OKP", "x": "A" * 43},
    "name": {"en": "x"},
}
LONG_NAME = "x" * (NAME_MAX + 1)


@pytest.mark.parametrize(
    ("control", "changes", "path"),
    [
        pytest.param("genesis", {"more": 1}, (), id="a genesis with more"),
        pytest.param("genesis", {"origin": "x"}, ("log_key",), id="a foreign log key"),
        pytest.param("genesis", {"map_version": 2}, ("map_version",), id="another map version"),
        pytest.param("genesis", {"log_key": "x"}, ("log_key",), id="no key of the log"),
        pytest.param("genesis", {"operator": ""}, ("operator",), id="no operator"),
        pytest.param("genesis", {"operator": LONG_NAME}, ("operator",), id="too long an operator"),
        pytest.param("mandate", {"more": 1}, (), id="a mandate with more"),
        pytest.param("mandate", {"kinds": ["rumour"]}, ("kinds", 0), id="an unknown kind"),
        pytest.param(
            "mandate", {"kinds": ["ip-case", "filing"]}, ("kinds",), id="kinds out of order"
        ),
        pytest.param("mandate", {"kinds": "filing"}, ("kinds",), id="kinds that are text"),
        pytest.param("key-begin", {"custodial": 1}, ("custodial",), id="custody that is a number"),
        pytest.param("key-begin", {"key": {}}, ("key",), id="a key that is none"),
        pytest.param("key-begin", {"name": {}}, ("name",), id="a name in no language"),
        pytest.param("key-begin", {"name": {"en": LONG_NAME}}, ("name",), id="too long a name"),
        pytest.param("policy", {"policy": []}, ("policy",), id="a policy that is a list"),
        pytest.param("policy", {"policy": {}}, ("policy",), id="an empty policy"),
    ],
)
def test_a_content_outside_its_form_is_refused_with_its_place(
    control: str, changes: dict[str, Json], path: tuple[str | int, ...]
) -> None:
    good: dict[str, tuple[dict[str, Json], Json]] = {
        "genesis": (GENESIS, LOG_LABEL),
        "mandate": (MANDATE, issuer_label(LABEL)),
        "key-begin": (KEY_BEGIN, issuer_label(LABEL)),
        "policy": ({"policy": {"name": "x"}}, POLICY_LABEL),
    }
    content, subject = good[control]
    # The change alone stands between the entry and its acceptance.
    payload_of(control, content, sub=subject)
    with pytest.raises(ControlInvalid) as refusal:
        payload_of(control, {**content, **changes}, sub=subject)
    assert refusal.value.path == ("payload", "content", *path)


@pytest.mark.parametrize(
    ("members", "path"),
    [
        pytest.param({"control": "coup"}, ("control",), id="an unknown control"),
        pytest.param({"content": []}, ("content",), id="a content that is a list"),
        pytest.param({"sub": LABEL}, ("sub",), id="another sub"),
        pytest.param({"iss": LABEL}, ("iss",), id="another iss"),
        pytest.param({"more": 1}, (), id="a member nobody knows"),
    ],
)
def test_a_control_entry_outside_its_form_is_refused_with_its_place(
    members: dict[str, Json], path: tuple[str, ...]
) -> None:
    payload: dict[str, Json] = {"control": "genesis", "content": GENESIS}
    with pytest.raises(ControlInvalid) as refusal:
        payload_of(**{**payload, **members})  # type: ignore[arg-type]
    assert refusal.value.path == ("payload", *path)


def test_a_label_that_is_none_is_refused_with_its_place() -> None:
    with pytest.raises(LabelInvalid) as refusal:
        payload_of("key-end", {"issuer": "x", "kid": LABEL})
    assert refusal.value.path == ("payload", "content", "issuer")


def test_contents_and_their_members_are_inverse() -> None:
    for content in (
        genesis(),
        replace(genesis(), operator="x" * NAME_MAX),
        begin("market", MARKET.label()),
        KeyEnd(MARKET.label(), KID),
        Mandate(MARKET.label(), ("capture", "filing")),
        PolicyAdoption({"name": "x"}),
    ):
        control = signed(content)
        assert Control.parse(Token.parse(control.token.text)) == control
        assert control.content == content
        assert form_of(control) == "control"


def test_a_leaf_tells_a_stranger_its_label_and_nothing_else() -> None:
    control = signed(begin("market", MARKET.label()))
    leaf = decode(leaf_of(control))
    assert leaf == {"control": control.token.text, "sub": issuer_label(MARKET.label()), "v": 1}


def test_a_submission_has_1_to_1000_bodies() -> None:
    body = signed(genesis())
    for bodies in ((), (body,) * (SUBMISSION_BODIES_MAX + 1)):
        with pytest.raises(SubmissionTooLarge):
            Submission(bodies)


def test_a_control_entry_that_fills_more_than_a_leaf_is_refused_before_it_is_signed() -> None:
    policy: dict[str, Json] = {f"rule-{number}": "x" * 100 for number in range(600)}
    with pytest.raises(TokenMalformed):
        signed(PolicyAdoption(policy))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(Mandate(MARKET.label(), ("inspection", "binding")), id="kinds out of order"),
        pytest.param(Mandate(MARKET.label(), ("no-such-kind",)), id="a kind nobody knows"),
        pytest.param(PolicyAdoption({}), id="a policy that says nothing"),
        pytest.param(
            KeyBegin(MARKET.label(), public_key_of(seed_of("market")), custodial=True, names={}),
            id="a key whose issuer has no name",
        ),
    ],
)
def test_a_control_entry_that_no_reader_takes_is_never_signed(content: ControlContent) -> None:
    with pytest.raises(ControlInvalid):
        signed(content)


Story = Callable[[World], Statement]


@pytest.mark.parametrize(
    ("story", "refusal"),
    [
        pytest.param(
            lambda world: world.draft(failed_inspection(), key="nobody"),
            KeyUnknown,
            id="a key nobody began",
        ),
        pytest.param(
            lambda world: world.draft(failed_inspection(), key="registry"),
            IssuerMismatch,
            id="another issuer's key",
        ),
        pytest.param(
            lambda world: world.draft(failed_inspection(), about=LABEL),
            SubjectUnknown,
            id="a label nobody bound",
        ),
        pytest.param(
            lambda world: forged(world.draft(failed_inspection())),
            SignatureInvalid,
            id="a signature that does not verify",
        ),
    ],
)
async def test_what_the_log_does_not_admit_changes_nothing(
    database_url: str, story: Story, refusal: type[LedgerError]
) -> None:
    async with World.opened(database_url) as world:
        statement = story(world)
        held = await rows_of_all_tables(world.database)
        with pytest.raises(refusal) as raised:
            await world.state(statement)
        assert raised.value.path
        assert await rows_of_all_tables(world.database) == held


def forged(statement: Statement) -> Statement:
    """With the signature of another payload."""
    head, _, _ = statement.token.text.rpartition(".")
    tail = sign(key_of("market"), TokenType.STATEMENT, {}).text.rpartition(".")[2]
    token = Token.parse(f"{head}.{tail}")
    return Statement.parse(token, [item.text for item in statement.disclosures])


async def test_a_person_and_a_label_are_bound_once(database_url: str) -> None:
    async with World.opened(database_url) as world:
        other = SubjectLabel("B" * 42 + "E")

        def binding(label: SubjectLabel, jti: str) -> Statement:
            return world.draft(
                Weighing(
                    kind="binding",
                    code="one-person-business",
                    outcome="bound",
                    decided_on=date(2026, 1, 1),
                ),
                about=label,
                particulars={"subject": {"id": PERSON.identifier, "scheme": "uscc"}},
                issuer=REGISTRY,
                key="registry",
                jti=jti,
            )

        await world.state(binding(LABEL, "B-1"))
        held = await rows_of_all_tables(world.database)
        with pytest.raises(SubjectAlreadyBound):
            await world.state(binding(other, "B-2"))
        with pytest.raises(SubjectAlreadyBound):
            await world.state(binding(LABEL, "B-3"))
        with pytest.raises(SubjectAlreadyBound):
            await world.state(binding(SubjectLabel("C" * 42 + "E"), "B-4"), binding(LABEL, "B-5"))
        assert await rows_of_all_tables(world.database) == held
        await world.state(world.draft(failed_inspection(), about=LABEL))


async def test_a_party_captures_with_its_own_key_and_a_door_with_its_mandate(
    database_url: str,
) -> None:
    event = b'{"type":"ObjectEvent"}'
    async with World.opened(database_url) as world:
        with pytest.raises(KeyUnknown):
            await world.capture(event)
        await world.begin_key("dairy", DAIRY.label())
        await world.capture(event)
        with pytest.raises(MandateMissing):
            await world.capture(event, party=TRADER, issuer=DAIRY)
        await world.capture(event, party=TRADER, issuer=REGISTRY, key="registry")


async def test_a_filing_needs_the_mandate_for_filings(database_url: str) -> None:
    async with World.opened(database_url) as world:
        await world.control(Mandate(REGISTRY.label(), ("binding",)))
        held = await rows_of_all_tables(world.database)
        with pytest.raises(MandateMissing):
            await world.file(DAIRY, "Dairy")
        with pytest.raises(StatementInvalid):
            await world.state(world.draft(filing()))
        assert await rows_of_all_tables(world.database) == held
