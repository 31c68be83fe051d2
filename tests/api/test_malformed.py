"""Invariant 11: bad input gets a stable error code and leaves no trace, at the door of entries.

Forty and more kinds of malformed input, each in some dozens of variants, a thousand in all, through
POST /entries in one stream: every answer names a code of its kind and the field, the log does not
grow, and no table changes.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

from nacl.signing import SigningKey

from ledger.canonical import Json, b64url, encode
from ledger.control import (
    LOG_LABEL,
    ControlContent,
    KeyBegin,
    KeyEnd,
    Mandate,
    PolicyAdoption,
    issue_control,
)
from ledger.disclosure import DISCLOSURE_BYTES_MAX, DISCLOSURES_MAX, Disclosure
from ledger.identity import Identity
from ledger.keystore import Keystore
from ledger.seed_key import SeedKey
from ledger.statement import Statement, Weighing
from ledger.token import TokenType, sign, thumbprint
from tests.api.doors import POLICY, Doors, fine
from tests.world import DAIRY, MARKET, PERSON, REGISTRY, TRADER, rows_of_all_tables

VARIANTS = 26
"""Of each kind; with forty kinds, more than a thousand inputs."""

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
STRANGER = SeedKey(sha256(b"a stranger's key").digest())


@dataclass
class Forge:
    """Makes malformed lines. `draw` is seeded, so that every run sends the same kinds."""

    doors: Doors
    draw: random.Random
    market: SeedKey
    registry: SeedKey
    root: SeedKey
    ended: SeedKey

    def good(self, **members: Json) -> Statement:
        """A statement that would be admitted, but for changed weighing members."""
        values = {**fine().values(), **members}
        return self.doors.draft(Weighing.parse(values))

    def parts(self, statement: Statement | None = None) -> tuple[dict[str, Any], list[str]]:
        """Payload and disclosures, to be changed and signed again."""
        whole = statement or self.good()
        payload: dict[str, Any] = json.loads(encode(whole.token.payload))
        return payload, [item.text for item in whole.disclosures]

    def signed(self, payload: dict[str, Any], disclosures: list[str]) -> bytes:
        """The line of a payload under the market authority's own key."""
        token = sign(self.market, TokenType.STATEMENT, payload)
        return line("~".join((token.text, *disclosures, "")))

    def raw_signed(self, payload: bytes, disclosures: list[str]) -> bytes:
        """The same for a payload that no canonical writer would make."""
        key = SigningKey(self.market.seed)
        header = encode(
            {
                "alg": "Ed25519",
                "kid": thumbprint(bytes(key.verify_key)),
                "typ": TokenType.STATEMENT.value,
            }
        )
        signing_input = f"{b64url(header)}.{b64url(payload)}"
        signature = key.sign(signing_input.encode()).signature
        return line("~".join((f"{signing_input}.{b64url(signature)}", *disclosures, "")))

    def with_value(self, name: str, value: Json) -> bytes:
        """One weighing member opened to another value, its digest and signature in order."""
        payload, disclosures = self.parts()
        place = sorted(fine().values()).index(name)
        disclosure = Disclosure.of(self.draw.randbytes(16), None, value)
        disclosures[place] = disclosure.text
        payload[name] = [{"...": disclosure.digest}]
        return self.signed(payload, disclosures)

    def with_particular(self, name: str, value: Json) -> bytes:
        """One more particular, its digest and signature in order."""
        payload, disclosures = self.parts()
        disclosure = Disclosure.of(self.draw.randbytes(16), name, value)
        payload["_sd"] = sorted([*payload["_sd"], disclosure.digest])
        return self.signed(payload, [*disclosures, disclosure.text])

    def control(self, control: str, content: Json, key: SeedKey | None = None) -> bytes:
        """A control entry of any content."""
        payload: dict[str, Json] = {
            "content": content,
            "control": control,
            "iat": 1,
            "iss": LOG_LABEL,
            "jti": f"c-{self.draw.random()}",
            "sub": MARKET.label(),
        }
        token = sign(key or self.root, TokenType.CONTROL, payload)
        return json.dumps({"control": token.text}).encode()


