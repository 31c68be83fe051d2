"""Periods in months as the Civil Code of China counts them (articles 201 to 203).

    add_months   the last day of a period of so many months
    day_after    the first day outside a period

The day on which a period starts is not counted (art. 201). It ends on the day of the same number
in the last month, or on that month's last day (art. 202); the last day is inside. So a month that
began on 31 January runs to the end of 28 February, and is complete on 1 March. Days are civil
days without time of day or zone. Beyond `date.max` the calendar stands still. Pure.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

_MONTHS_A_YEAR = 12
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ONE_DAY = timedelta(days=1)

_PERIODS_KEPT = 16_384
"""Of some 3 MB: a population's facts share the days of a few years, and a policy's few months."""


@lru_cache(maxsize=_PERIODS_KEPT)
def add_months(day: date, months: int) -> date:
    """The last day, itself inside, of a period of `months` that starts on `day`."""
    assert months >= 0
    year, month = divmod(day.year * _MONTHS_A_YEAR + day.month - 1 + months, _MONTHS_A_YEAR)
    if year > date.max.year:
        return date.max
    if day.day <= 28:
        return date(year, month + 1, day.day)
    return date(year, month + 1, min(day.day, _length(year, month)))


@lru_cache(maxsize=_PERIODS_KEPT)
def day_after(day: date) -> date | None:
    """The next day; None at the end of the calendar, where no next day comes."""
    return day + _ONE_DAY if day < date.max else None


def _length(year: int, month: int) -> int:
    """The days of a month counted from 0, by the Gregorian rule."""
    leap = month == 1 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 29 if leap else _LENGTHS[month]
