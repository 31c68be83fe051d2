"""POST /entries: finished tokens in bulk (ARCHITECTURE §4), invariant 11, both databases."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from api import lines, submission
from ledger.control import KeyBegin, issue_control
from ledger.custody import KeptKey
from ledger.entries import Entries
from ledger.identity import Identity
from tests.api.doors import Doors, fine, suspicion
from tests.world import DAIRY, MARKET, TRADER, key_of, rows_of_all_tables


def line_of(doors: Doors, *, jti: str | None = None, about: Identity = DAIRY) -> dict[str, str]:
    return {"statement": doors.draft(fine(), jti=jti, about=about).presentation}


async def test_answers_come_in_order_with_index_and_hash(doors: Doors) -> None:
    size = doors.service.writer.tree_size
    answers = await doors.entries(*[line_of(doors) for _ in range(1_100)])
    assert [answer["leaf_index"] for answer in answers] == list(range(size, size + 1_100))
    assert not any(answer["duplicate"] for answer in answers)
    async with doors.service.database.reading() as session:
        entry = await Entries(session).at(size + 700)
    assert base64.b64decode(answers[700]["leaf_hash"]) == entry.leaf_hash


async def test_what_is_sent_twice_is_answered_with_its_first_index(doors: Doors) -> None:
    line = line_of(doors, jti="NM-1")
    (first,) = await doors.entries(line)
    held = await rows_of_all_tables(doors.service.database)
    again, other = await doors.entries(line, line_of(doors, jti="NM-1"))
    assert again == {**first, "duplicate": True}
    # The same content under other salts is the same statement.
    assert other == {**first, "duplicate": True}
    (conflict,) = await doors.entries(line_of(doors, jti="NM-1", about=TRADER))
    assert conflict["error"]["code"] == "LEDGER_DUPLICATE_CONFLICT"
    assert (await rows_of_all_tables(doors.service.database))["ledger_entry"] == held[
        "ledger_entry"
    ]


async def test_one_statement_is_answered_with_one_object(doors: Doors) -> None:
    answer = await doors.client.post(
        "/entries",
        content=doors.draft(fine()).presentation,
        headers={"Content-Type": "application/sd-jwt", **doors.credential("authority")},
    )
    assert answer.status_code == 200
    assert answer.json()["leaf_index"] == doors.service.writer.tree_size - 1


async def test_one_statement_that_is_refused_is_a_problem_document(doors: Doors) -> None:
    await doors.service.followed(doors.service.writer.tree_size)
    held = await rows_of_all_tables(doors.service.database)
    statement = doors.draft(fine(), key=key_of("a stranger"))
    for content, status, code in (
        (statement.presentation, 422, "LEDGER_KEY_UNKNOWN"),
        ("x~", 422, "LEDGER_TOKEN_MALFORMED"),
        (b"\xff~", 400, "REQUEST_MALFORMED"),
        ("x" * (submission.STATEMENT_BYTES_MAX + 2), 413, "REQUEST_TOO_LARGE"),
    ):
        answer = await doors.client.post(
            "/entries",
            content=content,
            headers={"Content-Type": "application/sd-jwt", **doors.credential("authority")},
        )
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
    assert await rows_of_all_tables(doors.service.database) == held


async def test_a_body_of_another_type_is_refused(doors: Doors) -> None:
    answer = await doors.client.post(
        "/entries",
        content=b"{}",
        headers={"Content-Type": "application/json", **doors.credential("authority")},
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "REQUEST_MEDIA_TYPE")


async def test_statements_of_one_line_stand_together_or_not_at_all(doors: Doors) -> None:
    size = doors.service.writer.tree_size
    good = [doors.draft(fine(case="m-1"), about=about).presentation for about in (DAIRY, TRADER)]
    bad = doors.draft(fine(), key=key_of("a stranger")).presentation
    whole, broken = await doors.entries({"statements": good}, {"statements": [good[0], bad]})
    assert [entry["leaf_index"] for entry in whole["entries"]] == [size, size + 1]
    assert broken["error"]["code"] == "LEDGER_KEY_UNKNOWN"
    assert broken["error"]["path"][0] == 1
    assert doors.service.writer.tree_size == size + 2


def _bad_lines(doors: Doors) -> list[tuple[bytes, str]]:
    good = doors.draft(fine()).presentation
    token, *disclosures = good.split("~")

    def line(value: Mapping[str, Any]) -> bytes:
        return json.dumps(value).encode()

    return [
        (b"", "REQUEST_MALFORMED"),
        (b"\xff\xfe", "REQUEST_MALFORMED"),
        (b"{", "REQUEST_MALFORMED"),
        (b"NaN", "REQUEST_MALFORMED"),
        (b"[" * 100_000, "REQUEST_MALFORMED"),
        (b"[]", "REQUEST_MALFORMED"),
        (b"{}", "REQUEST_MALFORMED"),
        (b'{"statement":1}', "REQUEST_MALFORMED"),
        (b'{"statement":"a","statement":"b"}', "REQUEST_MALFORMED"),
        (line({"statement": good, "more": 1}), "REQUEST_MALFORMED"),
        (line({"statements": []}), "REQUEST_TOO_LARGE"),
        (line({"statements": [good] * 1_001}), "REQUEST_TOO_LARGE"),
        (line({"statements": [7]}), "REQUEST_MALFORMED"),
        (line({"statement": ""}), "LEDGER_DISCLOSURE_INVALID"),
        (line({"statement": token}), "LEDGER_DISCLOSURE_INVALID"),
        (line({"statement": f"{token}~"}), "LEDGER_DISCLOSURE_INVALID"),
        (line({"statement": "~".join([token, *disclosures[1:]])}), "LEDGER_DISCLOSURE_INVALID"),
        (line({"statement": good.replace(".", "..", 1)}), "LEDGER_TOKEN_MALFORMED"),
        (line({"statement": "\ud800~"}), "LEDGER_TOKEN_MALFORMED"),
        (line({"statement": "x" * 50_000 + "~"}), "LEDGER_TOKEN_MALFORMED"),
        (line({"statement": token + "~" + "a~" * 70}), "LEDGER_SUBMISSION_TOO_LARGE"),
        (line({"control": good}), "LEDGER_TOKEN_MALFORMED"),
        (line({"control": token}), "LEDGER_CONTROL_INVALID"),
        (b"x" * (lines.LINE_BYTES_MAX + 1), "REQUEST_TOO_LARGE"),
    ]


async def test_a_bad_line_gets_its_code_and_leaves_no_trace(doors: Doors) -> None:
    await doors.service.followed(doors.service.writer.tree_size)
    held = await rows_of_all_tables(doors.service.database)
    cases = _bad_lines(doors)
    answers = await doors.entries(*[line for line, _ in cases])
    assert [answer["error"]["code"] for answer in answers] == [code for _, code in cases]
    assert all(set(answer["error"]) == {"code", "message", "path"} for answer in answers)
    assert await rows_of_all_tables(doors.service.database) == held


async def test_a_bad_line_does_not_disturb_its_neighbours(doors: Doors) -> None:
    size = doors.service.writer.tree_size
    answers = await doors.entries(line_of(doors), b"{", line_of(doors))
    assert [answer.get("leaf_index") for answer in answers] == [size, None, size + 1]


async def test_a_control_entry_needs_the_root_key_beside_the_credential(doors: Doors) -> None:
    from ledger.control import Mandate, issue_control
    from tests.world import MARKET

    def entry(key: KeptKey) -> dict[str, str]:
        content = Mandate(MARKET.label(), ("inspection",))
        control = issue_control(content, key=key, jti="m-1", issued_at=1_772_000_000)
        return {"control": control.token.text}

    size = doors.service.writer.tree_size
    refused, taken = await doors.entries(
        entry(key_of("a stranger")), entry(doors.service.keystore.get("root"))
    )
    assert refused["error"]["code"] == "LEDGER_CONTROL_FORBIDDEN"
    assert taken["leaf_index"] == size
    (late,) = await doors.entries({"statement": doors.draft(suspicion()).presentation})
    assert late["error"]["code"] == "LEDGER_MANDATE_MISSING"


@pytest.mark.parametrize("cut", [1, 7, 4_096])
async def test_lines_are_lines_however_the_body_is_cut(doors: Doors, cut: int) -> None:
    first, last = (json.dumps(line_of(doors)).encode() for _ in range(2))
    raw = b"\n".join([first, b"{", last])

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(raw), cut):
            yield raw[at : at + cut]

    size = doors.service.writer.tree_size
    answer = await doors.client.post(
        "/entries",
        content=pieces(),
        headers={"Content-Type": "application/x-ndjson", **doors.credential("authority")},
    )
    answers = [json.loads(line) for line in answer.text.splitlines()]
    assert [one.get("leaf_index") for one in answers] == [size, None, size + 1]


async def test_lines_stay_in_order_however_many_chunks_wait_for_their_commit(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert submission.CHUNKS_AHEAD_MAX > 1
    monkeypatch.setattr(submission, "CHUNK_LINES", 3)
    for ahead in (0, 1, submission.CHUNKS_AHEAD_MAX):
        monkeypatch.setattr(submission, "CHUNKS_AHEAD_MAX", ahead)
        size = doors.service.writer.tree_size
        lines = [line_of(doors) for _ in range(40)]
        answers = await doors.entries(*lines)
        assert [answer["leaf_index"] for answer in answers] == list(range(size, size + 40))
        again = await doors.entries(*lines[::-1])
        assert again == [{**answer, "duplicate": True} for answer in answers[::-1]]


async def test_a_line_may_rely_on_the_lines_before_it(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "CHUNK_LINES", 1)
    key = key_of("new")
    begin = KeyBegin(
        MARKET.label(), key.public_key, custodial=False, names={"en": "Market supervision"}
    )
    root = doors.service.keystore.get("root")
    control = issue_control(begin, key=root, jti="begin", issued_at=1).token.text
    statement = doors.draft(fine(), key=key).presentation
    answers = await doors.entries({"control": control}, {"statement": statement})
    assert [answer["duplicate"] for answer in answers] == [False, False]
