"""What the tests stand on: the shared data, and a small log that writes proof files.

    shared_data     a file of the shared data folder
    Ledger          signs tokens, keeps leaves, proves and signs what it holds
    example_ledger  the five entries of the worked example, in a Ledger

The writer shares no code with the package under test: it signs, hashes and spells by
PyNaCl, cryptography, hashlib and json alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from nacl.signing import SigningKey

_REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Give the path of a file of the shared data, which no repository holds."""
    shared = Path(os.environ.get("XIN_SHARED", _REPOSITORY.parent / "shared"))

    def path_of(name: str) -> Path:
        path = shared / "data" / name
        if not path.exists():
            reason = f"the shared data folder has no {name}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        return path

    return path_of


@pytest.fixture(scope="session")
def example(shared_data: Callable[[str], Path]) -> dict[str, Any]:
    """Give the worked example of every wire form."""
    example: dict[str, Any] = json.loads(shared_data("wire/example.json").read_text("utf-8"))
    return example


def spell(value: object) -> str:
    """Write JSON as RFC 8785 has it, for ASCII names and no floats."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def sha256(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def label(domain: str, text: str) -> str:
    return b64url(sha256(f"xinyuan {domain} v1\n{text}".encode()))


@dataclass(frozen=True)
class Key:
    """A signing key of the example: its seed is the hash of its name."""

    name: str

    @property
    def signing(self) -> SigningKey:
        return SigningKey(sha256(f"xinyuan example key {self.name}".encode()))

    @property
    def jwk(self) -> dict[str, str]:
        return {"crv": "Ed25519", "kty": "OKP", "x": b64url(bytes(self.signing.verify_key))}

    @property
    def kid(self) -> str:
        return b64url(sha256(spell(self.jwk).encode()))

    def vkey(self, name: str) -> str:
        typed = b"\x01" + bytes(self.signing.verify_key)
        key_id = sha256(name.encode() + b"\n" + typed)[:4]
        return f"{name}+{key_id.hex()}+{b64(typed)}"

    def note(self, name: str, text: str) -> str:
        typed = b"\x01" + bytes(self.signing.verify_key)
        key_id = sha256(name.encode() + b"\n" + typed)[:4]
        signed = self.signing.sign(text.encode()).signature
        return f"{text}\n— {name} {b64(key_id + signed)}\n"

    @property
    def ml_dsa(self) -> MLDSA44PrivateKey:
        return MLDSA44PrivateKey.from_seed_bytes(sha256(f"example key {self.name}".encode()))

    def ml_dsa_vkey(self, name: str) -> str:
        typed = b"\x06" + self.ml_dsa.public_key().public_bytes_raw()
        key_id = sha256(name.encode() + b"\n" + typed)[:4]
        return f"{name}+{key_id.hex()}+{b64(typed)}"

    def line(self, name: str, text: str) -> str:
        return self.note(name, text).rpartition("\n\n")[2]

    def ml_dsa_line(self, name: str, text: str, *, at_s: int = 1_764_000_000) -> str:
        """As C2SP tlog-cosignature has it, for a checkpoint of three lines."""
        origin, size, root, _ = text.split("\n")
        time = at_s.to_bytes(8, "big")
        names = [bytes([len(part)]) + part for part in (name.encode(), origin.encode())]
        span = bytes(8) + int(size).to_bytes(8, "big")
        message = b"subtree/v1\n\0" + names[0] + time + names[1] + span
        signed = self.ml_dsa.sign(message + base64.b64decode(root))
        key_id = bytes.fromhex(self.ml_dsa_vkey(name).split("+")[1])
        return f"— {name} {b64(key_id + time + signed)}\n"

    def token(self, typ: str, payload: object, **header: object) -> str:
        head = {"alg": "Ed25519", "kid": self.kid, "typ": typ} | header
        signing_input = f"{b64url(spell(head).encode())}.{b64url(spell(payload).encode())}"
        return f"{signing_input}.{b64url(self.signing.sign(signing_input.encode()).signature)}"


@dataclass
class Ledger:
    """A log in memory. `shown` holds what a proof file shows of each entry."""

    origin: str = "ledger.example/xinyuan"
    log: Key = Key("log")
    root: Key = Key("root")
    leaves: list[bytes] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)

    LOG_LABEL = label("control", "log")
    AUTHORITY = label("subject", "uscc\n11150000MB0XY0014W")
    DAIRY = label("subject", "uscc\n91150121MA0XY0010Q")
    DAIRY_CAPTURES = label("capture", "uscc\n91150121MA0XY0010Q")
    WEIGHING: ClassVar[dict[str, Any]] = {
        "basis": "law",
        "case": "c-1",
        "code": "hygiene",
        "decided_on": "2026-03-10",
        "effective_on": "2026-03-10",
        "kind": "inspection",
        "measures": {"samples": 5},
        "occurred_on": "2026-03-01",
        "outcome": "fail",
        "refers": None,
        "severity": "general",
    }

    @property
    def log_key(self) -> str:
        return self.log.vkey(self.origin)

    @staticmethod
    def label_of(domain: str, text: str) -> str:
        return label(domain, text)

    def append(self, leaf: object, **shown: object) -> int:
        self.leaves.append(spell(leaf).encode())
        self.shown.append(shown)
        return len(self.leaves) - 1

    # Tokens and their leaves

    def control(
        self,
        control: str,
        content: object,
        governed: str,
        *,
        key: Key | None = None,
        **changes: object,
    ) -> int:
        payload = {
            "content": content,
            "control": control,
            "iat": 1764000000,
            "iss": self.LOG_LABEL,
            "jti": f"{control}-{len(self.leaves)}",
            "sub": label("control", governed),
        } | changes
        token = (key or self.root).token("xinyuan-control+jwt", payload)
        return self.append({"control": token, "sub": payload["sub"], "v": 1}, control=token)

    def genesis(self, **changes: object) -> int:
        content = {
            "log_key": self.log_key,
            "map_key": Key("map").vkey(f"{self.origin}/map"),
            "map_origin": f"{self.origin}/map",
            "map_version": 1,
            "operator": "example",
            "origin": self.origin,
            "root_key": self.root.jwk,
        } | changes
        return self.control("genesis", content, "log")

    def log_key_entry(
        self, key: Key, second: Key | None = None, *, changes: dict[str, Any] | None = None
    ) -> int:
        content = {
            "log_key": key.vkey(self.origin),
            "ml_dsa_44_key": None if second is None else second.ml_dsa_vkey(self.origin),
        } | (changes or {})
        return self.control("log-key", content, "log")

    def key_begin(self, key: Key, issuer: str, **changes: object) -> int:
        content = {
            "custodial": False,
            "issuer": issuer,
            "key": key.jwk,
            "name": {"en": "Market Supervision", "zh": "市场监管局"},
        } | changes
        return self.control("key-begin", content, f"issuer {issuer}")

    def key_end(self, key: Key, issuer: str) -> int:
        content = {"issuer": issuer, "kid": key.kid}
        return self.control("key-end", content, f"issuer {issuer}")

    def mandate(self, issuer: str, *kinds: str) -> int:
        content = {"issuer": issuer, "kinds": sorted(kinds)}
        return self.control("mandate", content, f"issuer {issuer}")

    def statement(
        self,
        *,
        key: Key | None = None,
        weighing: dict[str, Any] | None = None,
        particulars: dict[str, Any] | None = None,
        **changes: object,
    ) -> int:
        def disclose(name: str, *parts: object) -> str:
            salt = sha256(f"{len(self.leaves)} {name}".encode())[:16]
            return b64url(spell([b64url(salt), *parts]).encode())

        def digest(disclosure: str) -> str:
            return b64url(sha256(disclosure.encode()))

        weighs = {
            name: disclose(name, value)
            for name, value in sorted((self.WEIGHING | (weighing or {})).items())
        }
        hidden = [
            disclose(name, name, value)
            for name, value in sorted(
                (
                    {"subject": {"id": "91150121MA0XY0010Q", "scheme": "uscc"}, "text": "菌落"}
                    if particulars is None
                    else particulars
                ).items()
            )
        ]
        payload = {
            "_sd": sorted(map(digest, hidden)),
            "_sd_alg": "sha-256",
            "iat": 1764000100,
            "iss": self.AUTHORITY,
            "jti": f"NM-{len(self.leaves)}",
            "sub": self.DAIRY,
            **{name: [{"...": digest(text)}] for name, text in weighs.items()},
        } | changes
        token = (key or Key("market")).token("xinyuan-statement+sd-jwt", payload)
        leaf = {"commit": b64url(sha256(token.encode())), "sub": payload["sub"], "v": 1}
        shown = "~".join([token, *weighs.values(), *hidden, ""])
        return self.append(leaf, statement=shown)

    def capture(
        self,
        events: Sequence[str],
        *,
        key: Key | None = None,
        context: str = '["https://ref.gs1.org/context.jsonld"]',
        party: dict[str, str] | None = None,
        **changes: object,
    ) -> int:
        secrets = [sha256(f"secret {position}".encode())[:16] for position in range(len(events))]
        payload = {
            "capture": "0193b8f2-0000-7000-8000-000000000001",
            "count": len(events),
            "events_root": b64url(
                tree_root(
                    [
                        seal(text, context, secret)
                        for text, secret in zip(events, secrets, strict=True)
                    ]
                )
            ),
            "iat": 1764000200,
            "iss": self.DAIRY,
            "jti": f"capture-{len(self.leaves)}",
            "sub": self.DAIRY_CAPTURES,
        } | changes
        token = (key or Key("dairy")).token("xinyuan-capture+jwt", payload)
        return self.append(
            {"capture": b64url(sha256(token.encode())), "sub": payload["sub"], "v": 1},
            capture=token,
            context=context,
            events=[
                {"raw": text, "secret": secret.hex()}
                for text, secret in zip(events, secrets, strict=True)
            ],
            party=party or {"id": "91150121MA0XY0010Q", "scheme": "uscc"},
        )

    # Proofs

    @property
    def head(self) -> str:
        """The text of the checkpoint."""
        return f"{self.origin}\n{len(self.leaves)}\n{b64(tree_root(self.leaves))}\n"

    def checkpoint(self) -> str:
        return self.log.note(self.origin, self.head)

    def signed(self, *keys: Key, ml_dsa: Sequence[Key] = ()) -> str:
        """The checkpoint with a line of each of these keys."""
        lines = [key.line(self.origin, self.head) for key in keys]
        lines += [key.ml_dsa_line(self.origin, self.head) for key in ml_dsa]
        return "\n".join([self.head, "".join(lines)])

    @property
    def genesis_hash(self) -> bytes:
        return sha256(b"\x00" + self.leaves[0])

    def entry(self, leaf_index: int) -> dict[str, Any]:
        path = [b64(node) for node in tree_path(leaf_index, self.leaves)]
        return {"index": leaf_index, "path": path} | deepcopy(self.shown[leaf_index])

    def proof(
        self,
        kind: str,
        *entries: int,
        policies: Sequence[int] = (),
        controls: Sequence[int] | None = None,
    ) -> dict[str, Any]:
        if controls is None:
            controls = [
                leaf_index
                for leaf_index, shown in enumerate(self.shown)
                if "control" in shown and leaf_index not in policies
            ]
        file = {
            "checkpoint": self.checkpoint(),
            "controls": [self.entry(leaf_index) for leaf_index in controls],
            "entries": [self.entry(leaf_index) for leaf_index in entries],
            "format": "xinyuan-proof/1",
            "kind": kind,
        }
        if kind == "enterprise":
            file["policies"] = [self.entry(leaf_index) for leaf_index in policies]
        return file

    @staticmethod
    def written(file: object) -> bytes:
        return spell(file).encode() + b"\n"


def seal(event: str, context: str, secret: bytes) -> bytes:
    """Seal a flat event whose raw values the standard spelling gives back."""
    members = {name: spell(value) for name, value in json.loads(event).items()}
    members.setdefault("@context", context)
    return tree_root(
        [
            sha256(secret + name.encode())[:16] + name.encode() + b"\0" + members[name].encode()
            for name in sorted(members)
        ]
    )


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162 §2.1.1, as its definition reads."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0])
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + tree_root(leaves[:split]) + tree_root(leaves[split:]))


def tree_path(leaf_index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 9162 §2.1.3.1, as its definition reads."""
    if len(leaves) == 1:
        return []
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if leaf_index < split:
        return [*tree_path(leaf_index, leaves[:split]), tree_root(leaves[split:])]
    return [*tree_path(leaf_index - split, leaves[split:]), tree_root(leaves[:split])]


