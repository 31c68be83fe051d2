"""A clock that jumps: the log's instants never fall.

    ClockJumps   hours back and forward, between batches and over a restart
    Jumping      a clock that tells what it was told to

Time is an argument of the sequencer, so no system clock is touched.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from tests.faults.appender import Plan, system_clock
from tests.faults.scenario import Appending, Played, Scenario, explained
from tests.faults.stage import Log, Stage

JUMPS = {
    "hours": (0, -3, 5, -26, 2),
    "a year back at the restart": (-8_760, -8_760, -8_759),
    "a day forward, then right again": (24, 0, 0),
}


@dataclass
class Jumping:
    """Hours off, one after another, the last for ever."""

    hours: tuple[int, ...]
    _asked: int = field(default=0)

    def __call__(self) -> datetime:
        """As `now`."""
        off = self.hours[min(self._asked, len(self.hours) - 1)]
        self._asked += 1
        return system_clock() + timedelta(hours=off)


class ClockJumps(Scenario):
    """The audit refuses a log whose instants fall."""

    name = "clock-jumps"
    does = "the clock of the machine jumps by hours, by a day, by a year"

    def cases(self, stage: Stage) -> list[str]:
        """Ways to jump."""
        return list(JUMPS)

    def play(self, stage: Stage, case: str, log: Log) -> Played:
        """One process with a right clock, then one with a wrong one."""
        hours = JUMPS[case]
        right = Appending.start(log, Plan(batches=((0,),)))
        right.finish()
        batches = tuple((number,) for number in range(1, 1 + len(hours)))
        wrong = Appending.start(log, Plan(batches=batches, now=Jumping(hours)))
        wrong.finish()
        played = Played(injections=sum(old != new for old, new in pairwise((0, *hours))))
        for one in (right, wrong):
            explained(one.heard, played, struck=False, recovers=True)
        wrong.verify(played, right)
        return played
