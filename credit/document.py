"""One place in a policy document: a JSON value that knows its path and gives itself up strictly.

    Place             a value and the members that lead to it
    Place.of          the root of a document, from canonical bytes
    .members          an object with exactly these members
    .entries          an object whose keys are names chosen by the author
    .items            a list
    .nullable         None, or what a reader makes of it
    .has .choice_of   which of several forms an object has
    .text .integer .flag .day .choice   the leaves

Every refusal names the path. What an object holds beyond its members is refused and not skipped:
a rule that one reader sees and another does not would be two policies under one hash. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Self, TypeVar

from credit.errors import PolicyMalformed, PolicyMember, PolicyOrder, PolicyValue
from ledger.canonical import Json, decode
from ledger.errors import NotCanonical

DOCUMENT_BYTES_MAX = 48_000
"""What fits, as base64 inside a signed control entry, into a leaf of 65,535 bytes."""

LIST_MAX = 500
"""Rules of one section; more than any published rule of rating has."""

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", re.ASCII)
"""Kinds, codes, outcomes, severities, flags and rule ids."""

T = TypeVar("T")

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """A value of the document and where it stands."""

    value: Json
    path: tuple[str | int, ...] = ()

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """The root of a document."""
        if len(raw) > DOCUMENT_BYTES_MAX:
            raise PolicyMalformed(f"a policy is at most {DOCUMENT_BYTES_MAX} bytes, not {len(raw)}")
        try:
            return cls(decode(raw))
        except NotCanonical as error:
            raise PolicyMalformed(f"a policy is {error.message}", path=error.path) from None

    def members(self, *required: str, optional: Collection[str] = ()) -> dict[str, Place]:
        """The members of an object that has all of `required` and nothing beyond `optional`."""
        value = self._object()
        for name in required:
            if name not in value:
                raise PolicyMember(f"the member {name!r} is missing", path=(*self.path, name))
        for name in value:
            if name not in required and name not in optional:
                raise PolicyMember(
                    f"the policy language has no member {name!r} here", path=(*self.path, name)
                )
        return {name: Place(member, (*self.path, name)) for name, member in value.items()}

    def entries(self, *, at_least: int = 1) -> Iterator[tuple[str, Place]]:
        """Name and place of each entry of an object."""
        value = self._object()
        if len(value) < at_least:
            raise PolicyValue("an empty object decides nothing", path=self.path)
        for name, member in value.items():
            inner = Place(member, (*self.path, name))
            if not NAME.fullmatch(name):
                raise PolicyValue(f"{name!r} is not a name", path=inner.path)
            yield name, inner

    def has(self, name: str) -> bool:
        """Whether an object has that member: for objects of several forms."""
        return name in self._object()

    def choice_of(self, name: str, *known: str) -> str:
        """The word by which an object of several forms says which it has."""
        value = self._object()
        if name not in value:
            raise PolicyMember(f"the member {name!r} is missing", path=(*self.path, name))
        return Place(value[name], (*self.path, name)).choice(*known)

    def nullable(self, read: Callable[[Place], T]) -> T | None:
        """None for null; anything else as `read` has it."""
        return None if self.value is None else read(self)

    def items(self, *, at_least: int = 0) -> list[Place]:
        """The places of a list."""
        if not isinstance(self.value, list):
            raise PolicyValue(f"a list is expected, not {_name(self.value)}", path=self.path)
        if not at_least <= len(self.value) <= LIST_MAX:
            raise PolicyValue(
                f"a list of {at_least} to {LIST_MAX} is expected, not of {len(self.value)}",
                path=self.path,
            )
        return [Place(item, (*self.path, position)) for position, item in enumerate(self.value)]

    def text(self, form: re.Pattern[str] = NAME) -> str:
        """A string of the given form."""
        if not isinstance(self.value, str):
            raise PolicyValue(f"a string is expected, not {_name(self.value)}", path=self.path)
        if not form.fullmatch(self.value):
            raise PolicyValue(f"{self.value!r} is spelled otherwise", path=self.path)
        return self.value

    def names(self) -> frozenset[str]:
        """A list of names, sorted, each once and at least one."""
        names = [item.text() for item in self.items(at_least=1)]
        for position in range(1, len(names)):
            if names[position - 1] >= names[position]:
                raise PolicyOrder(
                    f"{names[position]!r} is out of order: names are sorted, each once",
                    path=(*self.path, position),
                )
        return frozenset(names)

    def integer(self, lowest: int, highest: int) -> int:
        """An integer within bounds, both included."""
        # In Python a boolean is an integer; in a policy it is not.
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise PolicyValue(f"an integer is expected, not {_name(self.value)}", path=self.path)
        if not lowest <= self.value <= highest:
            raise PolicyValue(f"{self.value} is not in {lowest} to {highest}", path=self.path)
        return self.value

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise PolicyValue(f"true or false is expected, not {_name(self.value)}", path=self.path)
        return self.value

    def day(self) -> date:
        """A civil day, as YYYY-MM-DD."""
        text = self.text(_DAY)
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise PolicyValue(f"the calendar has no day {text}", path=self.path) from None

    def choice(self, *known: str) -> str:
        """One of the words of the language."""
        text = self.text()
        if text not in known:
            raise PolicyValue(f"{text!r} is none of {', '.join(known)}", path=self.path)
        return text

    def _object(self) -> dict[str, Json]:
        if not isinstance(self.value, dict):
            raise PolicyValue(f"an object is expected, not {_name(self.value)}", path=self.path)
        return self.value


def _name(value: Json) -> str:
    if value is None:
        return "null"
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number"}
    return names[type(value)]
