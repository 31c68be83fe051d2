"""RFC 9901: our statements as other people's SD-JWT libraries read them, whole and in part.

`sd-jwt` is the reference implementation of the IETF: it verifies the signature and opens what is
disclosed. `proofbundle` checks that each disclosure has one place and stands at it (§7.1).
"""

from collections.abc import Sequence
from datetime import date
from itertools import combinations
from typing import Any

import pytest

from ledger.canonical import Json
from ledger.disclosure import WEIGHING, Disclosure, join_presentation
from ledger.errors import LedgerError
from ledger.presentation import read_statement
from ledger.salts import fresh_salts
from ledger.statement import Draft, Severity, Statement, Weighing, issue
from ledger.token import Token, TokenType, public_jwk, sign
from tests.peers.oracles import Oracles
from tests.world import DAIRY, MARKET, key_of

KEY = key_of("market")
JWK = public_jwk(KEY.public_key)
WEIGHING_VALUES = Weighing(
    kind="inspection",
    code="hygiene",
    outcome="fail",
    severity=Severity.GENERAL,
    occurred_on=date(2026, 3, 1),
    decided_on=date(2026, 3, 10),
    basis="lab",
    measures={"samples": 5, "samples_failed": 1},
)
PARTICULARS: dict[str, Json] = {
    "subject": {"id": DAIRY.identifier, "scheme": "uscc"},
    "text": "菌落总数超标",
    "gtin": "06901234567892",
}
DRAFT = Draft(
    issuer=MARKET.label(),
    subject=DAIRY.label(),
    jti="S-1",
    issued_at=1_772_000_000,
    weighing=WEIGHING_VALUES,
    particulars=PARTICULARS,
)
STATEMENT = issue(DRAFT, KEY, fresh_salts())
OPEN = {
    "iat": 1_772_000_000,
    "iss": MARKET.label(),
    "jti": "S-1",
    "sub": DAIRY.label(),
}


def shown(statement: Statement, disclosures: Sequence[Disclosure]) -> str:
    return join_presentation(statement.token.text, [item.text for item in disclosures])


def member_of(position: int) -> str:
    """The name under which the disclosure at a position stands."""
    return [*WEIGHING, *sorted(PARTICULARS)][position]


def opened(oracles: Oracles, presentation: str) -> dict[str, Any]:
    """What the reference implementation reads, beyond what is always in the open."""
    oracles.accepts("proofbundle_sd_jwt", sd_jwt=presentation)
    payload = oracles.accepts("sd_jwt", sd_jwt=presentation, jwk=JWK)["payload"]
    assert {name: payload.pop(name) for name in OPEN} == OPEN
    assert isinstance(payload, dict)
    return payload


def test_the_whole_statement_says_to_them_what_it_says_to_us(oracles: Oracles) -> None:
    expected: dict[str, Json] = {
        **{name: [value] for name, value in WEIGHING_VALUES.values().items()},
        **PARTICULARS,
    }
    assert len(expected) == 14
    assert opened(oracles, STATEMENT.presentation) == expected


def test_a_withheld_statement_says_nothing_to_them(oracles: Oracles) -> None:
    assert opened(oracles, shown(STATEMENT, [])) == {name: [] for name in WEIGHING}


@pytest.mark.parametrize("position", range(14), ids=member_of)
def test_each_member_opens_alone(oracles: Oracles, position: int) -> None:
    disclosure, name = STATEMENT.disclosures[position], member_of(position)
    expected: dict[str, Json] = {weighing: [] for weighing in WEIGHING}
    expected[name] = [disclosure.value] if name in WEIGHING else disclosure.value
    assert opened(oracles, shown(STATEMENT, [disclosure])) == expected


def test_any_two_members_open_together_in_either_order(oracles: Oracles) -> None:
    for first, second in combinations(range(0, 14, 3), 2):
        pair = [STATEMENT.disclosures[first], STATEMENT.disclosures[second]]
        forward = opened(oracles, shown(STATEMENT, pair))
        assert forward == opened(oracles, shown(STATEMENT, pair[::-1]))
        assert {member_of(first), member_of(second)} <= {
            name for name, value in forward.items() if value != []
        }


