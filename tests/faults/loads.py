"""What depends on how much there is, and how often.

    Duplicates   one reference again and again: in a batch, across batches, across restarts
    FullQueue    SIGKILL while as much waits as may
    TileEnds     a batch that ends at the end of a tile, one before it, one after
    two_indexes  what no reference may have

A large log is founded once and copied for each case.
"""

import asyncio
import base64
import signal
from functools import partial

from ledger import sequencer as sequencer_module
from ledger.sequencer import QUEUE_SUBMISSIONS_MAX, Sequencer
from tests.faults.appender import Place, Plan, writing
from tests.faults.child import Channel, Child, Event, events_of
from tests.faults.commits import breaking_commit
from tests.faults.failing import Kept
from tests.faults.matter import PLAIN, submission
from tests.faults.scenario import Appending, Played, Scenario, explained, verify
from tests.faults.stage import BASE_SIZE, Log, Stage

LARGE_SIZE = 65_530


class Duplicates(Scenario):
    """A client that is not sure sends again."""

    name = "duplicates"
    does = "one reference in one batch, across batches, across restarts, after a lost answer"

    def cases(self, stage: Stage) -> list[str]:
        """Where the second one is."""
        return ["in one batch", "across batches", "across restarts", "after a lost answer"]

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """One index, whoever asks and however often."""
        played = Played(injections=1)
        before: list[Appending] = []
        numbers = (0, 1, 2, 3, 4)
        if case == "in one batch":
            plan = Plan(batches=(numbers * 3,))
        elif case == "across batches":
            plan = Plan(batches=(numbers, numbers, (0,), (2, 0)))
        else:
            plan = Plan(batches=(numbers, (0,)))
            first = Appending.start(log, Plan(batches=(numbers,)))
            if case == "across restarts":
                first.finish()
            else:
                # The batch is durable when its first answer is heard; the others never are.
                first.until("acknowledged")
                first.child.kill()
            before.append(first)
        last = Appending.start(log, plan)
        last.finish()
        for one in (*before, last):
            explained(one.heard, played, struck=False, recovers=True)
        heard = [event for one in (*before, last) for event in one.heard]
        played.findings.forks += two_indexes(heard)
        last.verify(played, *before)
        return played


def two_indexes(heard: list[Event]) -> list[str]:
    """Numbers that were told more than one index."""
    told: dict[int, set[tuple[int, ...]]] = {}
    for event in events_of(heard, "acknowledged"):
        indexes = tuple(index for index, _, _ in event["entries"])
        told.setdefault(event["number"], set()).add(indexes)
    return [
        f"number {number} has {indexes}" for number, indexes in told.items() if len(indexes) > 1
    ]


class FullQueue(Scenario):
    """As when the system is short of memory and this process has most of it."""

    name = "full-queue"
    does = "SIGKILL with a full queue, after so many acknowledgements"

    def cases(self, stage: Stage) -> list[str]:
        """How many were heard."""
        return ["0", "1", "900", "5000"]

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """What was heard stands; the rest is admitted when it is sent again."""
        numbers = range(PLAIN + 1_000, PLAIN + 1_000 + QUEUE_SUBMISSIONS_MAX + 20)
        for number in numbers:
            submission(number)  # made before the fork, and so but once
        child = Child.start(partial(_fill_queue, log.place(), numbers), log=log.said)
        heard = child.until_gate("full")
        child.pass_gate()
        acknowledged = 0
        while acknowledged < int(case):
            event = child.next_event()
            assert event is not None
            heard.append(event)
            acknowledged += event["is"] == "acknowledged"
        child.signal(signal.SIGKILL)
        heard += child.rest()
        child.kill()
        played = Played(injections=1)
        explained(heard, played, struck=False, recovers=True)
        overloaded = list(events_of(heard, "refused"))
        if len(overloaded) != 20:
            played.findings.unexplained.append(f"{len(overloaded)} were too many, not 20")
        verify(log, heard, numbers, played)
        return played


async def _fill_queue(place: Place, numbers: range, channel: Channel) -> None:
    # Many batches, so that the process can be killed between two of them.
    sequencer_module.BATCH_BODIES_MAX = 256
    async with writing(place) as (_, sequencer):
        await _submit_all(sequencer, numbers, channel)


async def _submit_all(sequencer: Sequencer, numbers: range, channel: Channel) -> None:
    async def submit(number: int) -> None:
        try:
            (one,) = await sequencer.submit(submission(number))
        except Exception as error:
            code = getattr(error, "code", None)
            channel.say("refused", number=number, code=code, message=str(error)[:200])
            return
        entry = [one.leaf_index, base64.b64encode(one.leaf_hash).decode(), one.duplicate]
        channel.say("acknowledged", number=number, entries=[entry])

    tasks = [asyncio.create_task(submit(number)) for number in numbers]
    # One turn of the loop: everything is in the queue, and nothing written yet.
    await asyncio.sleep(0)
    channel.gate("full")
    await asyncio.gather(*tasks)


class TileEnds(Scenario):
    """The right edge is where a tile begins, ends, or goes one level up."""

    name = "tile-ends"
    does = "a commit lost, kept, and SIGKILL, where a batch ends at or beside the end of a tile"

    def cases(self, stage: Stage) -> list[str]:
        """255 to 257, and 65,535 to 65,537: the first tile of a level, and the second level."""
        ends = [255, 256, 257, 65_535, 65_536, 65_537]
        return [f"{end}:{fault}" for end in ends for fault in ("lost", "kept", "killed")]

    def size(self, case: str) -> int | None:
        """A few entries before."""
        return LARGE_SIZE if int(case.split(":")[0]) > 1_000 else BASE_SIZE

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """The batch, then three more entries."""
        end, fault = case.split(":")
        batch = tuple(PLAIN + 100_000 + number for number in range(int(end) - log.size))
        after = tuple(PLAIN + 200_000 + number for number in range(3))
        plan = Plan(batches=(batch, after))
        if fault != "killed":
            through = partial(breaking_commit, number=0, kept=Kept(fault))
            plan = Plan(batches=(batch, after), through=through)
        appending = Appending.start(log, plan)
        if fault == "killed":
            appending.until("acknowledged")
            appending.child.kill()
        else:
            appending.finish()
        played = Played(injections=1)
        explained(appending.heard, played, struck=fault != "killed", recovers=True)
        appending.verify(played)
        return played
