"""A chunk of lines is made ready in this process or in one beside it, with the same outcome."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest
import uvloop

from api.errors import refusal_of
from api.lines import Prepared, PreparedLine, prepare_lines
from api.preparing import Preparers
from ledger.authority import Authorities
from ledger.control import issue_control
from ledger.statement import issue
from tests.api.doors import fine
from tests.world import DAIRY, MARKET, draft_about, genesis, key_of


@asynccontextmanager
async def preparing() -> AsyncIterator[Preparers]:
    preparers = Preparers()
    try:
        yield preparers
    finally:
        await preparers.close()


async def both_busy(preparers: Preparers, lines: list[bytes | None]) -> list[list[Prepared]]:
    """Three chunks at once, one more than there are preparers; the process is up then."""
    asked = [preparers.prepare(lines, Authorities()) for _ in range(3)]
    answers = await asyncio.gather(*asked)
    if preparers._starting is not None:
        await preparers._starting
    return answers


def told(outcomes: list[Prepared]) -> list[object]:
    return [
        refusal_of(outcome).members() if isinstance(outcome, Exception) else outcome
        for outcome in outcomes
    ]


@pytest.fixture(scope="module")
def lines() -> list[bytes | None]:
    drafts = [
        draft_about(DAIRY, fine(), {}, issuer=MARKET, jti=f"P-{number}", issued_at=1_770_000_000)
        for number in range(5)
    ]
    salts = iter(lambda: os.urandom(16), b"")
    stated = [issue(draft, key_of("market"), salts).presentation for draft in drafts]
    control = issue_control(genesis(), key=key_of("root"), jti="genesis", issued_at=1_770_000_000)
    many = ",".join(f'"{one}"' for one in stated[3:])
    return [
        *(f'{{"statement":"{one}"}}'.encode() for one in stated[:3]),
        None,
        b"{}",
        b'{"statement":"x"}',
        b"\xff",
        f'{{"statements":[{many}]}}'.encode(),
        f'{{"control":"{control.token.text}"}}'.encode(),
    ]


async def test_the_process_process_says_what_this_one_says(lines: list[bytes | None]) -> None:
    expected = told(prepare_lines(lines, Authorities()))
    assert sum(isinstance(one, PreparedLine) for one in expected) == 5
    async with preparing() as preparers:
        for outcomes in await both_busy(preparers, lines):
            assert told(outcomes) == expected
        process = preparers._process
        assert process is not None
        assert told(await process.prepare(lines, Authorities())) == expected


async def test_one_chunk_at_a_time_starts_no_process(lines: list[bytes | None]) -> None:
    async with preparing() as preparers:
        for _ in range(3):
            await preparers.prepare(lines, Authorities())
        assert preparers._starting is None
        assert preparers._process is None


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_process_that_was_killed_costs_no_line_and_is_replaced(
    lines: list[bytes | None],
    caplog: pytest.LogCaptureFixture,
    run: Callable[[Coroutine[None, None, None]], None],
) -> None:
    """While it had nothing to do, and in the loop of a door, whose pipe has an error of its own."""
    expected = told(prepare_lines(lines, Authorities()))

    async def live() -> None:
        async with preparing() as preparers:
            await both_busy(preparers, lines)
            for _ in range(3):
                killed = preparers._process
                assert killed is not None
                os.kill(killed._process.pid, signal.SIGKILL)
                await killed._process.wait()
                for outcomes in await both_busy(preparers, lines):
                    assert told(outcomes) == expected
                await both_busy(preparers, lines)
                assert preparers._process is not None
                assert preparers._process is not killed

    run(live())
    assert "was lost" in caplog.text


async def test_a_process_that_does_not_answer_is_given_up(
    lines: list[bytes | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with preparing() as preparers:
        await both_busy(preparers, lines)
        assert preparers._process is not None
        os.kill(preparers._process._process.pid, signal.SIGSTOP)
        monkeypatch.setattr("api.preparing.ANSWER_S", 0.5)
        for outcomes in await both_busy(preparers, lines):
            assert told(outcomes) == told(prepare_lines(lines, Authorities()))


async def test_what_is_closed_starts_no_process(lines: list[bytes | None]) -> None:
    async with preparing() as preparers:
        await preparers.close()
        await both_busy(preparers, lines)
        assert preparers._process is None


async def test_a_failure_that_is_no_refusal_brings_its_traceback_along() -> None:
    async with preparing() as preparers:
        await both_busy(preparers, [])
        assert preparers._process is not None
        (outcome,) = await preparers._process.prepare([7], Authorities())  # type: ignore[list-item]
    assert isinstance(outcome, AttributeError)
    assert "parse_line" in outcome.__notes__[0]


async def test_a_caller_that_is_cancelled_leaves_its_preparer_free(
    lines: list[bytes | None],
) -> None:
    async with preparing() as preparers:
        await both_busy(preparers, lines)
        asked = [asyncio.create_task(preparers.prepare(lines, Authorities())) for _ in range(2)]
        await asyncio.sleep(0)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        for outcomes in await both_busy(preparers, lines):
            assert told(outcomes) == told(prepare_lines(lines, Authorities()))


async def test_the_process_process_ends_with_the_door(lines: list[bytes | None]) -> None:
    async with preparing() as preparers:
        await both_busy(preparers, lines)
        assert preparers._process is not None
        process = preparers._process._process
    assert process.returncode is not None


async def test_the_process_process_ends_when_its_parent_is_gone() -> None:
    async with preparing() as preparers:
        await both_busy(preparers, [])
        assert preparers._process is not None
        process = preparers._process._process
        assert process.stdin is not None
        # What the system does for a parent that was killed.
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0
