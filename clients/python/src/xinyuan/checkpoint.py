"""C2SP tlog-checkpoint: what a log says it holds.

    Checkpoint  origin, tree size, root hash, extension lines

Reads the text of a signed note; signatures are the business of `xinyuan.note`. Pure.
"""

import re
from dataclasses import dataclass
from typing import Self

from xinyuan import exact_base64
from xinyuan.errors import Code, VerificationError
from xinyuan.merkle import HASH_SIZE

_TREE_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's name, how many entries it holds, and the root over them."""

    origin: str
    tree_size: int
    root_hash: bytes
    extensions: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take the text of a note: origin, size, root, one a line."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() != "" or "" in lines:
            raise _malformed("it has three lines or more, none empty")
        origin, size, root, *extensions = lines
        if not _TREE_SIZE.fullmatch(size):
            raise _malformed("its second line is not a tree size")
        try:
            root_hash = exact_base64.decode_standard(root, size=HASH_SIZE)
        except ValueError as error:
            raise _malformed("its third line is not a root hash") from error
        return cls(
            origin=origin, tree_size=int(size), root_hash=root_hash, extensions=tuple(extensions)
        )


def _malformed(message: str) -> VerificationError:
    return VerificationError(Code.CHECKPOINT_MALFORMED, f"not a checkpoint: {message}")