@pytest.fixture
def ledger() -> Ledger:
    """A log with an authority that may inspect, a dairy with a key, and nothing stated yet."""
    ledger = Ledger()
    ledger.genesis()
    ledger.key_begin(Key("market"), Ledger.AUTHORITY)
    ledger.mandate(Ledger.AUTHORITY, "enforcement", "inspection")
    ledger.key_begin(Key("dairy"), Ledger.DAIRY, custodial=True)
    return ledger


@pytest.fixture
def new_key() -> Callable[[str], Key]:
    return Key


@pytest.fixture(scope="session")
def example_ledger(example: dict[str, Any]) -> Ledger:
    """The worked example as a log: its tokens and openings, leaves built here."""
    ledger = Ledger()
    for entry in example["leaves"]:
        token = entry["token"]
        sub = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["sub"]
        commitment = b64url(sha256(token.encode()))
        match entry["form"]:
            case "control":
                ledger.append({"control": token, "sub": sub, "v": 1}, control=token)
            case "statement":
                leaf = {"commit": commitment, "sub": sub, "v": 1}
                ledger.append(leaf, statement=entry["sd_jwt"])
            case _:
                ledger.append(
                    {"capture": commitment, "sub": sub, "v": 1},
                    capture=token,
                    context=entry["context"],
                    events=[
                        {"raw": event["bytes"], "secret": event["secret"]}
                        for event in entry["events"]
                    ],
                    party={"id": "91150121MA0XY0010Q", "scheme": "uscc"},
                )
    return ledger
