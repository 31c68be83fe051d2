"""The tables of the database are those of the mappings: ARCHITECTURE §9, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.engine.interfaces import ReflectedIndex

import credit.tables
import traceability.tables
from api.migration import BASE, HEAD, SCRIPTS, DatabaseNotAtHead, migrate, require_head
from credit.ratings import CreditView
from credit.tables import FactRow
from ledger.database import Database
from ledger.follower import Follower
from ledger.statement import reference_hash
from ledger.subjects import SubjectView
from ledger.tables import Base, EntryRow, OpeningRow
from tests.world import MARKET, World, failed_inspection, rows_of_all_tables

FOLDERS = (credit.tables, traceability.tables)
"""Each adds its tables to the one metadata."""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Database]:
    database = Database.connect(url)
    try:
        yield database
    finally:
        await database.close()


def where(index: ReflectedIndex) -> str:
    """The predicate of a partial index."""
    options = index.get("dialect_options", {})
    return " ".join(str(value) for name, value in options.items() if name.endswith("_where"))


def shape(connection: Connection) -> dict[str, object]:
    """Tables, columns, keys and indexes as the database itself reports them."""
    inspector = inspect(connection)
    found: dict[str, object] = {}
    for table in inspector.get_table_names():
        if table == "alembic_version":
            continue
        found[table] = {
            "columns": [
                (column["name"], str(column["type"]), column["nullable"])
                for column in inspector.get_columns(table)
            ],
            "primary key": inspector.get_pk_constraint(table),
            "foreign keys": sorted(map(str, inspector.get_foreign_keys(table))),
            "unique": sorted(map(str, inspector.get_unique_constraints(table))),
            "indexes": sorted(
                (str(index["name"]), str(index["column_names"]), str(index["unique"]), where(index))
                for index in inspector.get_indexes(table)
            ),
        }
    return found


async def test_the_migrations_make_exactly_the_tables_of_the_mappings(database_url: str) -> None:
    async with connected(database_url) as database:
        await migrate(database)
        async with database.engine.connect() as connection:
            migrated = await connection.run_sync(shape)
            difference = await connection.run_sync(
                lambda plain: compare_metadata(MigrationContext.configure(plain), Base.metadata)
            )
        assert difference == []
        await migrate(database, to=BASE)
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            assert await connection.run_sync(shape) == migrated


async def test_a_migration_down_to_base_leaves_no_table(database_url: str) -> None:
    async with connected(database_url) as database:
        await migrate(database)
        await migrate(database, to=BASE)
        async with database.engine.connect() as connection:
            assert await connection.run_sync(shape) == {}


async def test_to_migrate_twice_changes_nothing_and_keeps_every_row(database_url: str) -> None:
    async with connected(database_url) as database:
        await migrate(database)
        async with database.writing() as session:
            session.add(EntryRow(leaf_index=0, leaf=b"{}"))
        await migrate(database)
        async with database.reading() as session:
            assert await session.scalar(select(EntryRow.leaf)) == b"{}"


async def test_processes_that_migrate_at_once_do_it_once(database_url: str) -> None:
    async with connected(database_url) as one, connected(database_url) as other:
        await asyncio.gather(migrate(one), migrate(other), migrate(one))
        await require_head(other)


async def test_a_migration_that_fails_leaves_the_database_as_it_was(database_url: str) -> None:
    async with connected(database_url) as database:
        async with database.engine.begin() as connection:
            # In the way of the last table but one.
            await connection.execute(text("CREATE TABLE credit_rating (odd INTEGER)"))
        with pytest.raises(Exception, match="credit_rating"):
            await migrate(database)
        async with database.engine.connect() as connection:
            assert list(await connection.run_sync(shape)) == ["credit_rating"]


@pytest.mark.parametrize("prepared", [False, True], ids=["empty", "at another revision"])
async def test_a_database_at_another_revision_is_refused(database_url: str, prepared: bool) -> None:
    async with connected(database_url) as database:
        if prepared:
            await migrate(database)
            async with database.engine.begin() as connection:
                await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(DatabaseNotAtHead) as refusal:
            await require_head(database)
        assert refusal.value.code == "DATABASE_NOT_AT_HEAD"
        assert ("9999" if prepared else BASE) in refusal.value.message


def test_the_head_in_the_code_is_the_newest_step() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_a_log_keeps_its_entries_through_every_step_down_and_up_again(
    database_url: str,
) -> None:
    async with connected(database_url) as database:
        await migrate(database)
    async with World.opened(database_url) as world:
        await world.state(world.draft(failed_inspection()))
        follower = Follower(world.database, [SubjectView()])
        await follower.catch_up()
    async with connected(database_url) as database:
        held = await rows_of_all_tables(database)
        for step in ("0005", "0001"):
            await migrate(database, to=step)
            assert (await opened_rows(database)) == held["ledger_opening"]
        await migrate(database)
        assert await rows_of_all_tables(database) == held


async def test_what_credit_holds_is_read_again_from_the_log_after_a_step_down_or_up(
    database_url: str,
) -> None:
    async with connected(database_url) as database:
        await migrate(database)
    async with World.opened(database_url) as world:
        await world.state(world.draft(failed_inspection(), jti="I"))
        follower = Follower(world.database, [CreditView(), SubjectView()])
        await follower.catch_up()
    async with connected(database_url) as database:
        held = await rows_of_all_tables(database)
        assert [row[-1] for row in held["ledger_cursor"]] == [6, 6]
        async with database.reading() as session:
            (reference,) = await session.scalars(select(FactRow.reference))
        assert reference == reference_hash(MARKET.label(), "I")
        await migrate(database, to="0007")
        await migrate(database)
        emptied = await rows_of_all_tables(database)
        assert emptied["credit_fact"] == []
        assert {row[0]: row[-1] for row in emptied["ledger_cursor"]} == {"credit": 0, "subject": 6}
        await Follower(database, [CreditView(), SubjectView()]).catch_up()
        assert await rows_of_all_tables(database) == held


async def opened_rows(database: Database) -> list[tuple[object, ...]]:
    """The opening store, at whatever revision."""
    async with database.reading() as session:
        rows = await session.execute(select(OpeningRow.__table__).order_by(OpeningRow.leaf_index))
        return [tuple(row) for row in rows]
