"""FDA Import Refusal Report and its charge table, as statements of ARCHITECTURE §3.

Rows are the published ones; the counts are of the whole file.
"""

import gzip
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from api import refusals
from api.refusals import (
    CHARGE_COLUMNS,
    FIELD_CHARACTERS_MAX,
    REFUSAL_COLUMNS,
    Cases,
    Charge,
    ChargeUnknown,
    FirmUnfit,
    HeaderWrong,
    ImportFault,
    NumberRepeated,
    Refusal,
    RowMalformed,
    Stated,
    read_charges,
    read_refusals,
    reference_of,
    statements,
)
from ledger.identity import Identity
from ledger.kinds.shape import TEXT_MAX
from ledger.seed_key import SeedKey
from ledger.statement import Severity, check_reference

CASES = Cases(SeedKey(bytes(32)).draw)

Locate = Callable[[str], Path]


def charges_text(shared_data: Locate) -> str:
    return gzip.decompress(shared_data("cases/fda_charges.csv.gz").read_bytes()).decode()


def refusals_text(shared_data: Locate) -> str:
    path = shared_data("cases/fda_import_refusals_2020_2025.csv.gz")
    return gzip.decompress(path.read_bytes()).decode()


@pytest.fixture(scope="module")
def charges(shared_data: Locate) -> dict[int, Charge]:
    return read_charges(charges_text(shared_data))


@pytest.fixture(scope="module")
def report(shared_data: Locate, charges: dict[int, Charge]) -> list[Refusal]:
    return read_refusals(refusals_text(shared_data), charges)


@pytest.fixture(scope="module")
def stated(report: list[Refusal]) -> list[Stated]:
    return list(statements(report, CASES))


def test_every_line_is_one_statement_and_every_firm_one_filing(stated: list[Stated]) -> None:
    assert Counter(one.weighing.kind for one in stated) == {
        "enforcement": 17_363,
        "filing": 5_654,
        "inspection": 2_548,
        "fraud-case": 273,
    }


def test_references_are_unique_and_in_the_alphabet_of_jti(stated: list[Stated]) -> None:
    assert len({check_reference(one.jti) for one in stated}) == len(stated)


def test_a_suffix_beyond_the_alphabet_keeps_its_line_apart(report: list[Refusal]) -> None:
    odd = [one.number for one in report if reference_of(one.number) != one.number]
    assert odd == [
        "KM6-3610029-9-11-1-[",
        "9AJ-0861765-4-241-1-[",
        "9AJ-0861765-4-241-1-\\",
        "9AJ-0861765-4-241-1-]",
    ]
    assert reference_of(odd[2]) == "9AJ-0861765-4-241-1-:5C"


def test_lines_of_one_entry_and_document_are_one_case(stated: list[Stated]) -> None:
    cases = {one.weighing.case for one in stated if one.weighing.kind != "filing"}
    assert len(cases) == 13_979
    shipment = [one.weighing.case for one in stated if one.jti.startswith("235-2340881-5-71-")]
    assert len(shipment) == 4
    assert len(set(shipment)) == 1


def test_a_case_id_tells_nothing_without_the_key() -> None:
    assert CASES.id_of("235-2340881-5-71") == CASES.id_of("235-2340881-5-71")
    assert CASES.id_of("235-2340881-5-71") != Cases(SeedKey(bytes([1] * 32)).draw).id_of(
        "235-2340881-5-71"
    )
    assert repr(Cases(SeedKey(b"secret" + bytes(26)).draw)).find("secret") == -1


def test_the_first_line_reads_as_published(stated: list[Stated]) -> None:
    filing, first = stated[:2]
    assert filing.subject == Identity.parse("fei", "1000500626")
    assert dict(filing.particulars) == {
        "name": {"en": "MTR Foods Private Limited"},
        "country": "IN",
        "region": "Karnataka",
        "city": "Bangalore",
        "industry": "28",
        "subject": {"id": "1000500626", "scheme": "fei"},
    }
    weighing = first.weighing
    assert (first.jti, weighing.kind, weighing.code) == (
        "235-2340881-5-71-1",
        "enforcement",
        "safety",
    )
    assert (weighing.outcome, weighing.severity) == ("admission-refused", Severity.SERIOUS)
    assert weighing.decided_on == date(2020, 3, 30)
    assert weighing.basis is None
    assert first.particulars["charges"] == ["9"]
    assert first.particulars["place"] == "DWCI"


