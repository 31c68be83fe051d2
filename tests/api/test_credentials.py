"""`xin credential`: RFC 9068 in the profile of `api.access`, from the operator's own hand."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from api.access import Access, Tier
from api.credentials import DAYS_MAX, ISSUER, CredentialRefused
from api.custody import custody_of
from api.errors import AudienceWrong, IssuerUnknown
from api.openings import OPERATOR_LABEL
from api.settings import Settings
from ledger.token import public_jwk
from tests.api.homes import Home
from tests.world import DAIRY, MARKET, PERSON


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Home:
    """A founded log outside of any demonstration, whose settings name another origin by now."""
    home = Home(tmp_path / "home", database_url, more={"XIN_DEMO": ""})
    home.ok("init", "--operator", "tests")
    return home.with_settings(XIN_ORIGIN="another.example/log")


def access(settings: Settings, audience: str) -> Access:
    return Access(settings.credential_issuers, audience=audience)


def test_a_credential_opens_what_its_tier_opens_where_its_issuer_is_named(home: Home) -> None:
    given = json.loads(home.ok("credential", "give", MARKET.identifier, "--tier", "bank", "--json"))
    file = home.folder / "tokens" / "bank.jwt"
    assert (given["file"], given["holder"], given["tier"]) == (str(file), MARKET.label(), "bank")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    header = f"Bearer {file.read_text().strip()}"
    now = datetime.now(UTC)
    with pytest.raises(IssuerUnknown):
        access(home.settings, "localhost/xinyuan").caller(header, at=now)
    believed = home.ok("credential", "issuers").strip()
    settings = home.with_settings(XIN_CREDENTIAL_ISSUERS=believed).settings
    # The log has the name that it was founded under, whatever the settings say since.
    caller = access(settings, "localhost/xinyuan").caller(header, at=now)
    assert (caller.tier, caller.subject) == (Tier.BANK, MARKET.label())
    with pytest.raises(AudienceWrong):
        access(settings, "another.example/log").caller(header, at=now)
    until = datetime.fromisoformat(given["expires_at"])
    assert timedelta(days=29) < until - now < timedelta(days=31)


def test_the_setting_keeps_the_issuers_that_it_names_already(home: Home) -> None:
    other = public_jwk(bytes(range(32)))
    named = home.with_settings(
        XIN_CREDENTIAL_ISSUERS=json.dumps({"https://idp": other}, separators=(",", ":"))
    )
    believed = named.ok("credential", "issuers").strip()
    key = custody_of(home.settings).get("credentials")
    assert json.loads(believed) == {"https://idp": other, ISSUER: public_jwk(key.public_key)}
    assert (
        named.with_settings(XIN_CREDENTIAL_ISSUERS=believed).ok("credential", "issuers").strip()
        == believed
    )


def test_the_operators_credential_opens_the_openings_of_a_server(
    home: Home, tmp_path: Path
) -> None:
    believed = home.ok("credential", "issuers").strip()
    home.ok("credential", "give", "operator", "--tier", "authority", "--days", 1)
    market = tmp_path / "market.jwt"
    home.ok("credential", "give", MARKET.identifier, "--tier", "authority", "-o", market)
    assert home.operator_token.read_text() != market.read_text()
    server = home.with_settings(XIN_CREDENTIAL_ISSUERS=believed, XIN_DOORS="0")
    with server.shown(writes=True) as address:
        for file, status in ((home.operator_token, 200), (market, 403)):
            token = file.read_text().strip()
            answer = httpx.get(
                f"{address}/openings?first=0",
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
            )
            assert answer.status_code == status
    assert (
        json.loads(home.ok("credential", "give", "operator", "--tier", "authority", "--json"))[
            "holder"
        ]
        == OPERATOR_LABEL
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param((DAIRY.identifier, "--tier", "public"), CredentialRefused.code, id="public"),
        pytest.param(("operator", "--tier", "bank"), CredentialRefused.code, id="the operator's"),
        pytest.param(
            (DAIRY.identifier, "--tier", "bank", "--days", 0), CredentialRefused.code, id="no day"
        ),
        pytest.param(
            (DAIRY.identifier, "--tier", "bank", "--days", DAYS_MAX + 1),
            CredentialRefused.code,
            id="too long",
        ),
        pytest.param(("nobody", "--tier", "bank"), "LEDGER_IDENTIFIER_INVALID", id="no identifier"),
        pytest.param(
            (PERSON.identifier, "--tier", "bank"),
            "EXPORT_NOT_EXPORTABLE",
            id="a person whom nobody bound",
        ),
    ],
)
def test_what_nobody_should_have_is_not_given(
    home: Home, arguments: tuple[object, ...], code: str
) -> None:
    kept = custody_of(home.settings).names()
    assert home.xin("credential", "give", *arguments).refusal == code
    assert custody_of(home.settings).names() == kept
    assert not (home.folder / "tokens").exists()


def test_a_log_that_is_not_founded_has_nobody_to_let_in(database_url: str, tmp_path: Path) -> None:
    home = Home(tmp_path / "home", database_url)
    give = ("credential", "give", DAIRY.identifier, "--tier", "bank")
    assert home.xin(*give).refusal == "DATABASE_NOT_AT_HEAD"
    home.ok("migrate")
    assert home.xin(*give).refusal == "LEDGER_EMPTY"
    assert not (home.folder / "keys").exists()


def test_a_file_in_no_folder_is_refused(home: Home, tmp_path: Path) -> None:
    output = tmp_path / "nowhere" / "bank.jwt"
    give = ("credential", "give", DAIRY.identifier, "--tier", "bank", "-o", output)
    assert home.xin(*give).refusal == "COMMAND_FILE_REFUSED"