def line(presentation: str) -> bytes:
    """A line with one statement."""
    return json.dumps({"statement": presentation}).encode()


def broken_utf8(forge: Forge) -> bytes:
    raw = bytearray(line(forge.good().presentation))
    raw[forge.draw.randrange(20, len(raw) - 3)] = forge.draw.choice([0xFF, 0xC0, 0x80])
    return bytes(raw)


def half_a_line(forge: Forge) -> bytes:
    raw = line(forge.good().presentation)
    return raw[: forge.draw.randrange(1, len(raw) - 1)]


def a_member_twice(forge: Forge) -> bytes:
    text = json.dumps(forge.good().presentation)
    return f'{{"statement":{text},"statement":{text}}}'.encode()


def an_unknown_member(forge: Forge) -> bytes:
    name = "x" + forge.draw.choice(ALPHABET)
    return json.dumps({"statement": forge.good().presentation, name: 1}).encode()


def no_object(forge: Forge) -> bytes:
    return json.dumps(forge.draw.choice([[], 1, "x", None, True, [{}]])).encode()


def no_number(forge: Forge) -> bytes:
    return b'{"statement":' + forge.draw.choice([b"NaN", b"Infinity", b"-Infinity"]) + b"}"


def a_changed_token(forge: Forge) -> bytes:
    text = forge.good().presentation
    at = forge.draw.randrange(text.index("~"))
    other = forge.draw.choice([letter for letter in ALPHABET if letter != text[at]])
    return line(text[:at] + other + text[at + 1 :])


def another_spelling_of_a_signature(forge: Forge) -> bytes:
    token, rest = forge.good().presentation.split("~", 1)
    place = ALPHABET.index(token[-1])
    others = [n for n in range(place - place % 16, place - place % 16 + 16) if n != place]
    return line(f"{token[:-1]}{ALPHABET[forge.draw.choice(others)]}~{rest}")


def padding(forge: Forge) -> bytes:
    token, rest = forge.good().presentation.split("~", 1)
    return line(f"{token}{'=' * forge.draw.randrange(1, 3)}~{rest}")


def another_header(forge: Forge) -> bytes:
    token, rest = forge.good().presentation.split("~", 1)
    _, payload, signature = token.split(".")
    changed: dict[str, Json] = {
        "alg": forge.draw.choice(["none", "EdDSA", "HS256", "ES256"]),
        "kid": forge.market.kid,
        "typ": TokenType.STATEMENT.value,
    }
    return line(f"{b64url(encode(changed))}.{payload}.{signature}~{rest}")