def test_text_never_outgrows_its_particular(stated: list[Stated]) -> None:
    texts = [str(one.particulars["text"]) for one in stated if one.weighing.kind != "filing"]
    assert max(len(text) for text in texts) <= TEXT_MAX
    assert sum(text.endswith("…") for text in texts) > 0


ROW = {
    "refusal_id": "235-2340881-5-71-1",
    "firm_id": "FEI1000500626",
    "firm_name": 'Sweets, "Spices" Ltd',
    "city": "Bangalore",
    "province": "Karnataka",
    "country": "IN",
    "product_code": "28FGH99",
    "product": "MIXED SPICE, GROUND",
    "refusal_date": "2020-03-30",
    "division": "DWCI",
    "fda_sample": "0",
    "private_lab": "0",
    "charge_ids": "9",
}


def written(*rows: dict[str, str]) -> str:
    lines = [",".join(REFUSAL_COLUMNS)]
    for row in rows:
        quoted = ('"' + row[column].replace('"', '""') + '"' for column in REFUSAL_COLUMNS)
        lines.append(",".join(quoted))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("fields", "kind", "code", "severity", "basis"),
    [
        pytest.param({}, "enforcement", "safety", "serious", None, id="no laboratory"),
        pytest.param({"fda_sample": "1"}, "inspection", "safety", "serious", "lab", id="FDA's"),
        pytest.param({"private_lab": "1"}, "inspection", "safety", "serious", "lab", id="private"),
        pytest.param(
            {"charge_ids": "260"}, "fraud-case", "misleading-label", "general", None, id="403(a)(1)"
        ),
        pytest.param(
            {"charge_ids": "265", "fda_sample": "1"},
            "fraud-case",
            "adulteration-or-passing-off",
            "serious",
            "lab",
            id="402(b)(2), found by a laboratory",
        ),
        pytest.param(
            {"charge_ids": "185"},
            "fraud-case",
            "adulteration-or-passing-off",
            "serious",
            None,
            id="501(d)(1)",
        ),
        pytest.param({"charge_ids": "3909"}, "fraud-case", "other", "serious", None, id="debarred"),
        pytest.param(
            {"charge_ids": "9 260"},
            "fraud-case",
            "misleading-label",
            "serious",
            None,
            id="fraud decides the kind, the gravest charge the severity",
        ),
        pytest.param(
            {"charge_ids": "16 27"}, "enforcement", "hygiene", "general", None, id="gravest decides"
        ),
        pytest.param(
            {"charge_ids": "27 27"}, "enforcement", "hygiene", "general", None, id="charged twice"
        ),
    ],
)
def test_kind_code_and_severity_follow_the_charges(
    charges: dict[int, Charge],
    fields: dict[str, str],
    kind: str,
    code: str,
    severity: str,
    basis: str | None,
) -> None:
    (refusal,) = read_refusals(written({**ROW, **fields}), charges)
    weighing = refusals.statement_of(refusal, CASES).weighing
    assert weighing.severity is not None
    found = (weighing.kind, weighing.code, weighing.severity.value, weighing.basis)
    assert found == (kind, code, severity, basis)


def test_of_equally_grave_charges_the_group_that_stands_first_decides(
    charges: dict[int, Charge],
) -> None:
    general = {
        charge.group: str(charge.number)
        for charge in charges.values()
        if charge.severity is Severity.GENERAL
    }
    ids = f"{general[refusals.Group.PERMIT]} {general[refusals.Group.HYGIENE]}"
    (refusal,) = read_refusals(written({**ROW, "charge_ids": ids}), charges)
    assert refusals.statement_of(refusal, CASES).weighing.code == "hygiene"


def test_a_firm_that_is_described_otherwise_is_filed_once_more(charges: dict[int, Charge]) -> None:
    rows = [
        {**ROW, "refusal_id": f"235-2340881-5-71-{number}", "city": city, "product_code": code}
        for number, (city, code) in enumerate(
            [("Bangalore", "28FGH99"), ("Bengaluru", "28FGH99"), ("Bangalore", "16AAA01")]
        )
    ]
    stated = list(statements(read_refusals(written(*rows), charges), CASES))
    filings = [one for one in stated if one.weighing.kind == "filing"]
    assert [one.particulars["city"] for one in filings] == ["Bangalore", "Bengaluru"]
    assert len({one.jti for one in filings}) == 2


