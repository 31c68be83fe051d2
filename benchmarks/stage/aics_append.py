"""The closed loop of `peers_append` over aics-tlog's writer; runs in `.peers`, without our code.

Its input is one line of JSON: folder, batch size, the file of the entries, each behind its length
in four bytes, and the key that signed them, or null for a log that asks no signature. Its output
is the seconds it took until all were durable and in a signed head.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from pathlib import Path

from aics_tlog import Checkpoint, DirectoryTileStore, IncrementalTileWriter, sign_checkpoint
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

ORIGIN = "benchmark/aics"


def entries_of(file: Path) -> list[bytes]:
    """As they were written there."""
    raw, entries, at = file.read_bytes(), [], 0
    while at < len(raw):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "big")
        entries.append(raw[at + 4 : end])
        at = end
    return entries


def check_signature(entry: bytes, key: Ed25519PublicKey) -> None:
    """That of the token of an SD-JWT."""
    signed, _, signature = entry.partition(b"~")[0].rpartition(b".")
    key.verify(base64.urlsafe_b64decode(signature + b"=="), signed)


def main() -> None:
    """Append them batch by batch, each batch with its signed checkpoint on the disk."""
    told = json.loads(sys.stdin.readline())
    entries, batch = entries_of(Path(told["entries"])), told["batch"]
    store = DirectoryTileStore(told["folder"], fsync=True)
    writer = IncrementalTileWriter(store)
    key = Ed25519PrivateKey.generate()
    issuer = told["issuer"] and Ed25519PublicKey.from_public_bytes(bytes.fromhex(told["issuer"]))
    started = time.perf_counter()
    for first in range(0, len(entries), batch):
        if issuer:
            for entry in entries[first : first + batch]:
                check_signature(entry, issuer)
        result = writer.append(entries[first : first + batch])
        head = Checkpoint(origin=ORIGIN, size=result.size, root=result.root)
        store.write_checkpoint(sign_checkpoint(head, key, ORIGIN).to_bytes())
    print(json.dumps(time.perf_counter() - started))


if __name__ == "__main__":
    main()
