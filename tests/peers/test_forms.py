"""C2SP signed-note, tlog-checkpoint and tlog-tiles: the same bytes are read by all, or by none.

Honest forms are spoiled byte by byte and line by line; the server, the SDK and aics-tlog judge.
Three differences were found so, and are written down in `DIFFERENCES`; nothing else may differ.
"""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from xinyuan.checkpoint import Checkpoint as SdkCheckpoint
from xinyuan.errors import VerificationError
from xinyuan.note import SignedNote as SdkNote
from xinyuan.note import VerifierKey as SdkKey

from ledger.checkpoint import Checkpoint, open_checkpoint
from ledger.cosignature import Cosigner
from ledger.errors import LedgerError, TilePathMalformed
from ledger.merkle import Hash
from ledger.note import SignedNote, Signer, Verifier
from ledger.seed_key import SeedKey
from ledger.tiles import ENTRIES, LEVEL_MAX, Tile, entry_bundle, parse_bundle, parse_path, tile_path
from tests.peers.oracles import Oracles, decoded, encoded

LOG = Signer("log.test/forms", SeedKey(bytes(range(32))))
WITNESS = Cosigner("w1.test", SeedKey(b"1" * 32))
HEAD = Checkpoint(LOG.name, 1_234_067, Hash(bytes(range(32)))).signed(LOG)
COSIGNED = SignedNote(HEAD.text, (*HEAD.signatures, WITNESS.cosign(HEAD.text, at_s=1_772_000_000)))
NOTES = [str(HEAD).encode(), str(COSIGNED).encode()]

agreeing = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


def reads(read: Callable[[], object]) -> bool:
    try:
        read()
    except (LedgerError, VerificationError):
        return False
    return True


def read_by_sdk(raw: bytes) -> None:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise TilePathMalformed("no text") from None
    note = SdkNote.parse(text)
    note.verify(SdkKey.parse(LOG.verifier.vkey))
    SdkCheckpoint.parse(note.text)


def verdicts(oracles: Oracles, raw: bytes) -> dict[str, bool]:
    (note,) = encoded(raw)
    told = {"note": note, "log_key": LOG.verifier.vkey, "origin": LOG.name}
    return {
        "server": reads(lambda: open_checkpoint(raw, LOG.verifier)),
        "sdk": reads(lambda: read_by_sdk(raw)),
        "aics-tlog": oracles.ask("tlog_checkpoint", **told)["accepts"],
    }


@st.composite
def spoiled(draw: st.DrawFn, honest: bytes) -> bytes:
    """One byte changed, taken away or put in."""
    at = draw(st.integers(0, len(honest) - 1))
    byte = bytes(
        [draw(st.one_of(st.sampled_from(list(b"\n\r +=0A~\x00\xe2")), st.integers(0, 255)))]
    )
    match draw(st.sampled_from(["changed", "less", "more"])):
        case "changed":
            return honest[:at] + byte + honest[at + 1 :]
        case "less":
            return honest[:at] + honest[at + 1 :]
        case _:
            return honest[:at] + byte + honest[at:]


@st.composite
def shuffled(draw: st.DrawFn, honest: bytes) -> bytes:
    """A line twice, missing or elsewhere."""
    lines = honest.splitlines(keepends=True)
    line = lines.pop(draw(st.integers(0, len(lines) - 1)))
    for _ in range(draw(st.integers(0, 2))):
        lines.insert(draw(st.integers(0, len(lines))), line)
    return b"".join(lines)


@pytest.mark.parametrize("honest", NOTES, ids=["signed", "cosigned"])
def test_every_reader_takes_our_heads(oracles: Oracles, honest: bytes) -> None:
    assert set(verdicts(oracles, honest).values()) == {True}


KEY = LOG.verifier
HEAD_LINE = str(HEAD.signatures[0]).encode()
DIFFERENCES = [
    pytest.param(
        NOTES[0].removesuffix(b"\n"),
        {"server": False, "sdk": False, "aics-tlog": True},
        id="aics-tlog forgives a last line that does not end",
    ),
    pytest.param(
        NOTES[0] + HEAD_LINE,
        {"server": True, "sdk": False, "aics-tlog": False},
        id="the server forgives a signature line that stands there twice, as Go's reader does",
    ),
]


