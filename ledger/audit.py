"""Auditing a log: what was published is hashed again, and held against what was signed.

    signed_checkpoint   a note, with a key and the origin it must carry
    check_signers       whether the keys of its size signed a head, as the entries name them
    log_keys_of         the log's keys, from leaves that nobody has vouched for yet
    check_known         a head against one that was seen before
    position_of         where a finding about a part is
    parts_of            every tile and bundle of a tree, in the order an audit takes them
    narrowed            a part cut to the width an older tree has of it
    TreeAudit           entries against tiles, tiles against tiles, the tree against signed roots
    LeafAudit           the form of each leaf, and the control entries folded
    StoredCheckpoint    a row of checkpoints
    HistoryAudit        each row against its note and the row before
    Opening             a row of the opening store with all that belongs to it
    check_opening       the opening store against a leaf, and who might sign it
    check_authority     whether an issuer might state a body at an index
    check_referral      whether a statement might refer to what it refers to
    AuditReport         what was audited, when nothing was found

The first tampering is raised as an `AuditFinding` whose path is its position. Attribution goes from
the top down: the signed root vouches for the unfinished tiles, each tile for those below it, a tile
of level 0 for its entries, so that what does not fit its voucher is what was changed. Where the
unfinished tiles do not lead to the signed root, nobody vouches for anything yet; then the tree is
made again from the entries, and the end says whether a tile, an entry or a root is to blame.

RFC 9162 §2.1, C2SP tlog-tiles and tlog-checkpoint. One tile of each level is held at a time,
however large the log. Pure: fetching is left to `ledger.auditor` (a database) and `api.auditing`
(HTTP).
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ledger.authority import Authorities
from ledger.candidate import Body, form_of, leaf_of
from ledger.canonical import decode
from ledger.checkpoint import Checkpoint
from ledger.control import Control, Genesis, LogKey
from ledger.disclosure import split_presentation
from ledger.errors import (
    AuditFinding,
    BundleBroken,
    CaptureChanged,
    CheckpointBroken,
    CheckpointChanged,
    CheckpointForeign,
    CheckpointMalformed,
    CheckpointMissing,
    CheckpointSuperseded,
    CheckpointUnsigned,
    ControlRefused,
    DisclosureChanged,
    EntryChanged,
    EntryMisreferred,
    EntryMoved,
    EntryUnauthorised,
    EntryUnsigned,
    GenesisMismatch,
    HeadRolledBack,
    InstantChanged,
    LeafFormUnknown,
    LedgerError,
    LogKeyReplaced,
    NoteMalformed,
    NoteUnverified,
    OpeningChanged,
    PartMissing,
    RootMismatch,
    SecondRoot,
    SignatureInvalid,
    TileChanged,
    TileLengthWrong,
    TokenChanged,
)
from ledger.kinds import CAPTURE_MANDATE
from ledger.log_keys import LogKeys
from ledger.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, Hash, leaf_hash
from ledger.note import SignedNote, Verifier
from ledger.referents import Referent, Referral
from ledger.seal import Capture, Party, SealedEvent
from ledger.statement import Statement
from ledger.tiles import (
    ENTRIES,
    TILE_HEIGHT,
    TILE_WIDTH,
    RightEdge,
    Tile,
    edge_tiles,
    split_hashes,
    tile_path,
    tile_root,
)
from ledger.token import Token

_SEALED_LEAF = re.compile(
    rb'\{"(?:commit|capture)":"[A-Za-z0-9_-]{43}","sub":"[A-Za-z0-9_-]{43}","v":1\}'
)
_CAPTURE_LEAF = b'{"capture":'
CONTROL_LEAF = b'{"control":'
"""How a control entry begins."""


Position = tuple[str | int, ...]


def position_of(tile: Tile) -> Position:
    """A tile by level and index, a bundle by its first entry."""
    if tile.level == ENTRIES:
        return ("entry", tile.index * TILE_WIDTH)
    return ("tile", tile.level, tile.index)


def signed_checkpoint(raw: bytes, trusted: Sequence[Verifier]) -> Checkpoint:
    """The checkpoint of a note that one of these keys signed; without any its form is judged alone.

    Raises `CheckpointBroken`, `CheckpointForeign`, `CheckpointUnsigned`.
    """
    try:
        note = SignedNote.parse(raw)
        checkpoint = Checkpoint.parse(note.text)
    except (NoteMalformed, CheckpointMalformed) as error:
        raise CheckpointBroken(error.message, path=("checkpoint",)) from None
    if not trusted:
        return checkpoint
    path = ("checkpoint", checkpoint.tree_size)
    if all(checkpoint.origin != key.name for key in trusted):
        raise CheckpointForeign(
            f"a checkpoint of {checkpoint.origin!r}, not of {trusted[0].name!r}", path=path
        )
    try:
        note.verified_by(trusted)
    except NoteUnverified as error:
        raise CheckpointUnsigned(error.message, path=path) from None
    return checkpoint


def check_signers(
    log_keys: LogKeys, note: SignedNote, tree_size: int, *, previous_size: int | None = None
) -> None:
    """Raises `CheckpointForeign`, `CheckpointUnsigned`, `CheckpointSuperseded`."""
    path = ("checkpoint", tree_size)
    origin, found = log_keys.latest.key.ed25519.name, note.text.partition("\n")[0]
    if found != origin:
        raise CheckpointForeign(f"a checkpoint of {found!r}, not of {origin!r}", path=path)
    try:
        log_keys.check_head(note, tree_size, previous_size=previous_size)
    except NoteUnverified as error:
        raise CheckpointUnsigned(error.message, path=path) from None
    except LogKeyReplaced as error:
        raise CheckpointSuperseded(error.message, path=path) from None


def log_keys_of(leaves: Iterable[tuple[int, bytes]]) -> LogKeys | None:
    """Genesis and log-key entries among these leaves, as far as they can be read."""
    log_keys = LogKeys()
    for leaf_index, leaf in leaves:
        try:
            content = _control_of(leaf_index, leaf).content
        except AuditFinding:
            continue
        if isinstance(content, Genesis if leaf_index == 0 else LogKey):
            log_keys = log_keys.after(content, leaf_index)
    return log_keys if log_keys.records and log_keys.records[0].begun_index == 0 else None


def check_known(head: Checkpoint, known: Checkpoint) -> None:
    """A head that was seen before must not be newer than the head. Raises `HeadRolledBack`."""
    if head.tree_size < known.tree_size:
        raise HeadRolledBack(
            f"the log shows size {head.tree_size}, and has signed {known.tree_size}",
            path=("checkpoint", head.tree_size),
        )


def parts_of(tree_size: int) -> Iterator[Tile]:
    """Each part once: unfinished tiles, highest first; then, bundle by bundle, what leads to it."""
    yield from reversed([tile for tile in edge_tiles(tree_size) if tile.width])
    for index in range(-(-tree_size // TILE_WIDTH)):
        levels = []
        level, start = 0, index
        while (start + 1) << TILE_HEIGHT * (level + 1) <= tree_size:
            levels.append(Tile(level, start))
            if start % TILE_WIDTH:
                break
            level, start = level + 1, start // TILE_WIDTH
        yield from reversed(levels)
        yield Tile(ENTRIES, index, min(TILE_WIDTH, tree_size - index * TILE_WIDTH))


def narrowed(tile: Tile, full: bytes) -> bytes:
    """The part `tile` of a tree that has grown since, from its full form."""
    if tile.level != ENTRIES:
        return full[: tile.width * HASH_BYTES]
    at = 0
    for _ in range(tile.width):
        at += 2 + int.from_bytes(full[at : at + 2], "big")
    return full[:at]


class TreeAudit:
    """Takes the parts of one tree in the order of `parts_of`, then `finish`."""

    def __init__(self, head: Checkpoint) -> None:
        self._head = head
        self._widths = [tile.width for tile in edge_tiles(head.tree_size)]
        self._edges: dict[int, bytes] = {}
        self._full: dict[int, tuple[int, bytes]] = {}
        self._vouched: bool | None = None
        self._claims: deque[Checkpoint] = deque()
        # Roots of the full tiles of level 0, from which any claimed root follows in few steps.
        self._subtrees = Frontier()
        self._next_subtree = EMPTY_ROOT
        # Only while nobody vouches for the tiles: the tree made again from its entries.
        self._remade = RightEdge()
        self._odd_tile: Tile | None = None
        self._agreed_size = 0
        self._odd_size = head.tree_size

    def expect(self, claims: Iterable[Checkpoint]) -> None:
        """Earlier checkpoints to be met on the way; each before its last entry is taken."""
        ordered = sorted((*self._claims, *claims), key=lambda claim: claim.tree_size)
        self._claims = deque(ordered)

    def take(self, tile: Tile, data: bytes | None) -> Sequence[bytes]:
        """Check one part, None when the log has it not; the entries of a bundle, else nothing.

        Raises `AuditFinding`.
        """
        if data is None:
            raise PartMissing(f"the log lacks {tile_path(tile)}", path=position_of(tile))
        if tile.level == ENTRIES:
            entries, broken = _split_bundle(tile, data)
            self.take_entries(tile, entries, broken)
            return entries
        if len(data) != tile.width * HASH_BYTES:
            raise TileLengthWrong(
                f"{tile_path(tile)} has {len(data)} bytes, not {tile.width} hashes",
                path=position_of(tile),
            )
        if tile.width < TILE_WIDTH:
            self._edges[tile.level] = data
        else:
            self._take_full(tile, data)
        return ()

    def finish(self) -> None:
        """All parts were taken: say whom the signed root accuses. Raises `AuditFinding`."""
        if self.is_vouched:
            return
        for level, remade in enumerate(self._remade.partials):
            if remade != self._edges.get(level, b"") and self._odd_tile is None:
                self._odd_tile = Tile(level, self._remade.tree_size >> TILE_HEIGHT * (level + 1))
        if self._odd_tile is not None:
            raise TileChanged(
                f"the tile at level {self._odd_tile.level}, {self._odd_tile.index} is not "
                f"what lies below it",
                path=position_of(self._odd_tile),
            )
        raise RootMismatch(
            f"the root signed at {self._odd_size} is not that of the entries, whose first "
            f"{self._agreed_size} are as signed",
            path=("checkpoint", self._odd_size, "entry", self._agreed_size),
        )

    @property
    def is_vouched(self) -> bool:
        """Whether the unfinished tiles lead to the signed root; if not, `finish` will raise."""
        if self._vouched is None:
            partials = tuple(self._edges.get(level, b"") for level in range(len(self._widths)))
            self._vouched = RightEdge(self._head.tree_size, partials).root == self._head.root_hash
        return self._vouched

    def _take_full(self, tile: Tile, data: bytes) -> None:
        if self.is_vouched:
            subtree = tile_root(data)
            if subtree != self._voucher(tile):
                raise TileChanged(
                    f"{tile_path(tile)} does not hash to what the tile above says",
                    path=position_of(tile),
                )
            if tile.level == 0:
                self._next_subtree = subtree
        self._full[tile.level] = (tile.index, data)

    def _voucher(self, tile: Tile) -> bytes:
        """The hash that the level above has for a full tile."""
        data = self._tile(tile.level + 1, tile.index // TILE_WIDTH)
        at = tile.index % TILE_WIDTH * HASH_BYTES
        return data[at : at + HASH_BYTES]

    def _tile(self, level: int, index: int) -> bytes:
        held, data = self._full.get(level, (-1, b""))
        return data if held == index else self._edges[level]

    def take_entries(
        self, tile: Tile, entries: Sequence[bytes], broken: BundleBroken | None = None
    ) -> None:
        """Check the entries of a bundle; `broken` says why there are fewer than its width.

        Raises `AuditFinding`.
        """
        assert broken is not None or len(entries) == tile.width
        first = tile.index * TILE_WIDTH
        sha256 = hashlib.sha256
        hashes = [sha256(b"\x00" + entry).digest() for entry in entries]
        wanted = self._tile(0, tile.index)
        if self.is_vouched and b"".join(hashes) != wanted:
            _accuse(first, hashes, split_hashes(wanted))
        if broken is not None:
            raise broken
        if self._claims and self._claims[0].tree_size <= first + tile.width:
            self._check_claims(first, [Hash(hash_) for hash_ in hashes], first + tile.width)
        if not self.is_vouched:
            self._remake([Hash(hash_) for hash_ in hashes])
            if tile.width == TILE_WIDTH:
                self._next_subtree = tile_root(b"".join(hashes))
        if tile.width == TILE_WIDTH:
            self._subtrees = self._subtrees.extended([self._next_subtree])

    def _check_claims(self, first: int, hashes: Sequence[Hash], end: int) -> None:
        within = Frontier()
        while self._claims and self._claims[0].tree_size <= end:
            claim = self._claims.popleft()
            within = within.extended(hashes[within.tree_size : claim.tree_size - first])
            peaks = (*self._subtrees.peaks, *within.peaks)
            agrees = Frontier(claim.tree_size, peaks).root == claim.root_hash
            if not agrees and self.is_vouched:
                raise SecondRoot(
                    f"the root signed at {claim.tree_size} is not that of the signed tree",
                    path=("checkpoint", claim.tree_size),
                )
            if not agrees:
                self._odd_size = min(self._odd_size, claim.tree_size)
            elif self._odd_size == self._head.tree_size:
                self._agreed_size = claim.tree_size

    def _remake(self, hashes: Sequence[Hash]) -> None:
        self._remade, written = self._remade.extended(hashes)
        for tile, remade in written:
            full = tile.width == TILE_WIDTH
            if full and self._odd_tile is None and self._tile(tile.level, tile.index) != remade:
                self._odd_tile = tile


def _split_bundle(tile: Tile, data: bytes) -> tuple[list[bytes], BundleBroken | None]:
    """The entries of a bundle as far as it can be read, and what is wrong with the rest."""
    entries: list[bytes] = []
    at, end = 0, len(data)
    for position in range(tile.width):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if at > end:
            index = tile.index * TILE_WIDTH + position
            message = f"{tile_path(tile)} ends inside entry {index}"
            return entries, BundleBroken(message, path=("entry", index))
        entries.append(data[start:at])
    if at != end:
        last = tile.index * TILE_WIDTH + tile.width
        message = f"{tile_path(tile)} has {end - at} bytes after its last entry"
        return entries, BundleBroken(message, path=("entry", last))
    return entries, None


def _accuse(first: int, hashes: Sequence[bytes], wanted: Sequence[bytes]) -> None:
    """Name the first entry that is not the signed one, if one of these is."""
    for position, (found, signed) in enumerate(zip(hashes, wanted, strict=False)):
        if found == signed:
            continue
        path = ("entry", first + position)
        if found in wanted:
            other = first + list(wanted).index(found)
            raise EntryMoved(f"here stands the entry signed as {other}", path=path)
        raise EntryChanged(f"entry {first + position} is not the one that was signed", path=path)


class LeafAudit:
    """Takes every leaf in order; knows keys and mandates as of the next index.

    `genesis_hash` is the hash of entry 0, where somebody pinned it.
    """

    def __init__(self, genesis_hash: bytes | None = None) -> None:
        self._pinned = genesis_hash
        self.genesis_hash = b""
        self.authorities = Authorities()

    def take(self, leaf_index: int, leaf: bytes) -> str:
        """Says the form in one word, as `ledger.candidate.form_of` has it.

        Raises `LeafFormUnknown`, `GenesisMismatch`, `ControlRefused`.
        """
        if leaf_index and _SEALED_LEAF.fullmatch(leaf):
            return "capture" if leaf.startswith(_CAPTURE_LEAF) else "statement"
        path = ("entry", leaf_index)
        if not leaf.startswith(CONTROL_LEAF):
            if leaf_index == 0:
                raise GenesisMismatch("the first entry is no genesis", path=path)
            raise LeafFormUnknown("no statement, capture or control entry", path=path)
        control = _control_of(leaf_index, leaf)
        try:
            self.authorities.check(control)
        except LedgerError as error:
            raise ControlRefused(error.message, path=path) from None
        self.authorities = self.authorities.after(control, leaf_index)
        if leaf_index == 0:
            self.genesis_hash = leaf_hash(leaf)
            if self._pinned not in (None, self.genesis_hash):
                raise GenesisMismatch("it is not the one whose hash was pinned", path=path)
        return "control"

    def check_head(self, note: SignedNote, tree_size: int) -> None:
        """All leaves were taken: whether their keys signed the head that led here.

        Raises `GenesisMismatch`, `CheckpointUnsigned`, `CheckpointSuperseded`.
        """
        log_keys = self.authorities.log_keys
        try:
            check_signers(log_keys, note, tree_size)
        except CheckpointUnsigned:
            if len(log_keys.records) > 1:
                raise
            raise GenesisMismatch("it names another log key", path=("entry", 0)) from None


def _control_of(leaf_index: int, leaf: bytes) -> Control:
    path = ("entry", leaf_index)
    try:
        members = decode(leaf)
        text = members.get("control") if isinstance(members, dict) else None
        control = Control.parse(Token.parse(text if isinstance(text, str) else ""))
    except LedgerError as error:
        raise LeafFormUnknown(f"no control entry: {error.message}", path=path) from None
    if leaf_of(control) != leaf:
        raise LeafFormUnknown("a control entry in another envelope", path=path)
    return control


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A signed head as its row has it."""

    tree_size: int
    previous_size: int
    root_hash: bytes
    note: str
    logged_at: datetime

    def checked(self, log_keys: LogKeys | None) -> Checkpoint:
        """What its note says. Without keys its form is judged alone.

        Raises `CheckpointChanged`, and what `signed_checkpoint` and `check_signers` raise.
        """
        path = ("checkpoint", self.tree_size)
        raw = self.note.encode("utf-8", "surrogateescape")
        try:
            checkpoint = signed_checkpoint(raw, ())
            if log_keys is not None:
                check_signers(
                    log_keys,
                    SignedNote.parse(raw),
                    self.tree_size,
                    previous_size=self.previous_size,
                )
        except AuditFinding as error:
            raise type(error)(error.message, path=path) from None
        if (checkpoint.tree_size, checkpoint.root_hash) != (self.tree_size, self.root_hash):
            raise CheckpointChanged("size or root is not that of the signed note", path=path)
        return checkpoint