def test_a_chinese_firm_is_known_by_its_social_credit_identifier(
    charges: dict[int, Charge],
) -> None:
    row = {**ROW, "firm_id": "91150121MA0XY0010Q", "country": "CN", "province": ""}
    stated = list(statements(read_refusals(written(row), charges), CASES))
    assert stated[0].subject == Identity.parse("uscc", "91150121MA0XY0010Q")
    assert "region" not in stated[0].particulars


@pytest.mark.parametrize(
    ("fields", "fault", "column"),
    [
        pytest.param(
            {"refusal_id": "235-234-5-71-1"}, RowMalformed, "refusal_id", id="short entry"
        ),
        pytest.param({"refusal_id": "235-2340881-5-71"}, RowMalformed, "refusal_id", id="no line"),
        pytest.param({"firm_id": "FEI"}, FirmUnfit, "firm_id", id="no digits"),
        pytest.param({"firm_id": "91150121MA0XY0010R"}, FirmUnfit, "firm_id", id="check sign"),
        pytest.param({"firm_id": "92150102MA0XY0045P"}, FirmUnfit, "firm_id", id="a person"),
        pytest.param({"firm_name": ""}, RowMalformed, "firm_name", id="no name"),
        pytest.param({"firm_name": "x" * 201}, RowMalformed, "particulars", id="a long name"),
        pytest.param({"city": ""}, RowMalformed, "particulars", id="no city"),
        pytest.param({"country": "India"}, RowMalformed, "particulars", id="no ISO code"),
        pytest.param({"product": "a\tb"}, RowMalformed, "product", id="a control character"),
        pytest.param(
            {"product": "x" * (FIELD_CHARACTERS_MAX + 1)},
            RowMalformed,
            "product",
            id="a field too long",
        ),
        pytest.param({"product_code": "A"}, RowMalformed, "product_code", id="no product code"),
        pytest.param({"refusal_date": "30/03/2020"}, RowMalformed, "refusal_date", id="slashes"),
        pytest.param(
            {"refusal_date": "2021-02-29"}, RowMalformed, "refusal_date", id="no such day"
        ),
        pytest.param({"fda_sample": "2"}, RowMalformed, "fda_sample", id="no flag"),
        pytest.param(
            {"fda_sample": "1", "private_lab": "yes"}, RowMalformed, "private_lab", id="second flag"
        ),
        pytest.param({"charge_ids": ""}, RowMalformed, "charge_ids", id="no charge"),
        pytest.param({"charge_ids": "9,11"}, RowMalformed, "charge_ids", id="commas"),
        pytest.param({"charge_ids": "8"}, ChargeUnknown, "charge_ids", id="a charge nobody knows"),
    ],
)
def test_a_bad_field_is_refused_by_line_and_column(
    charges: dict[int, Charge], fields: dict[str, str], fault: type[ImportFault], column: str
) -> None:
    good = {**ROW, "refusal_id": "235-2340881-5-71-2"}
    with pytest.raises(fault) as refused:
        list(statements(read_refusals(written(good, {**ROW, **fields}), charges), CASES))
    assert refused.value.path[:2] == (3, column)
    assert "line 3" in refused.value.message


def test_a_number_twice_is_refused(charges: dict[int, Charge], shared_data: Locate) -> None:
    with pytest.raises(NumberRepeated) as refused:
        read_refusals(written(ROW, ROW), charges)
    assert refused.value.path == (3, "refusal_id")
    text = charges_text(shared_data)
    with pytest.raises(NumberRepeated):
        read_charges(text + text.splitlines()[1] + "\n")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        pytest.param("", HeaderWrong, id="nothing"),
        pytest.param(",".join(CHARGE_COLUMNS) + "\n", HeaderWrong, id="the other table"),
        pytest.param(written(ROW) + "a,b\n", RowMalformed, id="two fields"),
        pytest.param(written(ROW) + '"open', RowMalformed, id="a quote never closed"),
    ],
)
def test_what_is_no_table_of_refusals_is_refused(
    charges: dict[int, Charge], text: str, fault: type[ImportFault]
) -> None:
    with pytest.raises(fault):
        read_refusals(text, charges)


def test_a_charge_of_an_unknown_group_is_refused(shared_data: Locate) -> None:
    text = charges_text(shared_data).replace(",safety,serious,1945,", ",luck,serious,1945,")
    with pytest.raises(RowMalformed) as refused:
        read_charges(text)
    assert refused.value.path == (2, "suggested_group")
