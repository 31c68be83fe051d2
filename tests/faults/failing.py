"""Which statement of a database connection fails, and whether it had happened all the same.

    Kept      whether what failed was lost, or was kept
    Failing   counts the statements from `arm` on, and says of one that it fails
    Failing.asked   what a driver calls for each statement
    Failing.struck  the statement that failed

Two drivers ask it: `sqlite_driver` inside of the process, `postgres_proxy` between the process and
its server. Both stand below whatever the ledger calls: a way of writing that is invented later is
met all the same.
"""

from dataclasses import dataclass, field
from enum import Enum


class Kept(Enum):
    """What became of a statement whose answer never came."""

    LOST = "lost"
    KEPT = "kept"
    LATE = "late"
    """Kept, but only after the client has lost its line; a server's commit may take its time."""


@dataclass
class Failing:
    """One statement fails, once; those before and after it do not."""

    statements: list[str] = field(default_factory=list)
    """All that were asked since `arm`."""
    struck: str | None = None
    _number: int | None = None
    _kept: Kept = Kept.LOST
    _among: str = ""

    def arm(self, number: int, kept: Kept, *, among: str = "") -> None:
        """Let the statement with this number fail, counted from 0 and from now.

        `among`: only statements that begin so are counted.
        """
        self.statements = []
        self.struck = None
        self._number, self._kept, self._among = number, kept, among

    def disarm(self) -> None:
        """Let nothing fail any more."""
        self._number = None

    def asked(self, statement: str) -> Kept | None:
        """How this statement fails; None when it does not."""
        if self._number is None or not statement.startswith(self._among):
            return None
        self.statements.append(statement)
        if len(self.statements) <= self._number:
            return None
        self.struck, self._number = statement, None
        return self._kept