class HistoryAudit:
    """Takes the rows of checkpoints by rising size."""

    def __init__(self, log_keys: LogKeys | None) -> None:
        self._log_keys = log_keys
        self._last: StoredCheckpoint | None = None
        self.checked = 0

    @property
    def tree_size(self) -> int:
        """How far the rows have come."""
        return 0 if self._last is None else self._last.tree_size

    def take(self, row: StoredCheckpoint) -> Checkpoint:
        """What the row claims of the tree.

        Raises `CheckpointMissing`, `CheckpointChanged`, `InstantChanged`, and what
        `StoredCheckpoint.checked` raises.
        """
        if row.previous_size != self.tree_size:
            raise CheckpointMissing(
                f"the checkpoint at {row.tree_size} follows one at {row.previous_size}, "
                f"but the one before it is at {self.tree_size}",
                path=("checkpoint", row.previous_size),
            )
        checkpoint = row.checked(self._log_keys)
        if self._last is not None and row.logged_at < self._last.logged_at:
            raise InstantChanged(
                "it is older than the checkpoint before it", path=("checkpoint", row.tree_size)
            )
        self._last = row
        self.checked += 1
        return checkpoint


@dataclass(frozen=True, slots=True)
class Opening:
    """What the opening store has for one index, row by row as it stands there."""

    leaf_index: int
    form: str
    issuer: str
    jti: str
    subject: str
    content_hash: bytes
    token: str
    logged_at: datetime
    weighing: str | None
    particulars: str | None
    party: tuple[str, str] | None
    context: bytes | None
    events: tuple[SealedEvent, ...] = ()


