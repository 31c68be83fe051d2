"""Real input (issue 2, item 8): the refusals of the US FDA through the door, and through kill -9.

The command runs as a process of its own where it is killed, and in this one where it is counted.
"""

import asyncio
import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from api.access import Tier
from api.door import door
from api.founding import adopt_policy, found, prepare_keys
from api.importing import DESK, Import, Summary, read_statements
from api.migration import BASE, migrate
from api.office import DoorClosed, EntryRefused, submit_lines
from api.refusals import FileUnreadable, RowMalformed
from api.service import Service
from api.settings import Settings
from api.tokens import write_demo_tokens
from ledger.database import Database
from ledger.entries import Entries
from ledger.keystore import Keystore
from ledger.statement import Statement
from ledger.tables import Base, EntryRow, OpeningRow
from tests.api.doors import POLICY

REPOSITORY = Path(__file__).resolve().parents[2]

REPORT = "cases/fda_import_refusals_2020_2025.csv.gz"
CHARGES = "cases/fda_charges.csv.gz"

SLICE_LINES = 3_000

PRIMARY = (
    "ledger_capture",
    "ledger_checkpoint",
    "ledger_disclosure",
    "ledger_entry",
    "ledger_event",
    "ledger_opening",
    "ledger_tile",
)
"""Tables that hold salts, signatures and instants, which no two runs share; the rest are views."""

Locate = Callable[[str], Path]


def settings_of(home: Path, url: str) -> Settings:
    return replace(
        Settings.from_environment({"XIN_HOME": str(home), "PORT": "8123"}), database_url=url
    )


async def founded(settings: Settings) -> None:
    """A log with a policy, and an authority's credential for whoever imports."""
    settings.home.mkdir(parents=True, exist_ok=True)
    database = Database.connect(settings.database_url)
    await migrate(database)
    await database.close()
    keystore = Keystore(settings.keys_folder)
    prepare_keys(keystore)
    write_demo_tokens(
        settings.tokens_folder,
        keystore,
        {Tier.AUTHORITY: DESK.label()},
        audience=settings.origin,
        at=datetime.now(UTC),
    )
    async with Service.opened(settings, writes=True) as service:
        await found(service, operator="tests")
        await adopt_policy(service, POLICY.read_bytes().strip())
        await service.followed(service.writer.tree_size)


def sliced(shared_data: Locate, folder: Path, lines: int) -> Path:
    """The first lines of the report, with the charges beside them."""
    text = gzip.decompress(shared_data(REPORT).read_bytes()).decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))[: lines + 1]
    path = folder / "refusals.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    (folder / "fda_charges.csv.gz").write_bytes(shared_data(CHARGES).read_bytes())
    return path


async def imported(settings: Settings, report: Path) -> Summary:
    """As the command does it, in this process."""
    keystore = Keystore(settings.keys_folder)
    stated = read_statements(report, None, keystore)
    heard: list[int] = []
    async with door(settings) as client:
        prepared = Import.prepared(client, keystore, now=lambda: datetime.now(UTC))
        summary = await prepared.run(stated, advance=heard.append)
    assert sum(heard) == len(stated)
    return summary


