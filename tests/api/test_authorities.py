"""`xin keys begin` and `xin mandate`: an authority enters a log, with a server and without."""

import asyncio
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from xinyuan.proof import verify

from api.authorities import (
    PUBLIC_KEY_BYTES_MAX,
    AuthorityUnknown,
    begin_key,
    next_mandate,
    read_public_key,
)
from api.controls import Stated, known, state_controls
from api.custody import custody_of
from api.service import Service
from api.submission import SD_JWT
from ledger.admission import Submission
from ledger.control import ControlContent, KeyBegin, Mandate, issue_control
from ledger.entries import Entries
from ledger.errors import ControlInvalid, DuplicateConflict, KeyNotKept
from ledger.identity import SubjectLabel
from ledger.salts import fresh_salts
from ledger.seed_key import SeedKey
from ledger.statement import issue
from ledger.token import public_jwk
from tests.api.doors import fine
from tests.api.homes import Home
from tests.world import DAIRY, MARKET, REGISTRY, draft_about

NAME = ("--name", "en=Market")
FIRST = 3
"""After the genesis, and key and mandate of the door."""


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Home:
    """A founded log with no authority."""
    home = Home(tmp_path / "home", database_url)
    home.ok("init", "--operator", "tests")
    return home


@contextmanager
def written_by(home: Home, *, server: bool) -> Iterator[None]:
    """The command writes by itself, or a server of another process does."""
    if not server:
        yield
        return
    home.ok("keys", "begin", REGISTRY.identifier, "--name", "en=Registry")
    home.ok("credential", "give", REGISTRY.identifier, "--tier", "authority")
    believed = home.ok("credential", "issuers").strip()
    with home.with_settings(XIN_CREDENTIAL_ISSUERS=believed).serving():
        yield


def told(home: Home, *arguments: object) -> dict[str, object]:
    """What a command says of the log, as JSON."""
    members = json.loads(home.ok(*arguments, "--json"))
    assert isinstance(members, dict)
    return members


def in_force(home: Home, issuer: SubjectLabel) -> tuple[list[str], set[str] | None]:
    """Thumbprints of the keys that sign for an issuer, and its mandate."""

    async def read() -> tuple[list[str], set[str] | None]:
        async with home.database() as database, database.reading() as session:
            entries = Entries(session)
            known = await entries.authorities((await entries.head()).tree_size)
        signing = [one for one in known.keys.values() if one.issuer == issuer]
        kinds = known.mandates.get(issuer)
        kids = [one.kid for one in signing if one.ended_index is None]
        return kids, None if kinds is None else set(kinds)

    return asyncio.run(read())


def own_key(name: str = "own") -> SeedKey:
    """A key that an authority made for itself."""
    return SeedKey.of(name, secrets.token_bytes(32))


def jwk_of(key: SeedKey) -> str:
    """Its public half, as the authority hands it over."""
    return json.dumps(public_jwk(key.public_key))


def keys_of(home: Home) -> list[str]:
    """The names of all keys that are kept here."""
    return [*custody_of(home.settings).names()]


@pytest.mark.parametrize("server", [False, True], ids=["alone", "beside a server"])
def test_an_authority_enters_once_with_a_key_kept_here(home: Home, server: bool) -> None:
    with written_by(home, server=server):
        first = home.tree_size()
        command = ("keys", "begin", MARKET.identifier, *NAME, "--kinds", "inspection,enforcement")
        begun = told(home, *command)
        kid = custody_of(home.settings).get(MARKET.label()).kid
        assert begun == {
            "custodial": True,
            "duplicate": False,
            "issuer": MARKET.label(),
            "kid": kid,
            "leaf_index": first,
            "mandate": {
                "duplicate": False,
                "issuer": MARKET.label(),
                "kinds": ["enforcement", "inspection"],
                "leaf_index": first + 1,
            },
        }
        assert in_force(home, MARKET.label()) == ([kid], {"enforcement", "inspection"})
        assert home.ok(*command).splitlines() == [
            f"entry {first}, known before: key {kid}, kept here, signs for {MARKET.label()}",
            f"entry {first + 1}, known before: {MARKET.label()} may state enforcement, inspection",
        ]
        assert home.tree_size() == first + 2
    assert home.audited()[0] == first + 2


