"""GS1 Digital Link 1.4, GS1 Syntax Dictionary, EPC Tag Data Standard 2.0 §6, CBV 2.0 §8."""

import json
import string
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceability.errors import CheckDigitInvalid, IdentifierInvalid, UrnUnavailable
from traceability.identifiers import (
    OPAQUE_CHARACTERS_MAX,
    ORIGINAL_CHARACTERS_MAX,
    Grain,
    Identifier,
    check_digit,
)

SharedData = Callable[[str], Path]

GTIN = "https://id.gs1.org/01/09506000134352"


def test_every_sample_link_gets_the_verdict_of_the_syntax_engine(shared_data: SharedData) -> None:
    samples = json.loads(shared_data("epcis/identifiers/digital_link_samples.json").read_text())
    assert len(samples) == 24
    for sample in samples:
        if not sample["valid"]:
            with pytest.raises((IdentifierInvalid, CheckDigitInvalid)):
                Identifier.parse(sample["input"])
            continue
        identifier = Identifier.parse(sample["input"])
        # Attributes describe and do not name: the samples keep them, a name leaves them out.
        assert identifier.canonical == sample["canonical"].partition("?")[0]
        assert sample["element_string"].startswith(identifier.element_string)
        assert identifier.original == sample["input"]


def test_every_sample_urn_translates_both_ways(shared_data: SharedData) -> None:
    path = "epcis/identifiers/urn_to_digital_link_samples.json"
    samples = json.loads(shared_data(path).read_text())
    assert len(samples) == 10
    for sample in samples:
        identifier = Identifier.parse(sample["urn"])
        assert identifier.canonical == sample["digital_link"]
        assert Identifier.parse(identifier.canonical).epc_urn(7) == sample["urn"]


@pytest.mark.parametrize(
    ("urn", "link"),
    [
        ("urn:epc:id:gsrn:9506000.0000000012", "/8018/"),
        ("urn:epc:id:gsrnp:9506000.0000000012", "/8017/"),
        ("urn:epc:id:gsin:9506000.000000012", "/402/"),
        ("urn:epc:id:ginc:9506000.xyz%2F11", "/401/9506000xyz%2F11"),
        ("urn:epc:id:cpi:9506000.PQ7%2FZ43.12345", "/8010/9506000PQ7%2FZ43/8011/12345"),
        ("urn:epc:idpat:cpi:9506000.PQ7%2FZ43.*", "/8010/9506000PQ7%2FZ43"),
        ("urn:epc:id:itip:9506000.013435.01.02.X1", "/8006/095060001343520102/21/X1"),
        ("urn:epc:idpat:itip:9506000.013435.01.02.*", "/8006/095060001343520102"),
        ("urn:epc:id:upui:9506000.013435.T%2FP", "/01/09506000134352/235/T%2FP"),
        ("urn:epc:idpat:grai:9506000.11111.*", "/8003/09506000111117"),
        ("urn:epc:idpat:gdti:9506000.11111.*", "/253/9506000111117"),
        ("urn:epc:id:sgcn:9506000.11111.04711", "/255/950600011111704711"),
        ("urn:epc:idpat:sgcn:9506000.11111.*", "/255/9506000111117"),
        ("urn:epc:id:grai:950600011111..7", "/8003/095060001111177"),
    ],
)
def test_every_other_epc_scheme_translates_both_ways(urn: str, link: str) -> None:
    identifier = Identifier.parse(urn)
    assert link.strip("/") in identifier.canonical
    prefix_length = len(urn.split(":")[4].partition(".")[0])
    assert Identifier.parse(identifier.canonical).epc_urn(prefix_length) == urn
    assert identifier.original == urn


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param(GTIN + "/21/1/21/2", IdentifierInvalid, id="a qualifier twice"),
        pytest.param(GTIN + "/235/A/21/2", IdentifierInvalid, id="qualifiers of two sequences"),
        pytest.param(GTIN + "/10/ABC\u00e9", IdentifierInvalid, id="a letter outside ASCII"),
        pytest.param(GTIN + "/10/%C3%A9", IdentifierInvalid, id="the same, escaped"),
        pytest.param(GTIN + "/10/AB%2", IdentifierInvalid, id="a broken escape"),
        pytest.param(GTIN + "/10/A%20B", IdentifierInvalid, id="a space in a lot"),
        pytest.param(GTIN + "/10/" + "A" * 21, IdentifierInvalid, id="a lot of 21 characters"),
        pytest.param(GTIN + "?01=09506000134352", IdentifierInvalid, id="the key in the query"),
        pytest.param(GTIN + "?17=270230", IdentifierInvalid, id="30 February"),
        pytest.param(GTIN + "?11=2702", IdentifierInvalid, id="a date of four digits"),
        pytest.param("https:///01/09506000134352", IdentifierInvalid, id="a link without host"),
        pytest.param("https://id.gs1.org/415/9506000111117", IdentifierInvalid, id="415 alone"),
        pytest.param(
            "https://id.gs1.org/8006/095060001343520302", IdentifierInvalid, id="piece 3 of 2"
        ),
        pytest.param("https://id.gs1.org/8003/19506000111117", IdentifierInvalid, id="GRAI not 0"),
        pytest.param("https://id.gs1.org/414/9506000111118", CheckDigitInvalid, id="GLN check"),
        pytest.param(
            "https://id.gs1.org/8013/1987654Ad4X4bL5ttr2310c2J", CheckDigitInvalid, id="GMN check"
        ),
        pytest.param("urn:epc:id:sgtin:9506000.13435.1", IdentifierInvalid, id="12 digits in all"),
        pytest.param("urn:epc:id:sgtin:9506000.013435", IdentifierInvalid, id="no serial"),
        pytest.param("urn:epc:id:sscc:950600.1", IdentifierInvalid, id="a short SSCC"),
        pytest.param("urn:epc:idpat:sgtin:9506000.*.*", IdentifierInvalid, id="a whole company"),
        pytest.param("urn:epc:id:sgtin:9506000.013435.a/b", IdentifierInvalid, id="bare slash"),
        pytest.param("URN:EPC:id:sgtin:9506000.013435.1", IdentifierInvalid, id="capital scheme"),
        pytest.param("urn:epc:id:sgtin:９506000.013435.1", IdentifierInvalid, id="wide digit"),
        pytest.param("", IdentifierInvalid, id="nothing"),
    ],
)
def test_every_other_name_is_refused_wherever_it_stands(
    text: str, error: type[IdentifierInvalid | CheckDigitInvalid]
) -> None:
    with pytest.raises(error) as refusal:
        Identifier.parse(text)
    assert refusal.value.code == error.code
    with pytest.raises(error):
        Identifier.parse_any(text)