OTHER = issue(DRAFT, KEY, fresh_salts())


def altered(position: int) -> str:
    """A disclosure that says something else under the salt of an honest one."""
    honest = STATEMENT.disclosures[position]
    return Disclosure.of(bytes(16), honest.name, "nothing was found").text


FORGERIES = [
    pytest.param(8, altered(8), id="another outcome"),
    pytest.param(13, altered(13), id="another text"),
    pytest.param(8, OTHER.disclosures[8].text, id="the same outcome with the salt of another"),
    pytest.param(13, "AAAA", id="a disclosure that is no JSON"),
]


@pytest.mark.parametrize(("position", "forged"), FORGERIES)
def test_a_disclosure_that_was_not_signed_opens_nothing(
    oracles: Oracles, position: int, forged: str
) -> None:
    texts = [item.text for item in STATEMENT.disclosures]
    texts[position] = forged
    presentation = join_presentation(STATEMENT.token.text, texts)
    with pytest.raises(LedgerError):
        read_statement(presentation, erased=True)
    oracles.refuses("proofbundle_sd_jwt", sd_jwt=presentation)
    # The reference implementation passes over what it cannot place, though RFC 9901 §7.1 has it
    # refused, and refuses what it cannot read.
    theirs = oracles.ask("sd_jwt", sd_jwt=presentation, jwk=JWK)
    if theirs["accepts"]:
        hidden: Json = [] if member_of(position) in WEIGHING else None
        assert theirs["payload"].get(member_of(position)) == hidden


def test_a_foreign_key_verifies_nothing_for_them(oracles: Oracles) -> None:
    foreign = public_jwk(key_of("registry").public_key)
    said = oracles.refuses("sd_jwt", sd_jwt=STATEMENT.presentation, jwk=foreign)
    assert said.startswith("InvalidJWSSignature")


def test_a_changed_payload_verifies_nothing_for_them(oracles: Oracles) -> None:
    header, payload, signature = STATEMENT.token.text.split(".")
    other = OTHER.token.text.split(".")[1]
    assert other != payload
    forged = join_presentation(f"{header}.{other}.{signature}", [])
    assert oracles.refuses("sd_jwt", sd_jwt=forged, jwk=JWK).startswith("InvalidJWSSignature")


def test_a_digest_that_stands_twice_is_refused_by_all(oracles: Oracles) -> None:
    payload = dict(STATEMENT.token.payload)
    digests = payload["_sd"]
    assert isinstance(digests, list)
    payload["_sd"] = [digests[0], *digests]
    token = sign(KEY, TokenType.STATEMENT, payload)
    presentation = join_presentation(token.text, [item.text for item in STATEMENT.disclosures])
    oracles.refuses("proofbundle_sd_jwt", sd_jwt=presentation)
    said = oracles.refuses("sd_jwt", sd_jwt=presentation, jwk=JWK)
    assert "Duplicate hash found" in said
    with pytest.raises(LedgerError):
        Statement.parse(Token.parse(token.text), [item.text for item in STATEMENT.disclosures])


def test_a_name_that_is_opened_twice_is_refused_by_all(oracles: Oracles) -> None:
    again = Disclosure.of(bytes(16), "text", "合格")
    payload = dict(STATEMENT.token.payload)
    digests = payload["_sd"]
    assert isinstance(digests, list)
    resorted: list[Json] = [*sorted([*map(str, digests), again.digest])]
    payload["_sd"] = resorted
    token = sign(KEY, TokenType.STATEMENT, payload)
    texts = [*(item.text for item in STATEMENT.disclosures), again.text]
    presentation = join_presentation(token.text, texts)
    oracles.refuses("proofbundle_sd_jwt", sd_jwt=presentation)
    said = oracles.refuses("sd_jwt", sd_jwt=presentation, jwk=JWK)
    assert "Duplicate key found" in said
    with pytest.raises(LedgerError):
        Statement.parse(Token.parse(token.text), texts)