async def views_and_order(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every view, and what stands at each index of the log."""
    database = Database.connect(settings.database_url)
    found = {}
    async with database.reading() as session:
        for table in Base.metadata.sorted_tables:
            if table.name not in PRIMARY:
                query = select(table).order_by(*table.primary_key.columns)
                found[table.name] = [tuple(row) for row in await session.execute(query)]
        order = select(
            OpeningRow.leaf_index, OpeningRow.issuer, OpeningRow.jti, OpeningRow.content_hash
        ).order_by(OpeningRow.leaf_index)
        found["order"] = [tuple(row) for row in await session.execute(order)]
    await database.close()
    return found


async def entry_count(settings: Settings) -> int:
    database = Database.connect(settings.database_url)
    try:
        async with database.reading() as session:
            return await session.scalar(select(func.count()).select_from(EntryRow)) or 0
    finally:
        await database.close()


@dataclass
class Command:
    """`xin import fda-refusals` as a process of its own."""

    settings: Settings
    report: Path

    def started(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "api", "import", "fda-refusals", str(self.report), "--json"],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "XIN_HOME": str(self.settings.home),
                "XIN_DATABASE_URL": self.settings.database_url,
                "PORT": str(self.settings.port),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    async def killed_beyond(self, size: int) -> int:
        """Kill -9 as soon as the log has more than `size` entries; says how many it has."""
        process = self.started()
        try:
            while await entry_count(self.settings) <= size:
                assert process.poll() is None, process.communicate()
                await asyncio.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        return await entry_count(self.settings)

    def finished(self) -> dict[str, object]:
        """Run to the end."""
        for _ in range(50):
            process = self.started()
            output, errors = process.communicate(timeout=300)
            if process.returncode == 0:
                summary = json.loads(output)
                assert isinstance(summary, dict)
                return summary
            # PostgreSQL may take a moment to notice that the killed writer is gone.
            assert "LEDGER_WRITER_BUSY" in errors, errors
            time.sleep(0.2)
        raise AssertionError("the killed process still holds the log")


async def test_an_import_killed_twice_and_run_again_equals_one_that_was_not(
    database_url: str, tmp_path: Path, shared_data: Locate
) -> None:
    settings = settings_of(tmp_path / "home", database_url)
    await founded(settings)
    before = await entry_count(settings)
    report = sliced(shared_data, tmp_path, SLICE_LINES)
    stated = read_statements(report, None, Keystore(settings.keys_folder))
    command = Command(settings, report)
    first = await command.killed_beyond(before + 300)
    second = await command.killed_beyond(first + 300)
    assert before < first < second < before + len(stated), "both were killed in the middle"
    summary = command.finished()
    assert (summary["added"], summary["duplicates"]) == (
        before + 2 + len(stated) - second,
        second - before - 2,
    )
    resumed = await views_and_order(settings)
    assert len(resumed["order"]) == before + 2 + len(stated), "a key, a mandate, every statement"

    database = Database.connect(settings.database_url)
    await migrate(database, to=BASE)
    await database.close()
    # Another log from here on: the home forgets how far the first had come.
    settings.high_water_file.unlink()
    await founded(settings)
    summary = command.finished()
    assert (summary["added"], summary["duplicates"]) == (len(stated), 0)
    whole = await views_and_order(settings)
    assert whole.keys() == resumed.keys()
    for table, rows in whole.items():
        assert resumed[table] == rows, table


async def test_the_whole_report_is_one_entry_a_line_and_adds_nothing_twice(
    tmp_path: Path, shared_data: Locate
) -> None:
    settings = settings_of(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'ledger.sqlite'}")
    await founded(settings)
    before = await entry_count(settings)
    summary = await imported(settings, shared_data(REPORT))
    kinds = {"enforcement": 17_363, "filing": 5_654, "fraud-case": 273, "inspection": 2_548}
    assert summary.kinds == kinds
    assert (summary.added, summary.duplicates) == (20_184 + 5_654, 0)
    assert await entry_count(settings) == summary.tree_size == before + 2 + 25_838
    held = await views_and_order(settings)
    assert len(held["ledger_enterprise"]) == 5_654
    assert len(held["credit_rating"]) == 5_654
    again = await imported(settings, shared_data(REPORT))
    assert (again.added, again.duplicates) == (0, 25_838)
    assert await views_and_order(settings) == held


async def test_a_malformed_line_stops_an_import_before_anything_is_sent(
    tmp_path: Path, shared_data: Locate
) -> None:
    settings = settings_of(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'ledger.sqlite'}")
    await founded(settings)
    before = await entry_count(settings)
    report = sliced(shared_data, tmp_path, 20)
    report.write_text(report.read_text().replace(",2020-04-0", ",2020-13-0", 1))
    with pytest.raises(RowMalformed) as refused:
        await imported(settings, report)
    assert refused.value.path[1] == "refusal_date"
    assert await entry_count(settings) == before


async def test_a_line_that_says_something_else_than_before_is_refused_by_its_number(
    tmp_path: Path, shared_data: Locate
) -> None:
    settings = settings_of(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'ledger.sqlite'}")
    await founded(settings)
    report = sliced(shared_data, tmp_path, 20)
    await imported(settings, report)
    size = await entry_count(settings)
    report.write_text(report.read_text().replace("28FGH99", "28FGH98", 1))
    with pytest.raises(EntryRefused) as refused:
        await imported(settings, report)
    assert refused.value.path[0] == 2
    assert "LEDGER_DUPLICATE_CONFLICT" in refused.value.message
    assert await entry_count(settings) == size


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xff\xfe,", id="not UTF-8"),
        pytest.param(b"\x1f\x8b\x08 cut short", id="a broken gzip"),
        pytest.param(gzip.compress(b"refusal_id,firm_id\n" * 99)[:-9], id="a gzip cut short"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    tmp_path: Path, shared_data: Locate, content: bytes
) -> None:
    report = sliced(shared_data, tmp_path, 1)
    report.write_bytes(content)
    with pytest.raises(FileUnreadable):
        read_statements(report, None, Keystore(tmp_path / "keys"))
    assert not (tmp_path / "keys").exists(), "no key is made for a file that is refused"


def test_a_file_that_unpacks_to_more_than_may_be_is_refused(
    tmp_path: Path, shared_data: Locate, monkeypatch: pytest.MonkeyPatch
) -> None:
    keystore = Keystore(tmp_path / "keys")
    report = sliced(shared_data, tmp_path, 1)
    read_statements(report, None, keystore)
    text = report.read_bytes()
    charges = len(gzip.decompress(shared_data(CHARGES).read_bytes()))
    monkeypatch.setattr("api.importing.FILE_BYTES_MAX", charges)
    report.write_bytes(gzip.compress(text.ljust(charges, b"\n")))
    with pytest.raises(RowMalformed):
        # Read whole, and only then found to have lines without fields.
        read_statements(report, None, keystore)
    report.write_bytes(gzip.compress(text.ljust(charges + 1, b"\n")))
    with pytest.raises(FileUnreadable) as refused:
        read_statements(report, None, keystore)
    assert str(charges) in refused.value.message


def test_a_byte_order_mark_is_no_part_of_the_first_column(
    tmp_path: Path, shared_data: Locate
) -> None:
    keystore = Keystore(tmp_path / "keys")
    report = sliced(shared_data, tmp_path, 3)
    report.write_bytes(b"\xef\xbb\xbf" + report.read_bytes())
    assert len(read_statements(report, None, keystore)) == 4


def test_charges_are_looked_for_beside_the_report_or_named(
    tmp_path: Path, shared_data: Locate
) -> None:
    keystore = Keystore(tmp_path / "keys")
    report = sliced(shared_data, tmp_path, 3)
    assert len(read_statements(report, None, keystore)) == 4
    (tmp_path / "fda_charges.csv.gz").rename(tmp_path / "elsewhere.csv.gz")
    assert len(read_statements(report, tmp_path / "elsewhere.csv.gz", keystore)) == 4
    with pytest.raises(FileUnreadable):
        read_statements(report, None, keystore)
    with pytest.raises(FileUnreadable):
        read_statements(tmp_path / "absent.csv", tmp_path / "elsewhere.csv.gz", keystore)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(httpx.Response(503, json={"code": "X", "message": "y"}), id="a problem"),
        pytest.param(httpx.Response(502, text="<html>"), id="a proxy's page"),
        pytest.param(httpx.Response(200, text="{}\n"), id="an answer without an index"),
        pytest.param(httpx.Response(200, text=""), id="fewer answers than lines"),
    ],
)
async def test_a_door_that_answers_in_no_form_of_its_own_ends_the_import(
    answer: httpx.Response,
) -> None:
    transport = httpx.MockTransport(lambda request: answer)
    async with httpx.AsyncClient(transport=transport, base_url="http://door.invalid") as client:
        with pytest.raises(DoorClosed):
            await submit_lines(client, [b"{}"])


async def test_a_door_that_is_gone_ends_the_import() -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:9", trust_env=False) as client:
        with pytest.raises(DoorClosed):
            await submit_lines(client, [b"{}"])


async def test_statements_carry_what_the_published_line_says(
    tmp_path: Path, shared_data: Locate
) -> None:
    settings = settings_of(tmp_path, f"sqlite+aiosqlite:///{tmp_path / 'ledger.sqlite'}")
    await founded(settings)
    before = await entry_count(settings)
    await imported(settings, sliced(shared_data, tmp_path, 1))
    database = Database.connect(settings.database_url)
    async with database.reading() as session:
        filing, refusal = [entry.body for entry in await Entries(session).read(before + 2, 2)]
    await database.close()
    assert isinstance(filing, Statement)
    assert isinstance(refusal, Statement)
    assert filing.issuer == refusal.issuer == DESK.label()
    assert filing.particulars["name"] == {"en": "MTR Foods Private Limited"}
    assert (refusal.jti, refusal.weighing.decided_on) == ("235-2340881-5-71-1", date(2020, 3, 30))
    assert refusal.particulars["number"] == "235-2340881-5-71-1"