@pytest.mark.parametrize("server", [False, True], ids=["alone", "beside a server"])
def test_an_authority_enters_with_its_own_key(home: Home, tmp_path: Path, server: bool) -> None:
    key = own_key()
    file = tmp_path / "market.jwk"
    file.write_text(f"{json.dumps(json.loads(jwk_of(key)), indent=2)}\n")
    with written_by(home, server=server):
        first, kept = home.tree_size(), keys_of(home)
        begun = told(home, "keys", "begin", MARKET.identifier, *NAME, "--public-key", file)
        assert (begun["kid"], begun["custodial"], begun["mandate"]) == (key.kid, False, None)
        again = told(home, "keys", "begin", MARKET.identifier, *NAME, "--public-key", jwk_of(key))
        assert again == {**begun, "duplicate": True}
        assert (home.tree_size(), keys_of(home)) == (first + 1, kept)
        assert in_force(home, MARKET.label()) == ([key.kid], None)
    home.audited()


def test_what_an_authority_signs_with_its_own_key_enters_as_its_mandate_says(
    home: Home, tmp_path: Path
) -> None:
    key, token = own_key(), tmp_path / "market.jwt"
    begin = ("keys", "begin", MARKET.identifier, *NAME, "--public-key", jwk_of(key))
    home.ok(*begin, "--kinds", "enforcement")
    home.ok("credential", "give", MARKET.identifier, "--tier", "authority", "-o", token)
    believed = home.ok("credential", "issuers").strip()
    first = home.tree_size()

    def post(address: str, jti: str) -> dict[str, object]:
        now = int(datetime.now(UTC).timestamp())
        draft = draft_about(DAIRY, fine(), {}, issuer=MARKET, jti=jti, issued_at=now)
        answer = httpx.post(
            f"{address}/entries",
            content=issue(draft, key, fresh_salts()).presentation,
            headers={
                "Content-Type": SD_JWT,
                "Authorization": f"Bearer {token.read_text().strip()}",
            },
            trust_env=False,
        ).json()
        assert isinstance(answer, dict)
        return answer

    server = home.with_settings(XIN_CREDENTIAL_ISSUERS=believed)
    with server.shown(writes=True) as address:
        assert post(address, "F-1")["leaf_index"] == first
    home.ok("mandate", MARKET.identifier, "--withdraw")
    with server.shown(writes=True) as address:
        assert post(address, "F-2")["code"] == "LEDGER_MANDATE_MISSING"
        assert post(address, "F-1")["duplicate"] is True
    home.ok("mandate", MARKET.identifier, "--kinds", "enforcement")
    home.ok("keys", "end", MARKET.identifier, key.kid)
    with server.shown(writes=True) as address:
        assert post(address, "F-2")["code"] == "LEDGER_KEY_ENDED"
    home.ok("export", "statement", first, "-o", tmp_path / "proof.json")
    verified = verify(
        (tmp_path / "proof.json").read_bytes(), home.ok("init", "--operator", "x").strip()
    )
    (entry,) = verified.entries
    assert (entry.signer.key.thumbprint, entry.signer.custodial) == (key.kid, False)
    assert home.audited()[0] == first + 4


@pytest.mark.parametrize("server", [False, True], ids=["alone", "beside a server"])
def test_a_mandate_is_replaced_withdrawn_and_given_again(home: Home, server: bool) -> None:
    with written_by(home, server=server):
        home.ok("keys", "begin", MARKET.identifier, *NAME, "--kinds", "inspection")
        first = home.tree_size()
        steps = [
            (("--kinds", "ip-case,inspection,ip-case"), {"inspection", "ip-case"}),
            (("--withdraw",), set()),
            # What was in force before is in force again: a new entry, and not the old one.
            (("--kinds", "inspection"), {"inspection"}),
        ]
        for position, (options, kinds) in enumerate(steps):
            mandated = told(home, "mandate", MARKET.identifier, *options)
            assert (mandated["leaf_index"], mandated["duplicate"]) == (first + position, False)
            assert mandated == {
                **told(home, "mandate", MARKET.identifier, *options),
                "duplicate": False,
            }
            assert in_force(home, MARKET.label())[1] == kinds == set(mandated["kinds"])  # type: ignore[call-overload]
        assert home.tree_size() == first + 3
        refused = home.xin("mandate", MARKET.identifier, "--kinds", "inspection,nonsense")
        assert refused.refusal == ControlInvalid.code
        assert "'nonsense' is no kind" in refused.err
        assert home.tree_size() == first + 3
    home.audited()


