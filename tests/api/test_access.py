"""Credentials: a bad one is refused and never taken for none (RFC 9068, ARCHITECTURE §8)."""

from datetime import UTC, datetime, timedelta

import pytest
from nacl.signing import SigningKey

from api.access import (
    CLOCK_SKEW_S,
    CREDENTIAL_BYTES_MAX,
    CREDENTIALS_KEPT_MAX,
    DEMO_ISSUER,
    Access,
    Caller,
    Credential,
    Tier,
    issue_credential,
)
from api.errors import AccessError
from ledger.canonical import Json, b64url, encode
from ledger.seed_key import SeedKey
from ledger.token import public_key_of, thumbprint
from tests.api.doors import ORIGIN, Doors, fine
from tests.world import DAIRY, MARKET, rows_of_all_tables, seed_of

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
ISSUER = "https://login.test"
SEED = seed_of("credential issuer")


def access(*, issuer: str = ISSUER) -> Access:
    return Access({issuer: public_key_of(SEED)}, audience=ORIGIN)


def credential(**changes: object) -> Credential:
    claims: dict[str, object] = {
        "issuer": ISSUER,
        "audience": ORIGIN,
        "subject": MARKET.label(),
        "tier": Tier.AUTHORITY,
        "issued_at": int(NOW.timestamp()),
        "expires_at": int(NOW.timestamp()) + 60,
        "reference": "c-1",
    }
    return Credential(**{**claims, **changes})  # type: ignore[arg-type]


def signed(payload: Json, *, header: dict[str, str] | None = None, seed: bytes = SEED) -> str:
    """Any payload under any header, signed all the same."""
    kid = thumbprint(public_key_of(seed))
    full: Json = {"alg": "Ed25519", "kid": kid, "typ": "at+jwt", **(header or {})}
    signing_input = f"{b64url(encode(full))}.{b64url(encode(payload))}"
    return f"{signing_input}.{b64url(SigningKey(seed).sign(signing_input.encode()).signature)}"


def judged(token: str | None, *, by: Access | None = None, at: datetime = NOW) -> Caller:
    return (by or access()).caller(None if token is None else f"Bearer {token}", at=at)


def test_what_an_issuer_signed_says_who_asks() -> None:
    token = issue_credential(credential(), SeedKey(SEED))
    assert judged(token) == Caller(Tier.AUTHORITY, MARKET.label())
    assert judged(None) == Caller(Tier.PUBLIC)


def test_a_credential_that_is_known_is_still_judged_by_the_clock() -> None:
    judge = access()
    token = issue_credential(credential(), SeedKey(SEED))
    assert judged(token, by=judge).tier is Tier.AUTHORITY
    with pytest.raises(AccessError) as refusal:
        judged(token, by=judge, at=NOW + timedelta(seconds=60))
    assert refusal.value.code == "ACCESS_TOKEN_EXPIRED"


def test_a_credential_that_fell_out_of_memory_is_verified_again() -> None:
    judge = access()
    kept = issue_credential(credential(), SeedKey(SEED))
    assert judged(kept, by=judge).tier is Tier.AUTHORITY
    for number in range(CREDENTIALS_KEPT_MAX):
        judged(issue_credential(credential(reference=f"c-{number + 2}"), SeedKey(SEED)), by=judge)
    assert judged(kept, by=judge).tier is Tier.AUTHORITY
    forged = kept[:-4] + ("AAAA" if kept[-4:] != "AAAA" else "BBBB")
    with pytest.raises(AccessError):
        judged(forged, by=judge)


CLAIMS: dict[str, Json] = dict(credential().claims())


