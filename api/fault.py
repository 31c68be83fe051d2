"""The form of every refusal of this folder: a code, a message, and the place it is about.

    Fault   what each tree of refusals in `api` grows from

It stands apart from `api.errors` so that a command which needs one refusal loads nothing else.
"""

from __future__ import annotations

from typing import ClassVar


class Fault(Exception):
    """A refusal the caller can act on; `code` is public and never changes its meaning."""

    code: ClassVar[str]

    def __init__(self, message: str, *, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
