"""A home whose log has a policy and three statements about each of forty firms.

SUBJECTS              the firms
founded_with_facts    a home with all of it
"""

import asyncio
from datetime import UTC, date, datetime, timedelta

from api.founding import adopt_policy
from api.service import Service
from ledger.admission import Submission
from ledger.identity import Identity
from ledger.keystore import Keystore
from ledger.salts import fresh_salts
from ledger.statement import Severity, Weighing, issue
from tests.api.homes import REPOSITORY, Home
from tests.world import MARKET, draft_about

POLICY = REPOSITORY / "credit" / "policies" / "xinyuan-export-credit-0.2.0.json"
SUBJECTS = [Identity.parse("fei", str(3_000_000_000 + number)) for number in range(40)]


def founded_with_facts(home: Home) -> Home:
    """Found it, adopt the policy, state three things about each."""
    home.found()
    asyncio.run(tell(home))
    return home


async def tell(home: Home) -> None:
    key = Keystore(home.settings.keys_folder).get(MARKET.label())
    at = int(datetime.now(UTC).timestamp())
    async with Service.opened(home.settings, writes=True) as service:
        await adopt_policy(service, POLICY.read_bytes().rstrip(b"\n"))
        submissions = []
        for number in range(3 * len(SUBJECTS)):
            weighing = Weighing(
                kind="enforcement",
                code="quality",
                outcome=("fine", "warning", "confiscation")[number % 3],
                severity=(Severity.GENERAL, Severity.SERIOUS)[number % 2],
                decided_on=date(2024, 1, 1) + timedelta(days=number % 100),
                case=None if number % 5 else f"k-{number}",
            )
            about = SUBJECTS[7 * number % len(SUBJECTS)]
            draft = draft_about(about, weighing, {}, issuer=MARKET, jti=f"R-{number}", issued_at=at)
            submissions.append(Submission((issue(draft, key, fresh_salts()),)))
        await service.writer.submit_each(submissions)
        await service.followed(service.writer.tree_size)