async def test_the_second_of_two_who_replace_a_mandate_is_refused(home: Home) -> None:
    begun = await begin_key(home.settings, MARKET.identifier, names={"en": "M"}, kinds=["ip-case"])
    assert begun.mandated is not None
    log = await known(home.settings, MARKET.identifier)
    root = custody_of(home.settings).get("root")
    # Both decide from the same log.
    first, second = (next_mandate(log, [kind]) for kind in ("inspection", "enforcement"))
    (stated,) = await state_controls(home.settings, dict([first]), root)
    assert stated == Stated(begun.mandated.entry.leaf_index + 1, duplicate=False)
    with pytest.raises(DuplicateConflict):
        await state_controls(home.settings, dict([second]), root)
    log = await known(home.settings, MARKET.identifier)
    assert log.authorities.mandates[MARKET.label()] == {"inspection"}


def test_a_key_that_a_crash_left_unstated_is_taken_up(home: Home) -> None:
    made = custody_of(home.settings).create(MARKET.label())
    assert told(home, "keys", "begin", MARKET.identifier, *NAME)["kid"] == made.kid
    assert keys_of(home).count(MARKET.label()) == 1


def test_after_an_end_another_key_is_begun_and_the_ended_one_is_not(home: Home) -> None:
    own = own_key()
    begin = ("keys", "begin", MARKET.identifier, *NAME)
    first = str(told(home, *begin)["kid"])
    home.ok(*begin, "--public-key", jwk_of(own))
    for kid in (first, own.kid):
        home.ok("keys", "end", MARKET.identifier, kid)
    assert in_force(home, MARKET.label()) == ([], None)
    held = home.rows()
    ended = home.xin(*begin, "--public-key", jwk_of(own))
    assert ended.refusal == "LEDGER_KEY_ENDED"
    assert home.rows() == held
    second = str(told(home, *begin)["kid"])
    assert second == custody_of(home.settings).get(f"{MARKET.label()}-2").kid
    assert in_force(home, MARKET.label()) == ([second], None)
    # In force is in force, though its file was lost: `xin keys rotate-issuer` is for that.
    (home.settings.keys_folder / f"{MARKET.label()}-2.key").unlink()
    assert told(home, *begin)["kid"] == second


