"""RFC 8949: examples of its Appendix A, and §4.2.1: one spelling for one value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.cbor import CBOR_BYTES_MAX, DEPTH_MAX, Cbor, Tagged, decode, encode
from ledger.errors import CborMalformed

# RFC 8949 Appendix A, those of the kinds that are known here.
EXAMPLES: dict[str, Cbor] = {
    "00": 0,
    "01": 1,
    "0a": 10,
    "17": 23,
    "1818": 24,
    "1819": 25,
    "1864": 100,
    "1903e8": 1_000,
    "1a000f4240": 1_000_000,
    "1b000000e8d4a51000": 1_000_000_000_000,
    "1bffffffffffffffff": 18_446_744_073_709_551_615,
    "3bffffffffffffffff": -18_446_744_073_709_551_616,
    "20": -1,
    "29": -10,
    "3863": -100,
    "3903e7": -1_000,
    "f6": None,
    "c11a514b67b0": Tagged(1, 1_363_896_240),
    "d74401020304": Tagged(23, bytes([1, 2, 3, 4])),
    "d818456449455446": Tagged(24, bytes.fromhex("6449455446")),
    "40": b"",
    "4401020304": bytes([1, 2, 3, 4]),
    "60": "",
    "6161": "a",
    "6449455446": "IETF",
    "62225c": '"\\',
    "62c3bc": "ü",
    "63e6b0b4": "水",
    "64f0908591": "\U00010151",
    "80": (),
    "83010203": (1, 2, 3),
    "8301820203820405": (1, (2, 3), (4, 5)),
    "a0": {},
    "a201020304": {1: 2, 3: 4},
    "a26161016162820203": {"a": 1, "b": (2, 3)},
    "826161a161626163": ("a", {"b": "c"}),
}


@pytest.mark.parametrize("spelling", EXAMPLES)
def test_the_examples_of_the_standard_read_and_write(spelling: str) -> None:
    assert encode(EXAMPLES[spelling]).hex() == spelling
    assert decode(bytes.fromhex(spelling)) == EXAMPLES[spelling]


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param("", id="nothing"),
        pytest.param("0000", id="bytes left over"),
        pytest.param("1817", id="a longer integer than needed"),
        pytest.param("190018", id="a longer integer than needed, in two bytes"),
        pytest.param("580101", id="a longer length than needed"),
        pytest.param("19", id="an integer cut short"),
        pytest.param("4401", id="bytes cut short"),
        pytest.param("8201", id="an array cut short"),
        pytest.param("9b7fffffffffffffff", id="an array longer than all bytes there are"),
        pytest.param("5f42010243030405ff", id="bytes of no definite length"),
        pytest.param("9fff", id="an array of no definite length"),
        pytest.param("bfff", id="a map of no definite length"),
        pytest.param("1c", id="a reserved length"),
        pytest.param("a203040102", id="keys out of order"),
        pytest.param("a201020102", id="a key twice"),
        pytest.param("a1410102", id="a key of bytes"),
        pytest.param("a1f602", id="a key of null"),
        pytest.param("61ff", id="text that is no UTF-8"),
        pytest.param("f5", id="true"),
        pytest.param("f7", id="undefined"),
        pytest.param("f93c00", id="a float"),
        pytest.param("f816", id="null in two bytes"),
        pytest.param("ff", id="a break"),
    ],
)
def test_every_other_spelling_is_refused(spelling: str) -> None:
    with pytest.raises(CborMalformed) as refusal:
        decode(bytes.fromhex(spelling))
    assert refusal.value.code == "LEDGER_CBOR_MALFORMED"


def test_a_value_nests_so_deep_and_a_text_is_so_long() -> None:
    nested: Cbor = 0
    for _ in range(DEPTH_MAX - 1):
        nested = (nested,)
    assert decode(encode(nested)) == nested
    with pytest.raises(CborMalformed):
        decode(encode((nested,)))
    longest = bytes(CBOR_BYTES_MAX - 3)
    assert decode(b"\x59" + len(longest).to_bytes(2, "big") + longest) == longest
    with pytest.raises(CborMalformed):
        decode(encode(bytes(CBOR_BYTES_MAX)))


PLAIN = st.none() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=40)
LISTED = st.lists(PLAIN | st.lists(PLAIN, max_size=3).map(tuple), max_size=4).map(tuple)
KEYS = st.integers(-99_999, 99_999) | st.text(max_size=3)


@given(PLAIN | LISTED | st.dictionaries(KEYS, PLAIN | LISTED, max_size=5))
def test_reading_is_the_inverse_of_writing(value: Cbor) -> None:
    assert decode(encode(value)) == value


@given(st.binary(max_size=24))
def test_what_reads_writes_itself_again(raw: bytes) -> None:
    try:
        value = decode(raw)
    except CborMalformed:
        return
    assert encode(value) == raw
