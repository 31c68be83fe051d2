"""20,184 real import refusals: their firms are rated to the same bytes, month by month."""

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import pytest

from credit.facts import Fact
from tests.credit.real_firms import MONTH_ENDS, disagreement, firms_of

SAMPLED = 600
LARGEST = 20
"""The plain program takes a minute over all firms, as over these some seconds."""


@pytest.fixture(scope="module")
def firms(shared_data: Callable[[str], Path]) -> Mapping[str, Sequence[Fact]]:
    return firms_of(
        shared_data("cases/fda_charges.csv.gz"),
        shared_data("cases/fda_import_refusals_2020_2025.csv.gz"),
    )


def test_the_report_is_whole(firms: Mapping[str, Sequence[Fact]]) -> None:
    assert (len(firms), sum(map(len, firms.values()))) == (5_654, 20_184)
    assert max(map(len, firms.values())) == 409
    assert (len(MONTH_ENDS), MONTH_ENDS[0], MONTH_ENDS[-1]) == (
        70,
        date(2020, 3, 31),
        date(2025, 12, 31),
    )


def test_engine_and_plain_program_rate_real_firms_to_the_same_bytes(
    firms: Mapping[str, Sequence[Fact]],
) -> None:
    by_size = sorted(firms, key=lambda firm: (-len(firms[firm]), firm))
    chosen = [
        *by_size[:LARGEST],
        *random.Random(2025).sample(sorted(by_size[LARGEST:]), SAMPLED),
    ]
    assert disagreement({firm: firms[firm] for firm in chosen}) is None
