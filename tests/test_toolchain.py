"""What a fresh clone relies on: the test databases, the requirements, `./xin`."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine


@pytest.mark.parametrize("time", ["first", "second"])
async def test_every_test_gets_an_empty_database_of_either_make(
    database_url: str, time: str
) -> None:
    engine = create_async_engine(database_url)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE only_here (id BIGINT PRIMARY KEY)"))
            await connection.execute(text("INSERT INTO only_here VALUES (1)"))
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM only_here"))).scalar() == 1
    finally:
        await engine.dispose()