@pytest.mark.parametrize(("raw", "expected"), DIFFERENCES)
def test_readers_differ_where_the_standard_says_nothing(
    oracles: Oracles, raw: bytes, expected: dict[str, bool]
) -> None:
    assert verdicts(oracles, raw) == expected


def is_known_difference(raw: bytes) -> bool:
    lines = [line for line in raw.splitlines() if line.startswith("—".encode())]
    return not raw.endswith(b"\n") or len(set(lines)) < len(lines)


@agreeing
@given(raw=st.sampled_from(NOTES).flatmap(spoiled))
def test_no_two_readers_disagree_on_a_head_with_another_byte(oracles: Oracles, raw: bytes) -> None:
    assume(not is_known_difference(raw))
    found = verdicts(oracles, raw)
    assert len(set(found.values())) == 1, found


@agreeing
@given(raw=st.sampled_from(NOTES).flatmap(shuffled))
def test_no_two_readers_disagree_on_a_head_with_other_lines(oracles: Oracles, raw: bytes) -> None:
    assume(not is_known_difference(raw))
    found = verdicts(oracles, raw)
    assert len(set(found.values())) == 1, found


def key_verdicts(oracles: Oracles, vkey: str) -> dict[str, bool]:
    return {
        "server": reads(lambda: Verifier.parse(vkey)),
        "sdk": reads(lambda: SdkKey.parse(vkey)),
        "aics-tlog": oracles.ask("tlog_vkey", vkey=vkey)["accepts"],
    }


def test_aics_tlog_forgives_capitals_in_a_key_id(oracles: Oracles) -> None:
    key_id = KEY.key_id.hex()
    vkey = KEY.vkey.replace(key_id, key_id.upper())
    assert vkey != KEY.vkey
    expected = {"server": False, "sdk": False, "aics-tlog": True}
    assert key_verdicts(oracles, vkey) == expected


@agreeing
@given(raw=spoiled(KEY.vkey.encode()))
def test_no_two_readers_disagree_on_a_key(oracles: Oracles, raw: bytes) -> None:
    vkey = raw.decode("latin-1")
    key_id = vkey.partition("+")[2][:8]
    assume(key_id == key_id.lower())
    found = key_verdicts(oracles, vkey)
    assert len(set(found.values())) == 1, found


def test_it_reads_our_key_as_we_do(oracles: Oracles) -> None:
    read = oracles.accepts("tlog_vkey", vkey=KEY.vkey)
    assert (read["name"], read["key_id"]) == (KEY.name, KEY.key_id.hex())
    assert decoded([read["public_key"]]) == [KEY.public_key]


TILES = st.builds(
    Tile,
    st.integers(ENTRIES, LEVEL_MAX),
    st.integers(0, 10**9),
    st.integers(1, 256),
)


@agreeing
@given(tile=TILES)
def test_a_tile_has_one_path_for_both(oracles: Oracles, tile: Tile) -> None:
    read = oracles.accepts("tlog_tile_path", path=tile_path(tile))
    assert read["tile"] == [tile.level, tile.index, tile.width]


@agreeing
@given(raw=TILES.flatmap(lambda tile: spoiled(tile_path(tile).encode())))
def test_no_two_readers_disagree_on_a_path(oracles: Oracles, raw: bytes) -> None:
    path = raw.decode("latin-1")
    found = {
        "server": reads(lambda: parse_path(path)),
        "aics-tlog": oracles.ask("tlog_tile_path", path=path)["accepts"],
    }
    assert len(set(found.values())) == 1, found


BUNDLES = st.lists(st.binary(max_size=40), min_size=1, max_size=6).map(entry_bundle)


@agreeing
@given(raw=st.one_of(BUNDLES, BUNDLES.flatmap(spoiled)))
def test_a_bundle_holds_the_same_entries_for_both(oracles: Oracles, raw: bytes) -> None:
    (bundle,) = encoded(raw)
    theirs = oracles.ask("tlog_entry_bundle", bundle=bundle)
    assert theirs["accepts"] == reads(lambda: parse_bundle(raw))
    if theirs["accepts"]:
        assert decoded(theirs["entries"]) == parse_bundle(raw)
