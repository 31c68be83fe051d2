"""Auditing published parts: C2SP tlog-tiles, tlog-checkpoint and RFC 9162 §2.1, tampered with.

The log is made here in memory: its parts, and a head. `FAULTS` are applied one by one to a log of
66,000 entries, which has three levels of tiles.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.audit import (
    LeafAudit,
    TreeAudit,
    check_known,
    narrowed,
    parts_of,
    position_of,
    signed_checkpoint,
)
from ledger.candidate import leaf_of
from ledger.checkpoint import Checkpoint
from ledger.control import KeyEnd, Mandate, issue_control
from ledger.errors import (
    AuditFinding,
    BundleBroken,
    CheckpointBroken,
    CheckpointForeign,
    CheckpointUnsigned,
    ControlRefused,
    EntryChanged,
    EntryMoved,
    GenesisMismatch,
    HeadRolledBack,
    LeafFormUnknown,
    PartMissing,
    RootMismatch,
    SecondRoot,
    TileChanged,
    TileLengthWrong,
)
from ledger.merkle import EMPTY_ROOT, Hash, leaf_hash, root
from ledger.note import Signer
from ledger.tiles import ENTRIES, RightEdge, Tile, entry_bundle, parse_bundle, width_in_tree
from ledger.token import public_key_of, thumbprint
from tests.world import MARKET, ORIGIN, genesis, key_of, seed_of

LOG = Signer(ORIGIN, key_of("log"))
STRANGER = Signer(ORIGIN, key_of("stranger"))
BIG = 66_000


def entry_of(index: int, *, was: str = "stated") -> bytes:
    return f"entry {index} as {was}".encode() * (1 + index % 3)


@dataclass
class Published:
    """The parts of a log, and its head, as anybody may fetch them."""

    entries: list[bytes]
    parts: dict[Tile, bytes] = field(default_factory=dict)
    head: bytes = b""
    root_hash: Hash = EMPTY_ROOT

    @classmethod
    def of(cls, entries: Sequence[bytes], signer: Signer = LOG) -> "Published":
        log = cls(list(entries))
        log.publish()
        log.sign(signer)
        return log

    def publish(self) -> None:
        """Bundles and tiles of the entries, as the log would write them."""
        size = len(self.entries)
        edge, written = RightEdge().extended([leaf_hash(entry) for entry in self.entries])
        self.parts = {
            tile: data
            for tile, data in written
            if tile.width == width_in_tree(tile.level, tile.index, size)
        }
        for first in range(0, size, 256):
            bundle = self.entries[first : first + 256]
            self.parts[Tile(ENTRIES, first // 256, len(bundle))] = entry_bundle(bundle)
        self.root_hash = edge.root

    def sign(self, signer: Signer = LOG) -> None:
        checkpoint = Checkpoint(signer.name, len(self.entries), self.root_hash)
        self.head = str(checkpoint.signed(signer)).encode()

    def tile(self, level: int, index: int) -> Tile:
        return Tile(level, index, width_in_tree(level, index, len(self.entries)))

    def change(self, level: int, index: int, change: Callable[[bytes], bytes]) -> None:
        tile = self.tile(level, index)
        self.parts[tile] = change(self.parts[tile])

    def change_bundle(self, index: int, change: Callable[[list[bytes]], list[bytes]]) -> None:
        self.change(ENTRIES, index, lambda data: entry_bundle(change(parse_bundle(data))))

    def audit(self, *claims: Checkpoint) -> list[bytes]:
        head = signed_checkpoint(self.head, [LOG.verifier])
        audit = TreeAudit(head)
        for claim in claims:
            check_known(head, claim)
        audit.expect(claims)
        entries: list[bytes] = []
        for tile in parts_of(head.tree_size):
            entries += audit.take(tile, self.parts.get(tile))
        audit.finish()
        return entries


@pytest.fixture(scope="module")
def sound() -> Published:
    return Published.of([entry_of(index) for index in range(BIG)])


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def replaced(position: int, entry: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda entries: [*entries[:position], entry, *entries[position + 1 :]]


def swapped(one: int, two: int) -> Callable[[list[bytes]], list[bytes]]:
    def swap(entries: list[bytes]) -> list[bytes]:
        entries[one], entries[two] = entries[two], entries[one]
        return entries

    return swap


def claim_of(entries: Sequence[bytes], size: int, *, root_hash: Hash | None = None) -> Checkpoint:
    true = root([leaf_hash(entry) for entry in entries[:size]])
    return Checkpoint(ORIGIN, size, root_hash or true)


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 511, 512, 600, 65_536, 65_537, BIG])
def test_an_untouched_log_passes_and_gives_every_entry_in_order(size: int) -> None:
    log = Published.of([entry_of(index) for index in range(size)])
    assert log.audit() == log.entries


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000])
def test_every_part_of_a_tree_is_asked_for_once_and_no_other(size: int) -> None:
    parts = list(parts_of(size))
    assert len(parts) == len(set(parts))
    expected = {
        Tile(level, index, width_in_tree(level, index, size))
        for level in (ENTRIES, 0, 1, 2)
        for index in range(300)
        if width_in_tree(level, index, size)
    }
    assert set(parts) == expected
    bundles = [part.index for part in parts if part.level == ENTRIES]
    assert all(after == before + 1 for before, after in pairwise(bundles))


Fault = Callable[[Published], None]


def change_entry_and_tile(log: Published) -> None:
    log.change_bundle(6, replaced(2, b"other"))
    log.change(0, 6, lambda data: data[:64] + leaf_hash(b"other") + data[96:])


def change_leaf_and_every_tile(log: Published) -> None:
    log.entries[40_000] = b"other"
    log.publish()


def sign_another_root(log: Published) -> None:
    log.root_hash = Hash(bytes(32))
    log.sign()


FAULTS: dict[str, tuple[Fault, type[AuditFinding], tuple[str | int, ...]]] = {
    "a byte of an entry flipped": (
        lambda log: log.change(ENTRIES, 7, flipped(5)),
        EntryChanged,
        ("entry", 1792),
    ),
    "an entry of the last bundle replaced": (
        lambda log: log.change_bundle(257, replaced(3, b"other")),
        EntryChanged,
        ("entry", 65_795),
    ),
    "the length of an entry changed": (
        lambda log: log.change(ENTRIES, 0, flipped(1)),
        EntryChanged,
        ("entry", 0),
    ),
    "two entries swapped": (
        lambda log: log.change_bundle(1, swapped(4, 9)),
        EntryMoved,
        ("entry", 260),
    ),
    "an entry left out": (
        lambda log: log.change_bundle(2, lambda entries: [*entries[:9], *entries[10:]]),
        EntryMoved,
        ("entry", 521),
    ),
    "an entry put in": (
        lambda log: log.change_bundle(2, lambda entries: [*entries[:9], b"new", *entries[9:]]),
        EntryChanged,
        ("entry", 521),
    ),
    "a bundle cut inside its last entry": (
        lambda log: log.change(ENTRIES, 3, lambda data: data[:-1]),
        BundleBroken,
        ("entry", 1023),
    ),
    "a bundle cut behind an entry": (
        lambda log: log.change_bundle(257, lambda entries: entries[:-1]),
        BundleBroken,
        ("entry", BIG - 1),
    ),
    "bytes behind the last entry of a bundle": (
        lambda log: log.change(ENTRIES, 4, lambda data: data + b"\x00"),
        BundleBroken,
        ("entry", 1280),
    ),
    "an empty entry behind the last": (
        lambda log: log.change_bundle(257, lambda entries: [*entries, b""]),
        BundleBroken,
        ("entry", BIG),
    ),
    "two bundles swapped": (
        lambda log: log.parts.update(
            {
                log.tile(ENTRIES, 8): log.parts[log.tile(ENTRIES, 9)],
                log.tile(ENTRIES, 9): log.parts[log.tile(ENTRIES, 8)],
            }
        ),
        EntryChanged,
        ("entry", 2048),
    ),
    "a byte of a full tile of level 0 flipped": (
        lambda log: log.change(0, 5, flipped(700)),
        TileChanged,
        ("tile", 0, 5),
    ),
    "a byte of the partial tile of level 0 flipped": (
        lambda log: log.change(0, 257, flipped(0)),
        TileChanged,
        ("tile", 0, 257),
    ),
    "a byte of a full tile of level 1 flipped": (
        lambda log: log.change(1, 0, flipped(8191)),
        TileChanged,
        ("tile", 1, 0),
    ),
    "a byte of the partial tile of level 1 flipped": (
        lambda log: log.change(1, 1, flipped(31)),
        TileChanged,
        ("tile", 1, 1),
    ),
    "a byte of the top tile flipped": (
        lambda log: log.change(2, 0, flipped(3)),
        TileChanged,
        ("tile", 2, 0),
    ),
    "a full tile shortened": (
        lambda log: log.change(0, 11, lambda data: data[:-32]),
        TileLengthWrong,
        ("tile", 0, 11),
    ),
    "a partial tile shortened": (
        lambda log: log.change(0, 257, lambda data: data[:-32]),
        TileLengthWrong,
        ("tile", 0, 257),
    ),
    "half a hash behind a tile": (
        lambda log: log.change(1, 1, lambda data: data + bytes(16)),
        TileLengthWrong,
        ("tile", 1, 1),
    ),
    "a tile missing": (
        lambda log: log.parts.__delitem__(log.tile(0, 20)),
        PartMissing,
        ("tile", 0, 20),
    ),
    "a bundle missing": (
        lambda log: log.parts.__delitem__(log.tile(ENTRIES, 21)),
        PartMissing,
        ("entry", 5376),
    ),
    "an entry and its tile changed together": (
        change_entry_and_tile,
        TileChanged,
        ("tile", 0, 6),
    ),
    "a leaf replaced and every tile made again": (
        change_leaf_and_every_tile,
        RootMismatch,
        ("checkpoint", BIG, "entry", 0),
    ),
    "the root of the head changed": (
        lambda log: setattr(log, "head", changed_line(log.head, 2, "A" * 43 + "=")),
        CheckpointUnsigned,
        ("checkpoint", BIG),
    ),
    "the size of the head changed": (
        lambda log: setattr(log, "head", changed_line(log.head, 1, str(BIG - 1))),
        CheckpointUnsigned,
        ("checkpoint", BIG - 1),
    ),
    "the origin of the head changed": (
        lambda log: setattr(log, "head", changed_line(log.head, 0, "other.test/log")),
        CheckpointForeign,
        ("checkpoint", BIG),
    ),
    "the signature of the head changed": (
        lambda log: setattr(log, "head", log.head[:-5] + b"AA==\n"),
        CheckpointUnsigned,
        ("checkpoint", BIG),
    ),
    "the head signed by a foreign key of the same name": (
        lambda log: log.sign(STRANGER),
        CheckpointUnsigned,
        ("checkpoint", BIG),
    ),
    "the head cut short": (
        lambda log: setattr(log, "head", log.head[:40]),
        CheckpointBroken,
        ("checkpoint",),
    ),
    "the head signed over another root": (
        sign_another_root,
        RootMismatch,
        ("checkpoint", BIG, "entry", 0),
    ),
}


def changed_line(head: bytes, number: int, text: str) -> bytes:
    lines = head.decode().split("\n")
    lines[number] = text
    return "\n".join(lines).encode()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_tampering_is_named_by_kind_and_first_position(sound: Published, fault: str) -> None:
    log = Published([*sound.entries], dict(sound.parts), sound.head, sound.root_hash)
    tamper, kind, position = FAULTS[fault]
    tamper(log)
    with pytest.raises(AuditFinding) as finding:
        log.audit()
    assert (type(finding.value), finding.value.path) == (kind, position)


@given(data=st.data())
def test_any_bit_flipped_in_any_part_is_found_where_it_is(data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([1, 2, 255, 256, 257, 511, 512, 513, 700]))
    log = Published.of([entry_of(index) for index in range(size)])
    tile = data.draw(st.sampled_from(sorted(log.parts)))
    at = data.draw(st.integers(0, len(log.parts[tile]) - 1))
    bit = data.draw(st.integers(0, 7))
    whole = log.parts[tile]
    log.parts[tile] = whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
    with pytest.raises(AuditFinding) as finding:
        log.audit()
    if tile.level != ENTRIES:
        assert (type(finding.value), finding.value.path) == (TileChanged, position_of(tile))
        return
    # The entry whose length or bytes hold the flipped bit.
    index, end = tile.index * 256 - 1, 0
    while end <= at:
        end += 2 + int.from_bytes(whole[end : end + 2], "big")
        index += 1
    assert isinstance(finding.value, EntryChanged | BundleBroken)
    assert finding.value.path == ("entry", index)


def test_a_head_older_than_one_that_was_kept_is_a_rollback() -> None:
    entries = [entry_of(index) for index in range(300)]
    log = Published.of(entries[:299])
    with pytest.raises(HeadRolledBack) as finding:
        log.audit(claim_of(entries, 300))
    assert finding.value.path == ("checkpoint", 299)


def test_a_head_of_the_kept_size_with_another_root_is_a_fork() -> None:
    entries = [entry_of(index) for index in range(300)]
    log = Published.of([*entries[:299], b"other"])
    with pytest.raises(SecondRoot) as finding:
        log.audit(claim_of(entries, 300))
    assert finding.value.path == ("checkpoint", 300)


@pytest.mark.parametrize("size", [0, 1, 2, 7, 255, 256, 257, 300, 511, 512, 513, 599, 600])
def test_a_kept_checkpoint_of_every_size_is_met_and_any_other_root_is_not(size: int) -> None:
    log = Published.of([entry_of(index) for index in range(600)])
    log.audit(claim_of(log.entries, size))
    with pytest.raises(SecondRoot) as finding:
        log.audit(claim_of(log.entries, size, root_hash=Hash(bytes(32))))
    assert finding.value.path == ("checkpoint", size)


@pytest.mark.parametrize("index", [0, 5, 255, 256, 299])
def test_kept_checkpoints_find_the_leaf_that_was_replaced_with_all_its_tiles(index: int) -> None:
    log = Published.of([entry_of(index) for index in range(300)])
    claims = [claim_of(log.entries, size) for size in range(1, 301)]
    log.entries[index] = b"other"
    log.publish()
    with pytest.raises(RootMismatch) as finding:
        log.audit(*claims)
    assert finding.value.path == ("checkpoint", index + 1, "entry", index)


def test_a_tile_is_accused_though_checkpoints_were_kept() -> None:
    log = Published.of([entry_of(index) for index in range(300)])
    claims = [claim_of(log.entries, size) for size in (1, 256, 299, 300)]
    log.change(1, 0, flipped(0))
    with pytest.raises(TileChanged) as finding:
        log.audit(*claims)
    assert finding.value.path == ("tile", 1, 0)


@pytest.mark.parametrize("width", [1, 3, 255, 256])
def test_a_part_of_an_older_tree_is_a_prefix_of_the_full_one(width: int) -> None:
    log = Published.of([entry_of(index) for index in range(256)])
    bundle = log.parts[Tile(ENTRIES, 0)]
    assert narrowed(Tile(ENTRIES, 0, width), bundle) == entry_bundle(log.entries[:width])
    assert narrowed(Tile(0, 0, width), log.parts[Tile(0, 0)]) == log.parts[Tile(0, 0)][: width * 32]


def test_the_position_of_a_bundle_is_its_first_entry() -> None:
    assert position_of(Tile(ENTRIES, 3, 7)) == ("entry", 768)
    assert position_of(Tile(2, 3)) == ("tile", 2, 3)


def control_leaf(content: Mandate | KeyEnd, *, key: str = "root") -> bytes:
    return leaf_of(issue_control(content, key=key_of(key), jti="c-1", issued_at=1))


GENESIS = leaf_of(issue_control(genesis(), key=key_of("root"), jti="c-0", issued_at=1))
SEALED = b'{"commit":"%s","sub":"%s","v":1}' % (b"A" * 43, b"A" * 43)


@pytest.mark.parametrize(
    ("leaves", "kind"),
    [
        pytest.param([SEALED], GenesisMismatch, id="a log that begins without genesis"),
        pytest.param([GENESIS, SEALED + b" "], LeafFormUnknown, id="a space behind a leaf"),
        pytest.param([GENESIS, b""], LeafFormUnknown, id="an empty leaf"),
        pytest.param(
            [GENESIS, SEALED.replace(b"commit", b"cummit")], LeafFormUnknown, id="a fourth form"
        ),
        pytest.param([GENESIS, b'{"control":"x"}'], LeafFormUnknown, id="a control without token"),
        pytest.param(
            [GENESIS, control_leaf(Mandate(MARKET.label(), ())).replace(b'"v":1', b'"v":2')],
            LeafFormUnknown,
            id="a control entry in another envelope",
        ),
        pytest.param([GENESIS, GENESIS], ControlRefused, id="a second genesis"),
        pytest.param(
            [GENESIS, control_leaf(Mandate(MARKET.label(), ()), key="market")],
            ControlRefused,
            id="a control entry that another key signed",
        ),
        pytest.param(
            [
                GENESIS,
                control_leaf(KeyEnd(MARKET.label(), thumbprint(public_key_of(seed_of("market"))))),
            ],
            ControlRefused,
            id="the end of a key that never began",
        ),
    ],
)
def test_the_last_of_these_leaves_could_not_stand_there(
    leaves: list[bytes], kind: type[AuditFinding]
) -> None:
    audit = LeafAudit()
    for index, leaf in enumerate(leaves[:-1]):
        audit.take(index, leaf)
    with pytest.raises(kind) as finding:
        audit.take(len(leaves) - 1, leaves[-1])
    assert finding.value.path == ("entry", len(leaves) - 1)


def test_a_genesis_of_another_log_key_founds_another_log() -> None:
    audit = LeafAudit()
    audit.take(0, GENESIS)
    head = Checkpoint(ORIGIN, 1, leaf_hash(GENESIS))
    audit.check_head(head.signed(LOG), 1)
    with pytest.raises(GenesisMismatch):
        audit.check_head(head.signed(STRANGER), 1)


def test_a_genesis_is_held_against_the_hash_that_was_pinned() -> None:
    audit = LeafAudit(leaf_hash(GENESIS))
    audit.take(0, GENESIS)
    assert audit.genesis_hash == leaf_hash(GENESIS)
    with pytest.raises(GenesisMismatch):
        LeafAudit(bytes(32)).take(0, GENESIS)
