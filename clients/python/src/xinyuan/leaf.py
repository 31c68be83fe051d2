"""The bytes the tree commits to, rebuilt from what a proof shows.

    control_leaf    holds the whole token: public rules are public
    statement_leaf  holds the token's hash only
    capture_leaf    likewise, under the party's capture label

Canonical JSON, members exactly these, `v` the version of the form. Pure.
"""

import hashlib

from xinyuan import canonical
from xinyuan.errors import Code, VerificationError
from xinyuan.exact_base64 import encode_url
from xinyuan.label import Label

# C2SP tlog-tiles writes an entry's length in two bytes.
LEAF_SIZE_MAX = 65_535


def control_leaf(token: str, subject: Label) -> bytes:
    """Give the leaf of a control token."""
    return _leaf({"control": token, "sub": subject, "v": 1})


def statement_leaf(token: str, subject: Label) -> bytes:
    """Give the leaf of a statement's token, disclosures not included."""
    return _leaf({"commit": _commitment(token), "sub": subject, "v": 1})


def capture_leaf(token: str, subject: Label) -> bytes:
    """Give the leaf of a capture's token."""
    return _leaf({"capture": _commitment(token), "sub": subject, "v": 1})


def _commitment(token: str) -> str:
    return encode_url(hashlib.sha256(token.encode("ascii")).digest())


def _leaf(value: dict[str, canonical.Json]) -> bytes:
    leaf = canonical.encode(value)
    if len(leaf) > LEAF_SIZE_MAX:
        raise VerificationError(
            Code.LEAF_TOO_LARGE, f"a leaf of {len(leaf)} bytes; a log holds {LEAF_SIZE_MAX} at most"
        )
    return leaf