@pytest.mark.parametrize(
    ("token", "code"),
    [
        pytest.param("", "ACCESS_TOKEN_MALFORMED", id="an empty token"),
        pytest.param("abc", "ACCESS_TOKEN_MALFORMED", id="no three parts"),
        pytest.param("a.b.c", "ACCESS_TOKEN_MALFORMED", id="three parts of nothing"),
        pytest.param(signed([1]), "ACCESS_TOKEN_MALFORMED", id="claims that are a list"),
        pytest.param(
            signed({**CLAIMS, "more": 1}), "ACCESS_TOKEN_MALFORMED", id="a claim too many"
        ),
        pytest.param(
            signed({name: value for name, value in CLAIMS.items() if name != "jti"}),
            "ACCESS_TOKEN_MALFORMED",
            id="a claim too few",
        ),
        pytest.param(
            signed({**CLAIMS, "tier": "public"}), "ACCESS_TOKEN_MALFORMED", id="the public tier"
        ),
        pytest.param(
            signed({**CLAIMS, "tier": "root"}), "ACCESS_TOKEN_MALFORMED", id="a tier of its own"
        ),
        pytest.param(
            signed({**CLAIMS, "sub": "me"}), "ACCESS_TOKEN_MALFORMED", id="a subject without label"
        ),
        pytest.param(
            signed({**CLAIMS, "exp": "later"}), "ACCESS_TOKEN_MALFORMED", id="an end that is text"
        ),
        pytest.param(
            signed({**CLAIMS, "exp": True}), "ACCESS_TOKEN_MALFORMED", id="an end that is true"
        ),
        pytest.param(
            signed({**CLAIMS, "iss": 7}), "ACCESS_TOKEN_MALFORMED", id="an issuer without name"
        ),
        pytest.param(
            signed(CLAIMS, header={"typ": "JWT"}), "ACCESS_TOKEN_MALFORMED", id="another type"
        ),
        pytest.param(
            signed(CLAIMS, header={"kid": "1"}), "ACCESS_TOKEN_MALFORMED", id="another key ID"
        ),
        pytest.param(
            signed(CLAIMS, header={"alg": "EdDSA"}),
            "ACCESS_TOKEN_MALFORMED",
            id="another algorithm's name",
        ),
        pytest.param(
            signed(
                CLAIMS,
                seed=seed_of("somebody"),
                header={"kid": thumbprint(public_key_of(SEED))},
            ),
            "ACCESS_TOKEN_MALFORMED",
            id="signed by somebody else",
        ),
        pytest.param(
            signed({**CLAIMS, "iss": "https://other.test"}),
            "ACCESS_ISSUER_UNKNOWN",
            id="an issuer nobody believes",
        ),
        pytest.param(
            signed({**CLAIMS, "iss": DEMO_ISSUER}),
            "ACCESS_DEMO_ISSUER_REFUSED",
            id="the demonstration's issuer outside the demonstration",
        ),
        pytest.param(
            signed({**CLAIMS, "aud": "another.log"}), "ACCESS_AUDIENCE_WRONG", id="another log"
        ),
        pytest.param(
            signed({**CLAIMS, "exp": int(NOW.timestamp())}), "ACCESS_TOKEN_EXPIRED", id="at its end"
        ),
        pytest.param(
            signed({**CLAIMS, "iat": int(NOW.timestamp()) + CLOCK_SKEW_S + 1}),
            "ACCESS_TOKEN_EXPIRED",
            id="before it begins",
        ),
    ],
)
def test_every_other_credential_is_refused(token: str, code: str) -> None:
    with pytest.raises(AccessError) as refusal:
        judged(token)
    assert refusal.value.code == code
    assert token not in refusal.value.message or not token


def test_a_clock_that_runs_ahead_a_little_is_borne() -> None:
    ahead = signed({**CLAIMS, "iat": int(NOW.timestamp()) + CLOCK_SKEW_S})
    assert judged(ahead).tier is Tier.AUTHORITY


def test_a_credential_has_a_longest_form() -> None:
    def token_of(reference_characters: int) -> str:
        return signed({**CLAIMS, "jti": "x" * reference_characters})

    room = CREDENTIAL_BYTES_MAX - len(token_of(0))
    longest = max(n for n in range(room) if len(token_of(n)) <= CREDENTIAL_BYTES_MAX)
    assert judged(token_of(longest)).tier is Tier.AUTHORITY
    with pytest.raises(AccessError) as refusal:
        judged(token_of(longest + 1))
    assert refusal.value.path == ("headers", "authorization")


@pytest.mark.parametrize("header", ["Basic eHg6eHg=", "Bearer", "token abc"])
def test_every_other_scheme_is_refused(header: str) -> None:
    with pytest.raises(AccessError) as refusal:
        access().caller(header, at=NOW)
    assert refusal.value.code == "ACCESS_TOKEN_MALFORMED"


def test_a_token_without_a_signature_is_refused() -> None:
    header = b64url(
        encode({"alg": "none", "kid": thumbprint(public_key_of(SEED)), "typ": "at+jwt"})
    )
    with pytest.raises(AccessError) as refusal:
        judged(f"{header}.{b64url(encode(CLAIMS))}.")
    assert refusal.value.code == "ACCESS_TOKEN_MALFORMED"


def test_an_enterprise_sees_all_of_itself_and_an_authority_all_of_everybody() -> None:
    own = Caller(Tier.ENTERPRISE, DAIRY.label())
    assert own.sees_all_of(DAIRY.label())
    assert not own.sees_all_of(MARKET.label())
    assert not Caller(Tier.BANK, DAIRY.label()).sees_all_of(DAIRY.label())
    assert not Caller(Tier.PUBLIC).sees_all_of(DAIRY.label())
    assert Caller(Tier.AUTHORITY, MARKET.label()).sees_all_of(DAIRY.label())


@pytest.mark.parametrize("path", ["/graphql", "/entries"])
async def test_a_bad_credential_is_401_at_every_door_and_writes_nothing(
    doors: Doors, path: str
) -> None:
    held = await rows_of_all_tables(doors.service.database)
    statement = doors.draft(fine())
    answer = await doors.client.post(
        path,
        content=statement.presentation,
        headers={"Content-Type": "application/sd-jwt", "Authorization": "Bearer a.b.c"},
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "ACCESS_TOKEN_MALFORMED"
    assert await rows_of_all_tables(doors.service.database) == held


@pytest.mark.parametrize("tier", ["public", "enterprise", "bank"])
async def test_entries_are_taken_from_authorities_alone(doors: Doors, tier: str) -> None:
    held = await rows_of_all_tables(doors.service.database)
    answer = await doors.client.post(
        "/entries",
        content=doors.draft(fine()).presentation,
        headers={"Content-Type": "application/sd-jwt", **doors.credential(tier)},
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "ACCESS_FORBIDDEN")
    assert await rows_of_all_tables(doors.service.database) == held
