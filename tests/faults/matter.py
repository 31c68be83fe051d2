"""What is submitted while something fails: every form of entry, told by a number alone.

    submission     the submission of a number; the same bytes in every process that asks
    CYCLE          how many numbers until a form comes again
    PLAIN          from here on a number is one statement
    forms_of_cycle every form once, and so a batch that writes every table
    found          a log in which all of this is admitted

Two of a number have equal salts and secrets, and so are one token: a client that sends again what
it has kept. What was made before a process forks need not be made again by those that it becomes.
"""

from collections.abc import Iterator
from datetime import date
from functools import cache
from hashlib import sha256
from itertools import count

from ledger.admission import Submission
from ledger.canonical import b64url
from ledger.control import Control, Mandate, issue_control
from ledger.identity import (
    Identity,
    organisation_check,
    parse_label,
    social_credit_check,
)
from ledger.seal import Capture, Party, SealedEvent, issue_capture
from ledger.statement import Statement, Weighing, issue
from tests.world import (
    ALL_KINDS,
    DAIRY,
    MARKET,
    REGISTRY,
    World,
    draft_about,
    failed_inspection,
    key_of,
)

ISSUED_AT = 1_764_000_000

CYCLE = 5

PLAIN = 1_000_000

PERSONS_MAX = 16**3
"""One-person businesses that can be told apart by their number."""


@cache
def submission(number: int) -> Submission:
    """A statement, a capture, a matter of two, a control entry, or a binding."""
    if number >= PLAIN:
        return Submission((_statement(number, "a"),))
    match number % CYCLE:
        case 1:
            return Submission((_capture(number),))
        case 2:
            return Submission((_statement(number, "a"), _statement(number, "b")))
        case 3:
            return Submission((_mandate(number),))
        case 4:
            return Submission((_binding(number),))
        case _:
            return Submission((_statement(number, "a"),))


def forms_of_cycle(cycle: int) -> list[Submission]:
    """One submission of each form, together six entries."""
    return [submission(number) for number in range(cycle * CYCLE, (cycle + 1) * CYCLE)]


async def found(world: World) -> None:
    """Genesis, keys and mandates, and a firm that captures with a key of its own."""
    await world.found()
    await world.begin_key("dairy", DAIRY.label())


def _statement(number: int, place: str) -> Statement:
    draft = draft_about(
        DAIRY,
        failed_inspection(case=f"case-{number}"),
        {"text": f"number {number}"},
        issuer=MARKET,
        jti=f"number-{number}-{place}",
        issued_at=ISSUED_AT,
    )
    return issue(draft, key_of("market"), _salts(f"{number} {place}"))


def _capture(number: int) -> Capture:
    secrets = _salts(f"{number} secret")
    events = [b'{"number":%d,"event":%d}' % (number, event) for event in range(3)]
    return issue_capture(
        key=key_of("dairy"),
        issuer=DAIRY.label(),
        jti=f"number-{number}",
        capture_id=f"00000000-0000-4000-8000-{number:012x}",
        issued_at=ISSUED_AT,
        party=Party.of(DAIRY),
        context=b'"https://ref.gs1.org/standards/epcis/epcis-context.jsonld"',
        events=[SealedEvent(raw, next(secrets)) for raw in events],
    )


def _mandate(number: int) -> Control:
    return issue_control(
        Mandate(MARKET.label(), ALL_KINDS),
        key=key_of("root"),
        jti=f"number-{number}",
        issued_at=ISSUED_AT,
    )


def _binding(number: int) -> Statement:
    person = _person(number // CYCLE)
    weighing = Weighing(
        kind="binding", code="one-person-business", outcome="bound", decided_on=date(2025, 1, 2)
    )
    label = parse_label(b64url(sha256(f"label of {number}".encode()).digest()))
    draft = draft_about(
        label,
        weighing,
        {"subject": {"id": person.identifier, "scheme": "uscc"}},
        issuer=REGISTRY,
        jti=f"number-{number}",
        issued_at=ISSUED_AT,
    )
    return issue(draft, key_of("registry"), _salts(str(number)))


def _person(number: int) -> Identity:
    assert number < PERSONS_MAX
    inner = f"MA0XY{number:03X}"
    first_seventeen = f"92150102{inner}{organisation_check(inner)}"
    return Identity.parse("uscc", first_seventeen + social_credit_check(first_seventeen))


def _salts(name: str) -> Iterator[bytes]:
    return (sha256(f"{name} {place}".encode()).digest()[:16] for place in count())