def check_opening(
    opening: Opening,
    leaf: bytes,
    authorities: Authorities,
    *,
    logged_at: datetime,
    signatures: bool,
) -> Body:
    """The opening store against a leaf whose form was checked; `authorities` as of its index.

    `logged_at` is the instant of the checkpoint that first covers it. With `signatures`, that of a
    statement or capture is verified too. Raises `AuditFinding`.
    """
    path = ("entry", opening.leaf_index)
    try:
        token = Token.parse(opening.token)
    except LedgerError as error:
        raise TokenChanged(error.message, path=path) from None
    if _named_by(leaf) not in (token.commit, token.text):
        raise TokenChanged("the token does not hash to the leaf", path=path)
    body = _body(opening, token, leaf)
    if not isinstance(body, Statement) and opening.weighing is not None:
        raise OpeningChanged("only a statement has disclosures", path=path)
    if not isinstance(body, Capture) and opening.party is not None:
        raise OpeningChanged("only a capture has a party", path=path)
    stored = (opening.form, opening.issuer, opening.jti, opening.subject, opening.content_hash)
    said = (form_of(body), body.issuer, body.jti, body.subject, body.content_hash)
    if stored != said or leaf_of(body) != leaf:
        raise OpeningChanged("form, issuer, jti, subject or content is not the token's", path=path)
    if opening.logged_at != logged_at:
        raise InstantChanged("the instant is not that of its checkpoint", path=path)
    if not isinstance(body, Control):
        check_authority(body, authorities, opening.leaf_index, signatures=signatures)
    return body