def test_what_somebody_else_stated_is_known_under_its_own_reference(home: Home) -> None:
    own = own_key()

    async def state() -> None:
        async with Service.opened(home.settings, writes=True) as service:
            contents: dict[str, ControlContent] = {
                "office-1": KeyBegin(
                    MARKET.label(), own.public_key, custodial=False, names={"en": "Market"}
                ),
                "office-2": Mandate(MARKET.label(), ("inspection",)),
            }
            for jti, content in contents.items():
                root = service.keystore.get("root")
                body = issue_control(content, key=root, jti=jti, issued_at=1)
                await service.writer.submit(Submission((body,)))

    asyncio.run(state())
    begin = ("keys", "begin", MARKET.identifier, "--public-key", jwk_of(own))
    begun = told(home, *begin, *NAME, "--kinds", "inspection")
    assert (begun["leaf_index"], begun["duplicate"]) == (FIRST, True)
    assert begun["mandate"] == {
        "duplicate": True,
        "issuer": MARKET.label(),
        "kinds": ["inspection"],
        "leaf_index": FIRST + 1,
    }
    # Under another name it is another entry, and a key begins once.
    assert home.xin(*begin, "--name", "en=Another").refusal == ControlInvalid.code
    assert home.tree_size() == FIRST + 2


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param(
            (MARKET.identifier, "--name", "fr=Marché"), ControlInvalid.code, id="language"
        ),
        pytest.param((MARKET.identifier, "--name", "en="), ControlInvalid.code, id="no name"),
        pytest.param(
            (MARKET.identifier, "--name", f"en={'x' * 201}"), ControlInvalid.code, id="a long name"
        ),
        pytest.param(
            (MARKET.identifier, *NAME, "--kinds", "inspection,"), ControlInvalid.code, id="kinds"
        ),
        pytest.param(
            (MARKET.identifier[:-1] + "0", *NAME), "LEDGER_IDENTIFIER_INVALID", id="check"
        ),
        pytest.param(("x" * 43, *NAME), "LEDGER_LABEL_INVALID", id="no label"),
        pytest.param(
            (MARKET.identifier, *NAME, "--public-key", "{}"), ControlInvalid.code, id="an empty JWK"
        ),
        pytest.param(
            (MARKET.identifier, *NAME, "--public-key", "nowhere.jwk"),
            "COMMAND_FILE_REFUSED",
            id="a file that is not there",
        ),
        pytest.param(
            (MARKET.identifier, *NAME, "--root-agent", "nowhere.sock"),
            "LEDGER_KEY_AGENT_AWAY",
            id="no agent",
        ),
    ],
)
def test_what_is_no_authority_is_refused_and_nothing_is_made(
    home: Home, options: tuple[str, ...], code: str
) -> None:
    held, kept = home.rows(), keys_of(home)
    assert home.xin("keys", "begin", *options).refusal == code
    assert (home.rows(), keys_of(home)) == (held, kept)


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "begin", MARKET.identifier),
        ("keys", "begin", MARKET.identifier, "--name", "Market"),
        ("keys", "begin", MARKET.identifier, *NAME, *NAME),
        ("mandate", MARKET.identifier),
        ("mandate", MARKET.identifier, "--kinds", "filing", "--withdraw"),
    ],
    ids=["no name", "no language", "a language twice", "neither", "both"],
)
def test_wrong_usage_makes_nothing(home: Home, arguments: tuple[str, ...]) -> None:
    held, kept = home.rows(), keys_of(home)
    assert home.xin(*arguments).code == 2
    assert (home.rows(), keys_of(home)) == (held, kept)


def test_an_issuer_without_a_key_has_no_mandate(home: Home) -> None:
    held = home.rows()
    refused = home.xin("mandate", DAIRY.identifier, "--kinds", "inspection")
    assert refused.refusal == AuthorityUnknown.code
    assert home.rows() == held


def test_without_the_root_key_nothing_is_begun(home: Home, tmp_path: Path) -> None:
    (home.settings.keys_folder / "root.key").rename(tmp_path / "root.key")
    held, kept = home.rows(), keys_of(home)
    assert home.xin("keys", "begin", MARKET.identifier, *NAME).refusal == KeyNotKept.code
    assert (home.rows(), keys_of(home)) == (held, kept)


def test_a_key_of_another_issuer_is_not_begun_again(home: Home) -> None:
    own = own_key()
    home.ok("keys", "begin", MARKET.identifier, *NAME, "--public-key", jwk_of(own))
    held = home.rows()
    again = home.xin("keys", "begin", REGISTRY.identifier, *NAME, "--public-key", jwk_of(own))
    assert again.refusal == "LEDGER_DUPLICATE_CONFLICT"
    assert home.rows() == held


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"crv":"Ed25519","kty":"OKP","x":"AA","x":"AA"}', id="a member twice"),
        pytest.param('{"crv":"Ed25519","kty":"OKP","x":"AA"}', id="a short key"),
        pytest.param('{"crv":"Ed25519","d":"AA","kty":"OKP","x":"AA"}', id="a private key"),
        pytest.param("{" * 900, id="no JSON"),
        pytest.param(f"{jwk_of(own_key())}{' ' * PUBLIC_KEY_BYTES_MAX}", id="too long"),
    ],
)
def test_what_is_no_public_key_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key.jwk"
    file.write_text(text)
    for given in (text, str(file)):
        with pytest.raises(ControlInvalid) as refused:
            read_public_key(given)
        assert refused.value.path[0] == "--public-key"
