"""Periods in months: Civil Code of China, articles 201 to 203."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credit.calendar import add_months, day_after

DAYS = st.dates(date(1900, 1, 1), date(2200, 12, 31))


@pytest.mark.parametrize(
    ("start", "months", "last"),
    [
        pytest.param("2025-01-31", 1, "2025-02-28", id="31 January + 1 ends with February"),
        pytest.param("2024-01-31", 1, "2024-02-29", id="in a leap year too"),
        pytest.param("2024-02-29", 12, "2025-02-28", id="29 February + 12 finds no such day"),
        pytest.param("2024-02-29", 48, "2028-02-29", id="and finds it four years on"),
        pytest.param("1899-02-28", 12, "1900-02-28", id="1900 is no leap year"),
        pytest.param("1999-08-31", 6, "2000-02-29", id="2000 is one"),
        pytest.param("2025-03-31", 1, "2025-04-30", id="a month of 30 days"),
        pytest.param("2025-02-28", 1, "2025-03-28", id="a month's last day does not stay last"),
        pytest.param("2025-11-30", 3, "2026-02-28", id="over the end of a year"),
        pytest.param("2025-12-15", 1, "2026-01-15", id="December to January"),
        pytest.param("2025-06-10", 0, "2025-06-10", id="no months at all"),
        pytest.param("9999-12-01", 1, "9999-12-31", id="the end of the calendar"),
    ],
)
def test_a_period_ends_on_the_same_number_or_the_last_day(
    start: str, months: int, last: str
) -> None:
    assert add_months(date.fromisoformat(start), months) == date.fromisoformat(last)


@given(DAYS, DAYS, st.integers(0, 600))
def test_a_later_start_never_ends_earlier(one: date, other: date, months: int) -> None:
    first, second = sorted((one, other))
    assert add_months(first, months) <= add_months(second, months)


def test_after_the_last_day_of_the_calendar_no_day_comes() -> None:
    assert day_after(date(2024, 2, 28)) == date(2024, 2, 29)
    assert day_after(date.max) is None
