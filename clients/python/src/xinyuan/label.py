"""Labels: the 43 characters that stand for a subject where everyone can read.

    Label          base64url of 32 bytes
    parse_label    the only way in from text
    subject_label  of an organisation, from its scheme and identifier
    capture_label  of what a party captured
    control_label  of what a control entry governs

A label is SHA-256 over a domain line and what it names, LF between them. One-person
businesses bear random labels, bound to them by a statement of the registry. Pure.
"""

import hashlib
from typing import NewType

from xinyuan.exact_base64 import decode_url, encode_url

Label = NewType("Label", str)

SUBJECT_SCHEMES = frozenset({"uscc", "fei", "lei", "inn"})
# The scheme of a party whose identifier is a label given out by the registry.
LABEL_SCHEME = "label"


def parse_label(text: str) -> Label:
    """Take the canonical spelling of 32 bytes; ValueError for any other text."""
    decode_url(text, size=32)
    return Label(text)


def subject_label(scheme: str, identifier: str) -> Label:
    """Give the label of an organisation; `scheme` holds no LF, so no two names collide."""
    assert scheme in SUBJECT_SCHEMES
    return _label(f"xinyuan subject v1\n{scheme}\n{identifier}")


def capture_label(scheme: str, identifier: str) -> Label:
    """Give the label of a party's captures, unlinkable to its subject label by strangers."""
    assert scheme in SUBJECT_SCHEMES or scheme == LABEL_SCHEME
    return _label(f"xinyuan capture v1\n{scheme}\n{identifier}")


def control_label(governed: str) -> Label:
    """Give the label of control entries about `log`, `issuer <label>`, `policy`, …"""
    return _label(f"xinyuan control v1\n{governed}")


def _label(text: str) -> Label:
    return Label(encode_url(hashlib.sha256(text.encode("utf-8")).digest()))