@pytest.mark.parametrize(
    "text",
    [
        "urn:uuid:404d95fc-9457-4a51-bd6a-0bba133845a8",
        "https://example.com/x",
        "https://example.com/orders/00/17",
        "http://epcis.example.org/hc/bizstep/summarising_discharge",
        "geo:42.698334,23.319941",
        "ni:///sha-256;00e1e6?ver=CBV2.0",
        "urn:epc:id:gid:95100000.12345.400",
    ],
)
def test_a_private_uri_stands_for_itself(text: str) -> None:
    identifier = Identifier.parse_any(text)
    assert (identifier.canonical, identifier.original) == (text, text)
    assert (identifier.key, identifier.grain) == (None, Grain.OPAQUE)
    assert identifier.finest is identifier
    with pytest.raises(UrnUnavailable):
        identifier.epc_urn(7)
    with pytest.raises(IdentifierInvalid):
        Identifier.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("https://shop.example/01/9506000134352", id="thirteen digits elsewhere"),
        pytest.param("https://shop.example/cn/01/09506000134353/21/1", id="a check digit"),
        pytest.param("https://id.gs1.org/gtin/1", id="the GS1 host"),
        pytest.param("no uri at all", id="no scheme"),
        pytest.param("https://example.com/a b", id="a space"),
    ],
)
def test_a_wrong_gs1_link_is_never_taken_for_a_private_uri(text: str) -> None:
    with pytest.raises((IdentifierInvalid, CheckDigitInvalid)):
        Identifier.parse_any(text)


def test_a_name_has_a_longest_form() -> None:
    link = GTIN + "?x="
    longest = link + "1" * (ORIGINAL_CHARACTERS_MAX - len(link))
    assert Identifier.parse(longest).canonical == GTIN
    uri = "urn:x:" + "a" * (OPAQUE_CHARACTERS_MAX - len("urn:x:"))
    assert Identifier.parse_any(uri).canonical == uri
    for beyond in (longest + "1", uri + "a"):
        with pytest.raises(IdentifierInvalid) as refusal:
            Identifier.parse_any(beyond)
        assert "more than" in refusal.value.message