def _named_by(leaf: bytes) -> str | None:
    """The commitment to a token, or the token of a control entry."""
    members = decode(leaf)
    assert isinstance(members, dict)
    named = members.get("commit") or members.get("capture") or members.get("control")
    return named if isinstance(named, str) else None


def _body(opening: Opening, token: Token, leaf: bytes) -> Body:
    path = ("entry", opening.leaf_index)
    if leaf.startswith(b'{"commit":'):
        if opening.weighing is None or opening.particulars is None:
            raise DisclosureChanged("there are none, and no erasure says why", path=path)
        try:
            texts = split_presentation(f"{opening.weighing}{opening.particulars}~")[1]
            return Statement.parse(token, texts)
        except LedgerError as error:
            raise DisclosureChanged(error.message, path=(*path, *error.path)) from None
    if leaf.startswith(_CAPTURE_LEAF):
        if opening.party is None or opening.context is None:
            raise CaptureChanged("there is no party and no context", path=path)
        try:
            party = Party.parse(*opening.party)
            return Capture.parse(token, party, opening.context, opening.events)
        except LedgerError as error:
            raise CaptureChanged(error.message, path=(*path, *error.path)) from None
    return Control.parse(token)


def check_authority(
    body: Statement | Capture, authorities: Authorities, leaf_index: int, *, signatures: bool
) -> None:
    """Key and mandate as of its index. Raises `EntryUnauthorised`, `EntryUnsigned`."""
    path = ("entry", leaf_index)
    try:
        record = authorities.signing_key(body.token.kid, body.issuer, leaf_index=leaf_index)
        if isinstance(body, Statement):
            authorities.require(body.issuer, body.weighing.kind)
        elif body.issuer != body.party.subject:
            authorities.require(body.issuer, CAPTURE_MANDATE)
    except LedgerError as error:
        raise EntryUnauthorised(error.message, path=path) from None
    if signatures:
        try:
            body.token.verify(record.public_key)
        except SignatureInvalid as error:
            raise EntryUnsigned(error.message, path=path) from None


def check_referral(statement: Statement, found: Referent | None, leaf_index: int) -> None:
    """`found` is what stands below its index under the name it gives. Raises `EntryMisreferred`."""
    referral = Referral.of(statement.weighing)
    if referral is None:
        return
    try:
        referral.check(found, issuer=statement.issuer, subject=statement.subject)
    except LedgerError as error:
        raise EntryMisreferred(error.message, path=("entry", leaf_index)) from None


@dataclass(frozen=True, slots=True)
class AuditReport:
    """A log that is what was signed, as far as it was audited."""

    head: Checkpoint
    log_key: Verifier
    """The Ed25519 key of the head."""
    genesis_hash: bytes
    forms: Mapping[str, int]
    """How many entries of each form."""
    checkpoints: int
    events: int | None = None
    """Captured events; None where the opening store was not read."""
    signatures: bool = False
    """Whether those of statements and captures were verified; control entries' always are."""