def a_strangers_key(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    token = sign(SeedKey(forge.draw.randbytes(32)), TokenType.STATEMENT, payload)
    return line("~".join((token.text, *disclosures, "")))


def another_issuers_key(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    token = sign(forge.registry, TokenType.STATEMENT, payload)
    return line("~".join((token.text, *disclosures, "")))


def an_ended_key(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    payload["iss"] = TRADER.label()
    token = sign(forge.ended, TokenType.STATEMENT, payload)
    return line("~".join((token.text, *disclosures, "")))


def no_mandate(forge: Forge) -> bytes:
    weighing = Weighing(
        kind="filing", code="enterprise", outcome="accepted", decided_on=date(2026, 1, 2)
    )
    particulars: dict[str, Json] = {"name": {"en": "x"}, "country": "CN"}
    return line(forge.doors.draft(weighing, particulars=particulars).presentation)


def an_unknown_kind(forge: Forge) -> bytes:
    return forge.with_value("kind", forge.draw.choice(["rumour", "Enforcement", "reprieve", "x"]))


def an_unknown_code(forge: Forge) -> bytes:
    return forge.with_value("code", forge.draw.choice(["smell", "HYGIENE", "routine", None]))


def an_unknown_outcome(forge: Forge) -> bytes:
    return forge.with_value("outcome", forge.draw.choice(["meh", "pass", "Fine", None]))


def an_unknown_severity(forge: Forge) -> bytes:
    return forge.with_value("severity", forge.draw.choice(["grave", "Minor", 3, None, []]))


def no_day(forge: Forge) -> bytes:
    days: list[Json] = ["2026-02-30", "20260201", "2026-2-1", "2026-02-01T00:00:00Z", 20260201]
    return forge.with_value("decided_on", forge.draw.choice(days))


def a_fraction_of_a_fen(forge: Forge) -> bytes:
    odd: list[Json] = [{"fine_fen": "1"}, {"fine_fen": -1}, {"fine_yuan": 1}, {}, [1], "x"]
    return forge.with_value("measures", forge.draw.choice(odd))


def a_reference_where_none_may_be(forge: Forge) -> bytes:
    return forge.with_value("refers", forge.draw.choice(["A" * 43, "x", 1, {}]))


def a_wrong_check_character(forge: Forge) -> bytes:
    letters = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    code = DAIRY.identifier
    at = forge.draw.randrange(18)
    other = forge.draw.choice([letter for letter in letters if letter != code[at]])
    subject: Json = {"id": code[:at] + other + code[at + 1 :], "scheme": "uscc"}
    return subject_line(forge, subject)


def another_subject(forge: Forge) -> bytes:
    other = forge.draw.choice([MARKET, REGISTRY, TRADER])
    return subject_line(forge, {"id": other.identifier, "scheme": "uscc"})


def a_person_by_its_code(forge: Forge) -> bytes:
    return subject_line(forge, {"id": PERSON.identifier, "scheme": "uscc"})


def an_unknown_scheme(forge: Forge) -> bytes:
    scheme = forge.draw.choice(["duns", "USCC", "", "vat"])
    return subject_line(forge, {"id": DAIRY.identifier, "scheme": scheme})


def subject_line(forge: Forge, subject: Json) -> bytes:
    """The statement with another disclosed subject."""
    payload, disclosures = forge.parts()
    disclosure = Disclosure.of(forge.draw.randbytes(16), "subject", subject)
    payload["_sd"] = [disclosure.digest]
    return forge.signed(payload, [*disclosures[:-1], disclosure.text])


def a_label_nobody_bound(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    payload["_sd"], payload["sub"] = [], b64url(forge.draw.randbytes(32))
    return forge.signed(payload, disclosures[:-1])


def no_label(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    payload[forge.draw.choice(["sub", "iss"])] = forge.draw.choice(
        ["x", "", 1, None, "A" * 43 + "="]
    )
    return forge.signed(payload, disclosures)


def a_float_in_the_payload(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    number = forge.draw.choice(["1764000000.0", "1.764e9", "1764000000.5", "-0"])
    raw = encode(payload).replace(str(payload["iat"]).encode(), number.encode())
    return forge.raw_signed(raw, disclosures)


def a_name_twice_in_the_payload(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    name = forge.draw.choice(sorted(payload))
    raw = encode(payload)[:-1] + f',"{name}":null}}'.encode()
    return forge.raw_signed(raw, disclosures)


def a_payload_with_spaces(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    raw = json.dumps(
        payload, sort_keys=True, separators=forge.draw.choice([(", ", ":"), (",", ": ")])
    )
    return forge.raw_signed(raw.encode(), disclosures)


def a_payload_of_other_members(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    if forge.draw.random() < 0.5:
        payload.pop(forge.draw.choice(["_sd", "_sd_alg", "basis", "case", "iat", "kind"]))
    else:
        payload[forge.draw.choice(["exp", "nbf", "vct", "points"])] = 1
    return forge.signed(payload, disclosures)


def a_wrong_reference(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    payload["jti"] = forge.draw.choice(["", "a b", "x" * 65, "é", "a/b", 1, None, "a\x00"])
    return forge.signed(payload, disclosures)


def a_wrong_instant(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    payload["iat"] = forge.draw.choice([-1, True, "1764000000", None, 2**53 - 1])
    return forge.signed(payload, disclosures)


def a_wrong_digest(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    at = forge.draw.randrange(len(disclosures))
    name = None if at < len(disclosures) - 1 else "subject"
    disclosures[at] = Disclosure.of(forge.draw.randbytes(16), name, "x").text
    return forge.signed(payload, disclosures)


def a_float_in_a_disclosure(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    number = forge.draw.choice(["1.5", "1e3", "1.0", "NaN"])
    text = b64url(f'["{b64url(forge.draw.randbytes(16))}",{number}]'.encode())
    payload["case"] = [{"...": b64url(sha256(text.encode()).digest())}]
    disclosures[1] = text
    return forge.signed(payload, disclosures)


def a_disclosure_too_few(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    disclosures.pop(forge.draw.randrange(len(disclosures)))
    return forge.signed(payload, disclosures)


def a_disclosure_too_many(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    more = Disclosure.of(forge.draw.randbytes(16), forge.draw.choice([None, "text"]), "x").text
    return forge.signed(payload, [*disclosures, forge.draw.choice([more, disclosures[0]])])


def digests_out_of_order(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    more = Disclosure.of(forge.draw.randbytes(16), "text", "x")
    digests = sorted([*payload["_sd"], more.digest], reverse=True)
    payload["_sd"] = forge.draw.choice([digests, [digests[0]] * 2])
    return forge.signed(payload, [*disclosures, more.text])


def too_much(forge: Forge) -> bytes:
    payload, disclosures = forge.parts()
    if forge.draw.random() < 0.5:
        return forge.signed(payload, disclosures + ["AAAA"] * DISCLOSURES_MAX)
    return forge.signed(payload, [*disclosures, "A" * (DISCLOSURE_BYTES_MAX + 1)])


def an_unknown_particular(forge: Forge) -> bytes:
    return forge.with_particular(forge.draw.choice(["rumour", "name2", "Text", "gender"]), "x")


def a_particular_outside_its_form(forge: Forge) -> bytes:
    name, value = forge.draw.choice(
        [
            ("text", ""),
            ("text", "x" * 2_001),
            ("text", "x\x00"),
            ("gtin", "0690123456789"),
            ("lot", "x" * 21),
            ("synthetic", False),
            ("charges", [1]),
            ("documents", [{"name": "x", "sha256": "A" * 64}]),
        ]
    )
    value_of_json: Json = value  # type: ignore[assignment]
    return forge.with_particular(name, value_of_json)


def a_control_entry_of_another_key(forge: Forge) -> bytes:
    content = Mandate(MARKET.label(), forge.draw.choice([("filing",), (), ("binding",)]))
    key = forge.draw.choice([forge.market, STRANGER])
    body = issue_control(content, key=key, jti=f"c-{forge.draw.random()}", issued_at=1)
    return json.dumps({"control": body.token.text}).encode()


def a_control_entry_outside_its_form(forge: Forge) -> bytes:
    control, content = forge.draw.choice(
        [
            ("coup", {}),
            ("mandate", {}),
            ("mandate", {"issuer": MARKET.label(), "kinds": ["rumour"]}),
            ("key-begin", {"issuer": MARKET.label()}),
            ("policy", {"policy": []}),
            ("genesis", {}),
        ]
    )
    value: Json = content  # type: ignore[assignment]
    return forge.control(control, value)


def a_policy_nobody_can_read(forge: Forge) -> bytes:
    policy: dict[str, Json] = json.loads(POLICY.read_bytes())
    policy.pop(forge.draw.choice(sorted(policy)))
    body = issue_control(
        PolicyAdoption(policy), key=forge.root, jti=f"c-{forge.draw.random()}", issued_at=1
    )
    return json.dumps({"control": body.token.text}).encode()


def a_reference_with_other_content(forge: Forge) -> bytes:
    day = date(2026, 1, 1 + forge.draw.randrange(28))
    return line(forge.doors.draft(fine(day), jti="KNOWN-1").presentation)


def a_party_of_a_matter_that_is_wrong(forge: Forge) -> bytes:
    good = [forge.good().presentation for _ in range(3)]
    bad = forge.doors.draft(fine(), issuer=REGISTRY).presentation
    good.insert(forge.draw.randrange(4), bad)
    return json.dumps({"statements": good}).encode()


def a_statement_that_is_no_statement(forge: Forge) -> bytes:
    texts: list[object] = ["", "~", "x", "x~", "a.b.c~", 1, None, [], {}]
    return json.dumps({"statement": forge.draw.choice(texts)}).encode()


TOKEN = {"LEDGER_TOKEN_MALFORMED"}
FORM = {"LEDGER_STATEMENT_INVALID"}
DISCLOSED = {"LEDGER_DISCLOSURE_INVALID"}

CODES: Mapping[Callable[[Forge], bytes], set[str]] = {
    broken_utf8: {"REQUEST_MALFORMED"},
    half_a_line: {"REQUEST_MALFORMED"},
    a_member_twice: {"REQUEST_MALFORMED"},
    an_unknown_member: {"REQUEST_MALFORMED"},
    no_object: {"REQUEST_MALFORMED"},
    no_number: {"REQUEST_MALFORMED"},
    a_changed_token: {
        "LEDGER_TOKEN_MALFORMED",
        "LEDGER_SIGNATURE_INVALID",
        "LEDGER_KEY_UNKNOWN",
        "LEDGER_STATEMENT_INVALID",
        "LEDGER_DISCLOSURE_INVALID",
        "LEDGER_LABEL_INVALID",
        "LEDGER_SUBJECT_MISMATCH",
        "LEDGER_ISSUER_MISMATCH",
    },
    another_spelling_of_a_signature: TOKEN,
    padding: TOKEN,
    another_header: TOKEN,
    a_strangers_key: {"LEDGER_KEY_UNKNOWN"},
    another_issuers_key: {"LEDGER_ISSUER_MISMATCH"},
    an_ended_key: {"LEDGER_KEY_ENDED"},
    no_mandate: {"LEDGER_MANDATE_MISSING"},
    an_unknown_kind: {"LEDGER_KIND_UNKNOWN"},
    an_unknown_code: {"LEDGER_CODE_UNKNOWN"},
    an_unknown_outcome: {"LEDGER_OUTCOME_UNKNOWN"},
    an_unknown_severity: FORM,
    no_day: FORM,
    a_fraction_of_a_fen: FORM,
    a_reference_where_none_may_be: FORM,
    a_wrong_check_character: {"LEDGER_IDENTIFIER_INVALID"},
    another_subject: {"LEDGER_SUBJECT_MISMATCH"},
    a_person_by_its_code: FORM,
    an_unknown_scheme: {"LEDGER_IDENTIFIER_INVALID"},
    a_label_nobody_bound: {"LEDGER_SUBJECT_UNKNOWN"},
    no_label: {"LEDGER_LABEL_INVALID"},
    a_float_in_the_payload: TOKEN,
    a_name_twice_in_the_payload: TOKEN,
    a_payload_with_spaces: TOKEN,
    a_payload_of_other_members: FORM,
    a_wrong_reference: FORM,
    a_wrong_instant: FORM,
    a_wrong_digest: DISCLOSED,
    a_float_in_a_disclosure: DISCLOSED,
    a_disclosure_too_few: DISCLOSED,
    a_disclosure_too_many: DISCLOSED,
    digests_out_of_order: FORM,
    too_much: {"LEDGER_SUBMISSION_TOO_LARGE", "LEDGER_DISCLOSURE_INVALID"},
    an_unknown_particular: FORM,
    a_particular_outside_its_form: FORM,
    a_control_entry_of_another_key: {"LEDGER_CONTROL_FORBIDDEN"},
    a_control_entry_outside_its_form: {"LEDGER_CONTROL_INVALID"},
    a_policy_nobody_can_read: {
        "CREDIT_POLICY_MEMBER",
        "CREDIT_POLICY_REFERENCE",
        "CREDIT_POLICY_VALUE",
    },
    a_reference_with_other_content: {"LEDGER_DUPLICATE_CONFLICT"},
    a_party_of_a_matter_that_is_wrong: {"LEDGER_MANDATE_MISSING"},
    a_statement_that_is_no_statement: {
        "LEDGER_DISCLOSURE_INVALID",
        "LEDGER_TOKEN_MALFORMED",
        "REQUEST_MALFORMED",
    },
}


async def prepared(doors: Doors) -> Forge:
    """A world in which each kind can be refused for its own reason."""
    keystore = doors.service.keystore
    ended = SeedKey(sha256(b"an ended key").digest())
    assert isinstance(keystore, Keystore)
    root = keystore.get("root")
    await admit_and_end(doors, TRADER, ended, root)
    await doors.state(doors.draft(fine(date(2025, 12, 31)), jti="KNOWN-1"))
    return Forge(
        doors,
        random.Random(20_261_125),
        keystore.get(MARKET.label()),
        keystore.get(REGISTRY.label()),
        root,
        ended,
    )


async def admit_and_end(doors: Doors, issuer: Identity, key: SeedKey, root: SeedKey) -> None:
    """A key with a mandate, begun and ended."""
    contents: tuple[ControlContent, ...] = (
        KeyBegin(issuer.label(), key.public_key, custodial=False, names={"en": "x"}),
        Mandate(issuer.label(), ("enforcement",)),
        KeyEnd(issuer.label(), key.kid),
    )
    for number, content in enumerate(contents):
        body = issue_control(content, key=root, jti=f"trader-{number}", issued_at=1)
        (answer,) = await doors.entries({"control": body.token.text})
        assert "error" not in answer


async def test_a_thousand_malformed_inputs_each_get_a_code_and_leave_no_trace(
    doors: Doors,
) -> None:
    forge = await prepared(doors)
    sent = [(kind, kind(forge)) for kind in CODES for _ in range(VARIANTS)]
    assert len(CODES) >= 30
    assert len(sent) >= 1_000
    await doors.service.followed(doors.service.writer.tree_size)
    held = await rows_of_all_tables(doors.service.database)
    answers = await doors.entries(*(raw for _, raw in sent))
    assert len(answers) == len(sent)
    unexpected = [
        (kind.__name__, answer)
        for (kind, _), answer in zip(sent, answers, strict=True)
        if answer.get("error", {}).get("code") not in CODES[kind]
    ]
    assert unexpected == []
    for (kind, _), answer in zip(sent, answers, strict=True):
        error = answer["error"]
        assert set(error) == {"code", "message", "path"}
        assert error["message"]
        whole_line = error["code"] == "REQUEST_MALFORMED"
        assert error["path"] or whole_line, (kind.__name__, error)
    assert await rows_of_all_tables(doors.service.database) == held


async def test_good_lines_among_bad_ones_stand_and_are_answered_in_order(doors: Doors) -> None:
    forge = await prepared(doors)
    size = doors.service.writer.tree_size
    lines = [line(forge.good().presentation), half_a_line(forge), line(forge.good().presentation)]
    first, bad, second = await doors.entries(*lines)
    assert (first["leaf_index"], second["leaf_index"]) == (size, size + 1)
    assert bad["error"]["code"] == "REQUEST_MALFORMED"


async def test_without_an_authoritys_credential_nothing_is_read(doors: Doors) -> None:
    forge = await prepared(doors)
    held = await rows_of_all_tables(doors.service.database)
    for tier, code in (
        ("public", "ACCESS_FORBIDDEN"),
        ("enterprise", "ACCESS_FORBIDDEN"),
        ("bank", "ACCESS_FORBIDDEN"),
    ):
        answer = await doors.client.post(
            "/entries",
            content=line(forge.good().presentation),
            headers={"Content-Type": "application/x-ndjson", **doors.credential(tier)},
        )
        assert answer.json()["code"] == code
        assert answer.headers["content-type"] == "application/problem+json"
    assert await rows_of_all_tables(doors.service.database) == held
