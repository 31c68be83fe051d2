"""Reading decoded objects whose member names are known.

    Fields  one object with exactly the expected members, and typed ways to take them out

A refusal carries the code of the form being read and the path of the member at fault. Pure.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from xinyuan import exact_base64
from xinyuan.canonical import Json
from xinyuan.errors import Code, VerificationError
from xinyuan.label import Label, parse_label

# 9999-12-31T23:59:59Z, the last second a civil date of four digits can name.
INSTANT_MAX_S = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Fields:
    """An object that has been seen to hold the expected members and no others."""

    values: dict[str, Json]
    code: Code

    @classmethod
    def parse(
        cls,
        value: Json,
        names: Collection[str],
        *,
        optional: Collection[str] = (),
        code: Code,
    ) -> Self:
        """Take an object with all of `names`, perhaps some of `optional`, and nothing else."""
        if not isinstance(value, dict):
            raise VerificationError(code, "an object belongs here")
        missing = sorted(set(names) - value.keys())
        if missing:
            raise VerificationError(code, f"member {missing[0]!a} is missing")
        foreign = sorted(value.keys() - set(names) - set(optional))
        if foreign:
            raise VerificationError(
                code, f"member {foreign[0]!a} does not belong here", path=(foreign[0],)
            )
        return cls(values=value, code=code)

    def refusal(self, name: str, message: str) -> VerificationError:
        """Make the refusal of one member, for the caller to raise."""
        return VerificationError(self.code, f"{name}: {message}", path=(name,))

    def text(self, name: str) -> str:
        """Take a string of at least one character."""
        value = self.values[name]
        if not isinstance(value, str) or not value:
            raise self.refusal(name, "a string of at least one character belongs here")
        return value

    def integer(self, name: str, *, least: int = 0) -> int:
        """Take an integer of `least` or more."""
        value = self.values[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.refusal(name, f"an integer of {least} or more belongs here")
        return value

    def flag(self, name: str) -> bool:
        """Take true or false."""
        value = self.values[name]
        if not isinstance(value, bool):
            raise self.refusal(name, "true or false belongs here")
        return value

    def items(self, name: str) -> list[Json]:
        """Take a list."""
        value = self.values[name]
        if not isinstance(value, list):
            raise self.refusal(name, "a list belongs here")
        return value

    def texts(self, name: str) -> list[str]:
        """Take a list of strings."""
        texts: list[str] = []
        for position, item in enumerate(self.items(name)):
            if not isinstance(item, str):
                raise VerificationError(
                    self.code, f"{name}: a list of strings belongs here", path=(name, position)
                )
            texts.append(item)
        return texts

    def instant(self, name: str) -> datetime:
        """Take a count of seconds since 1970 (`iat`, RFC 7519 §4.1.6)."""
        seconds = self.integer(name)
        if seconds > INSTANT_MAX_S:
            raise self.refusal(name, "a moment after the year 9999")
        return datetime.fromtimestamp(seconds, UTC)

    def label(self, name: str) -> Label:
        """Take a label of 43 characters."""
        try:
            return parse_label(self.text(name))
        except ValueError as error:
            raise self.refusal(name, "a label of 43 base64url characters belongs here") from error

    def hash(self, name: str) -> bytes:
        """Take 32 bytes in base64url."""
        try:
            return exact_base64.decode_url(self.text(name), size=32)
        except ValueError as error:
            raise self.refusal(name, "32 bytes in base64url belong here") from error
