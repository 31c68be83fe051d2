"""The log over HTTP (C2SP tlog-tiles, RFC 9457), on SQLite and PostgreSQL."""

from ledger.checkpoint import open_checkpoint
from ledger.note import Verifier
from tests.api.doors import Doors, fine


async def test_a_stranger_checks_the_head_with_the_log_key(doors: Doors) -> None:
    await doors.state(doors.draft(fine()))
    note = await doors.client.get("/checkpoint")
    key = await doors.client.get("/log-key")
    assert note.headers["cache-control"] == "no-cache"
    checkpoint = open_checkpoint(note.content, Verifier.parse(key.text.strip()))
    assert checkpoint.tree_size == doors.service.writer.tree_size