def test_host_path_query_fragment_and_one_trailing_slash_mean_nothing() -> None:
    spellings = (
        GTIN + "/21/a%2fb",
        "http://shop.example:8080/cn/tea/01/09506000134352/21/a%2Fb/?linkType=gs1:pip&11=260200#x",
        "HTTPS://ID.GS1.ORG/01/09506000134352/21/%61%2Fb",
    )
    assert {Identifier.parse(text).canonical for text in spellings} == {GTIN + "/21/a%2Fb"}


def test_a_link_with_lot_and_serial_implies_unit_lot_and_product() -> None:
    identifier = Identifier.parse(GTIN + "/22/2A/10/L1/21/S1")
    assert identifier.grain is Grain.UNIT
    assert identifier.finest.canonical == GTIN + "/21/S1"
    assert identifier.unit is not None
    assert identifier.unit.canonical == GTIN + "/21/S1"
    assert identifier.lot is not None
    assert identifier.lot.canonical == GTIN + "/10/L1"
    assert identifier.lot.grain is Grain.LOT
    assert identifier.product is not None
    assert identifier.product.canonical == GTIN
    assert identifier.product.grain is Grain.PRODUCT
    assert Identifier.parse(GTIN + "/22/2A").finest.canonical == GTIN


def test_a_name_without_these_parts_implies_none_of_them() -> None:
    pallet = Identifier.parse("https://id.gs1.org/00/106141412345678908")
    assert (pallet.unit, pallet.lot, pallet.product) == (None, None, None)


@pytest.mark.parametrize(
    ("path", "grain"),
    [
        ("/00/106141412345678908", Grain.SHIPMENT),
        ("/414/9506000111117/254/A", Grain.PLACE),
        ("/417/9506000111117", Grain.PARTY),
        ("/8003/09506000111117", Grain.PRODUCT),
        ("/8003/095060001111177", Grain.UNIT),
        ("/253/9506000111117", Grain.PRODUCT),
        ("/253/9506000111117CERT1", Grain.UNIT),
        ("/8004/9506000AB", Grain.UNIT),
        ("/8010/9506000AB/8011/1", Grain.UNIT),
        ("/8010/9506000AB", Grain.PRODUCT),
        ("/8013/1987654Ad4X4bL5ttr2310c2K", Grain.PRODUCT),
    ],
)
def test_the_grain_follows_from_the_key_and_its_serial(path: str, grain: Grain) -> None:
    assert Identifier.parse("https://id.gs1.org" + path).grain is grain


@pytest.mark.parametrize(
    ("path", "length"),
    [
        pytest.param("/01/09506000134352/10/L/21/S", 7, id="lot and serial together"),
        pytest.param("/01/09506000134352/22/A", 7, id="a consumer product variant"),
        pytest.param("/8013/1987654Ad4X4bL5ttr2310c2K", 7, id="a global model number"),
        pytest.param("/01/09506000134352", 5, id="a company prefix of five digits"),
    ],
)
def test_what_epc_has_no_urn_for_is_said_so(path: str, length: int) -> None:
    with pytest.raises(UrnUnavailable) as refusal:
        Identifier.parse("https://id.gs1.org" + path).epc_urn(length)
    assert refusal.value.code == "TRACE_URN_UNAVAILABLE"


SERIALS = st.text("!\"%&'()*+,-./:;<=>?_" + string.ascii_letters + string.digits, min_size=1)


@given(
    body=st.text(string.digits, min_size=13, max_size=13),
    serial=SERIALS.filter(lambda text: len(text) <= 20),
    qualifier=st.sampled_from(["10", "21"]),
    length=st.integers(6, 12),
)
def test_any_unit_or_lot_survives_both_translations(
    body: str, serial: str, qualifier: str, length: int
) -> None:
    link = f"https://id.gs1.org/01/{body}{check_digit(body)}/{qualifier}/{quote(serial, safe='')}"
    identifier = Identifier.parse(link)
    assert identifier.canonical == link
    assert identifier.elements[1] == (qualifier, serial)
    assert Identifier.parse(identifier.epc_urn(length)).canonical == link


@given(st.text(string.digits, min_size=13, max_size=13), st.integers(0, 12), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(body: str, place: int, offset: int) -> None:
    wrong = body[:place] + str((int(body[place]) + offset) % 10) + body[place + 1 :]
    with pytest.raises(CheckDigitInvalid):
        Identifier.parse(f"https://id.gs1.org/01/{wrong}{check_digit(body)}")
