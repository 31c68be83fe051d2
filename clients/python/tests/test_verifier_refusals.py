"""Every reason for which a proof is refused, each earned by a file that deserves it.

Most files here are signed by the right keys and included in a signed tree, so that only
the rule under test stands between them and acceptance.
"""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import xinyuan
from xinyuan import Code, VerificationError, canonical, leaf, merkle, proof
from xinyuan.canonical import DEPTH_MAX
from xinyuan.errors import located
from xinyuan.exact_base64 import encode_url
from xinyuan.fields import INSTANT_MAX_S
from xinyuan.label import Label
from xinyuan.note import SIGNATURES_MAX, SignedNote, VerifierKey

if TYPE_CHECKING:
    from clients.python.tests.conftest import Key, Ledger

    NewKey = Callable[[str], Key]

_EVENT = '{"type":"ObjectEvent","action":"ADD"}'


def _refused(ledger: Ledger, file: object) -> VerificationError:
    data = file if isinstance(file, bytes) else ledger.written(file)
    with pytest.raises(VerificationError) as refused:
        xinyuan.verify(data, ledger.log_key)
    return refused.value


def _statement_file(
    ledger: Ledger,
    *,
    key: Key | None = None,
    weighing: dict[str, Any] | None = None,
    particulars: dict[str, Any] | None = None,
    **changes: object,
) -> dict[str, Any]:
    index = ledger.statement(key=key, weighing=weighing, particulars=particulars, **changes)
    return ledger.proof("statement", index)


def _capture_file(
    ledger: Ledger,
    *events: str,
    key: Key | None = None,
    context: str = "[]",
    party: dict[str, str] | None = None,
    **changes: object,
) -> dict[str, Any]:
    index = ledger.capture(events or [_EVENT], key=key, context=context, party=party, **changes)
    return ledger.proof("capture", index)


# The key and the file as such


@pytest.mark.parametrize(
    "log_key",
    [
        pytest.param("", id="empty"),
        pytest.param("ledger.example/xinyuan+67eb0593", id="without a key"),
        pytest.param("led ger+67eb0593+ATMM", id="a name with a space"),
        pytest.param(
            "ledger.example/xinyuan+67EB0593+ATMMuAby/WTO5e+1iy+e1yAu1lMYSiF9lK2lZBOcwkUf",
            id="an id in capitals",
        ),
        pytest.param(
            "ledger.example/xinyuan+67eb0594+ATMMuAby/WTO5e+1iy+e1yAu1lMYSiF9lK2lZBOcwkUf",
            id="an id of another key",
        ),
        pytest.param(
            "ledger.example/xinyuan+67eb0593+ATMMuAby/WTO5e+1iy+e1yAu1lMYSiF9lK2lZBOcwkUf=",
            id="padding too much",
        ),
        pytest.param(
            "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
            id="a cosigner's key",
        ),
    ],
)
def test_text_that_is_no_log_key_is_refused(ledger: Ledger, log_key: str) -> None:
    with pytest.raises(VerificationError) as refused:
        xinyuan.verify(ledger.written(_statement_file(ledger)), log_key)
    assert refused.value.code is Code.LOG_KEY_MALFORMED


def test_a_file_beyond_the_limit_is_refused_unread(ledger: Ledger) -> None:
    assert _refused(ledger, bytes(proof.FILE_SIZE_MAX + 1)).code is Code.FILE_TOO_LARGE


@pytest.mark.parametrize(
    ("change", "path"),
    [
        pytest.param({"remark": 1}, ("remark",), id="a member of no meaning"),
        pytest.param({"policies": []}, ("policies",), id="policies of a single statement"),
        pytest.param({"kind": "dossier"}, ("kind",), id="an unknown kind"),
        pytest.param({"kind": "capture"}, ("entries",), id="a kind that the entry is not"),
        pytest.param({"entries": []}, ("entries",), id="no entry"),
        pytest.param({"entries": {}}, ("entries",), id="entries in an object"),
        pytest.param({"entries": [7]}, ("entries", 0), id="a number for an entry"),
        pytest.param({"checkpoint": None}, ("checkpoint",), id="no checkpoint"),
    ],
)
def test_a_file_of_another_shape_is_refused(
    ledger: Ledger, change: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    error = _refused(ledger, _statement_file(ledger) | change)
    assert (error.code, error.path) == (Code.FILE_MALFORMED, path)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        pytest.param({"index": -1}, ("index",), id="a negative index"),
        pytest.param({"index": True}, ("index",), id="an index of true"),
        pytest.param({"path": ["AA=="]}, ("path",), id="a hash of one byte"),
        pytest.param({"path": [7]}, ("path", 0), id="a number for a hash"),
        pytest.param(
            {"path": ["A" * 43 + "="] * (proof.PATH_LENGTH_MAX + 1)},
            ("path",),
            id="a path beyond any tree",
        ),
        pytest.param({"control": "x"}, ("statement",), id="two forms at once"),
    ],
)
def test_an_entry_of_another_shape_is_refused(
    ledger: Ledger, change: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    file = _statement_file(ledger)
    file["entries"][0] |= change
    error = _refused(ledger, file)
    assert (error.code, error.path) == (Code.FILE_MALFORMED, ("entries", 0, *path))


def test_a_statement_among_the_control_entries_is_refused(ledger: Ledger) -> None:
    file = _statement_file(ledger)
    file["controls"].append(file["entries"][0])
    assert _refused(ledger, file).code is Code.FILE_MALFORMED


def test_a_file_without_its_line_feed_is_refused(ledger: Ledger) -> None:
    data = ledger.written(_statement_file(ledger))[:-1]
    assert _refused(ledger, data).code is Code.FILE_MALFORMED


def test_a_later_format_is_refused(ledger: Ledger) -> None:
    file = _statement_file(ledger) | {"format": "xinyuan-proof/2"}
    assert _refused(ledger, file).code is Code.FORMAT_UNKNOWN


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b'{"format"', id="cut off"),
        pytest.param(b'{"format":"\xff"}', id="no UTF-8"),
        pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
        pytest.param(b"1.0", id="a fraction"),
        pytest.param(b"1e2", id="an exponent"),
        pytest.param(b"NaN", id="not a number"),
        pytest.param(b"9007199254740992", id="2^53"),
        pytest.param(b"1" * 5000, id="an integer of 5000 digits"),
        pytest.param(b'{"a":1,"a":1}', id="a member twice"),
        pytest.param('{"名":1}'.encode(), id="a name outside ASCII"),
        pytest.param(b'"\\ud800"', id="half a surrogate pair"),
        pytest.param(b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), id="deeper than the limit"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="deeper than any stack"),
    ],
)
def test_json_outside_the_profile_is_refused(ledger: Ledger, text: bytes) -> None:
    assert _refused(ledger, text + b"\n").code is Code.JSON_MALFORMED


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b'{"a": 1}', id="a space"),
        pytest.param(b'{"b":1,"a":1}', id="names out of order"),
        pytest.param(b'"\\u0041"', id="an escape without need"),
        pytest.param(b'"\\/"', id="an escaped slash"),
        pytest.param(b'"\\u001F"', id="an escape in capitals"),
        pytest.param(b"-0", id="minus zero"),
    ],
)
def test_json_in_another_spelling_is_refused(ledger: Ledger, text: bytes) -> None:
    assert _refused(ledger, text + b"\n").code is Code.JSON_NOT_CANONICAL


def test_json_nests_exactly_as_deep_as_its_bound() -> None:
    assert canonical.decode(b"[" * DEPTH_MAX + b"]" * DEPTH_MAX)
    with pytest.raises(VerificationError):
        canonical.decode(b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1))


def test_the_last_moment_of_the_calendar_is_read(ledger: Ledger) -> None:
    file = _statement_file(ledger, iat=INSTANT_MAX_S)
    (entry,) = xinyuan.verify(ledger.written(file), ledger.log_key).entries
    assert isinstance(entry, proof.ProvenStatement)
    assert entry.statement.issued_at.isoformat() == "9999-12-31T23:59:59+00:00"


def test_a_note_of_as_many_signatures_as_may_be_is_read() -> None:
    lines = "".join(f"— a{number} AAAAAAA=\n" for number in range(SIGNATURES_MAX))
    assert len(SignedNote.parse(f"text\n\n{lines}").signatures) == SIGNATURES_MAX


def test_what_cannot_be_spelled_is_refused_when_written() -> None:
    value: Any = {"points": 1.5}
    with pytest.raises(VerificationError) as refused:
        canonical.encode(value)
    assert refused.value.code is Code.JSON_MALFORMED


# The checkpoint


@pytest.mark.parametrize(
    "note",
    [
        pytest.param("text\n", id="no empty line"),
        pytest.param("text\n\n", id="no signature"),
        pytest.param("text\n\n— a AAAAAAA=", id="no last line feed"),
        pytest.param("te\txt\n\n— a AAAAAAA=\n", id="a tab"),
        pytest.param("text\n\n- a AAAAAAA=\n", id="another dash"),
        pytest.param("text\n\n— a+b AAAAAAA=\n", id="a name with a plus"),
        pytest.param("text\n\n— a AAAAAAB=\n", id="base64 with stray bits"),
        pytest.param("text\n\n— a AAAAAA==\n", id="a key id and nothing more"),
        pytest.param("text\n\n" + "— a AAAAAAA=\n" * 2, id="one key twice"),
        pytest.param(
            "text\n\n" + "".join(f"— a{number} AAAAAAA=\n" for number in range(SIGNATURES_MAX + 1)),
            id="more signatures than any reader takes",
        ),
    ],
)
def test_text_that_is_no_signed_note_is_refused(ledger: Ledger, note: str) -> None:
    error = _refused(ledger, _statement_file(ledger) | {"checkpoint": note})
    assert (error.code, error.path) == (Code.NOTE_MALFORMED, ("checkpoint",))


def test_a_checkpoint_of_another_log_is_refused(ledger: Ledger, new_key: NewKey) -> None:
    file = _statement_file(ledger)
    text, _ = file["checkpoint"].split("\n\n")
    file["checkpoint"] = new_key("other").note(ledger.origin, f"{text}\n")
    assert _refused(ledger, file).code is Code.NOTE_UNSIGNED


def test_a_signature_over_another_text_is_refused(ledger: Ledger) -> None:
    earlier = ledger.checkpoint()
    file = _statement_file(ledger)
    signature = earlier.split("\n\n")[1]
    file["checkpoint"] = file["checkpoint"].split("\n\n")[0] + "\n\n" + signature
    assert _refused(ledger, file).code is Code.NOTE_SIGNATURE_INVALID


def test_a_line_in_the_log_s_name_by_an_unknown_key_is_refused(ledger: Ledger) -> None:
    file = _statement_file(ledger)
    file["checkpoint"] += f"— {ledger.origin} AAAAAAA=\n"
    assert _refused(ledger, file).code is Code.NOTE_SIGNATURE_UNKNOWN


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("ledger.example/xinyuan\n5\n", id="no root"),
        pytest.param("ledger.example/xinyuan\n05\n" + "A" * 43 + "=\n", id="a leading zero"),
        pytest.param("ledger.example/xinyuan\n-5\n" + "A" * 43 + "=\n", id="a negative size"),
        pytest.param("ledger.example/xinyuan\n5\nAAAA\n", id="a root of three bytes"),
        pytest.param("ledger.example/xinyuan\n5\n" + "A" * 43 + "=\n\nx\n", id="an empty line"),
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(ledger: Ledger, text: str) -> None:
    file = _statement_file(ledger) | {"checkpoint": ledger.log.note(ledger.origin, text)}
    assert _refused(ledger, file).code is Code.CHECKPOINT_MALFORMED


def test_a_checkpoint_of_another_origin_under_the_same_key_is_refused(ledger: Ledger) -> None:
    file = _statement_file(ledger)
    text = file["checkpoint"].split("\n\n")[0].replace("xinyuan", "another", 1) + "\n"
    file["checkpoint"] = ledger.log.note(ledger.origin, text)
    assert _refused(ledger, file).code is Code.CHECKPOINT_ORIGIN_MISMATCH


# The tree


def test_an_entry_out_of_order_is_refused(ledger: Ledger) -> None:
    file = _statement_file(ledger)
    file["controls"].reverse()
    error = _refused(ledger, file)
    assert (error.code, error.path) == (Code.ENTRY_ORDER, ("controls", 1, "index"))


def test_an_entry_shown_twice_is_refused(ledger: Ledger) -> None:
    index = ledger.statement()
    assert _refused(ledger, ledger.proof("enterprise", index, index)).code is Code.ENTRY_ORDER


def test_an_entry_the_tree_does_not_hold_is_refused(ledger: Ledger) -> None:
    earlier = ledger.checkpoint()
    file = _statement_file(ledger)
    error = _refused(ledger, file | {"checkpoint": earlier})
    assert error.code is Code.INCLUSION_FAILED


def test_an_entry_at_another_index_is_refused(ledger: Ledger) -> None:
    ledger.statement()
    file = _statement_file(ledger)
    file["entries"][0]["index"] -= 1
    error = _refused(ledger, file)
    assert (error.code, error.path) == (Code.INCLUSION_FAILED, ("entries", 0))


def test_a_tree_that_did_not_grow_from_the_other_is_refused() -> None:
    with pytest.raises(VerificationError) as refused:
        merkle.verify_consistency(
            first_size=1, second_size=2, first_root=bytes(32), second_root=bytes(32), path=[]
        )
    assert refused.value.code is Code.CONSISTENCY_FAILED


def test_a_leaf_larger_than_a_log_holds_is_refused(ledger: Ledger) -> None:
    file = _statement_file(ledger)
    ledger.control("policy", {"policy": {"text": "x" * 50_000}}, "policy")
    file = ledger.proof("statement", 4, controls=[0, 1, 2, 3, 5])
    error = _refused(ledger, file)
    assert (error.code, error.path) == (Code.LEAF_TOO_LARGE, ("controls", 4, "control"))


def test_the_largest_leaf_is_taken() -> None:
    subject = Label("A" * 43)
    room = leaf.LEAF_SIZE_MAX - len(leaf.control_leaf("", subject))
    assert len(leaf.control_leaf("x" * room, subject)) == 65_535
    with pytest.raises(VerificationError):
        leaf.control_leaf("x" * (room + 1), subject)


# Tokens


def _token_changed(text: str, part: int, change: Callable[[str], str]) -> str:
    token, *disclosures = text.split("~")
    parts = token.split(".")
    parts[part] = change(parts[part])
    return "~".join([".".join(parts), *disclosures])


@pytest.mark.parametrize(
    ("part", "change"),
    [
        pytest.param(0, lambda text: text + "=", id="a padded header"),
        pytest.param(1, lambda text: text + ".x", id="a fourth part"),
        pytest.param(1, lambda _: "e30=", id="a padded payload"),
        pytest.param(1, lambda _: "eyB9", id="a payload with a space"),
        pytest.param(2, lambda _: "AAAA", id="a short signature"),
        pytest.param(2, lambda text: text[:-1] + "é", id="a signature outside ASCII"),
    ],
)
def test_a_token_in_another_spelling_is_refused(
    ledger: Ledger, part: int, change: Callable[[str], str]
) -> None:
    file = _statement_file(ledger)
    file["entries"][0]["statement"] = _token_changed(file["entries"][0]["statement"], part, change)
    assert _refused(ledger, file).code is Code.TOKEN_MALFORMED


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"alg": "none"}, id="no algorithm"),
        pytest.param({"alg": "EdDSA"}, id="the older name of the algorithm"),
        pytest.param({"typ": "xinyuan-capture+jwt"}, id="another type"),
        pytest.param({"crit": []}, id="one member more"),
        pytest.param({"kid": 1}, id="a number for a key"),
    ],
)
def test_a_token_under_another_header_is_refused(
    ledger: Ledger, new_key: NewKey, header: dict[str, Any]
) -> None:
    file = _statement_file(ledger)
    named = {"typ": "xinyuan-statement+sd-jwt"} | header
    file["entries"][0]["statement"] = new_key("market").token(payload={}, **named) + "~"
    error = _refused(ledger, file)
    assert error.code is Code.TOKEN_MALFORMED
    assert error.path == ("entries", 0, "statement", "header")


def test_a_token_signed_by_another_key_in_the_name_of_the_right_one_is_refused(
    ledger: Ledger, new_key: NewKey
) -> None:
    # Included as it stands, so that nothing but the signature is wrong.
    index = ledger.statement()
    token, _, disclosures = ledger.shown[index]["statement"].partition("~")
    signing_input = token.rpartition(".")[0]
    forged = new_key("thief").signing.sign(signing_input.encode()).signature
    token = f"{signing_input}.{encode_url(forged)}"
    ledger.shown[index]["statement"] = f"{token}~{disclosures}"
    ledger.leaves[index] = leaf.statement_leaf(token, Label(ledger.DAIRY))
    error = _refused(ledger, ledger.proof("statement", index))
    assert error.code is Code.TOKEN_SIGNATURE_INVALID
    assert error.path == ("entries", 0, "statement", "signature")


def test_a_control_entry_not_signed_by_the_root_key_is_refused(
    ledger: Ledger, new_key: NewKey
) -> None:
    content = {"issuer": ledger.AUTHORITY, "kinds": ["ip-case"]}
    governed = f"issuer {ledger.AUTHORITY}"
    ledger.control("mandate", content, governed, key=new_key("thief"))
    error = _refused(ledger, _statement_file(ledger))
    assert error.code is Code.TOKEN_SIGNATURE_INVALID
    assert error.path == ("controls", 4, "control", "header", "kid")


def test_a_policy_not_signed_by_the_root_key_is_refused(ledger: Ledger, new_key: NewKey) -> None:
    policy = ledger.control("policy", {"policy": {}}, "policy", key=new_key("thief"))
    file = ledger.proof("enterprise", ledger.statement(), policies=[policy])
    assert _refused(ledger, file).code is Code.TOKEN_SIGNATURE_INVALID


# Control entries


@pytest.mark.parametrize("controls", [[], [1, 2]])
def test_a_file_without_genesis_is_refused(ledger: Ledger, controls: list[int]) -> None:
    file = ledger.proof("statement", ledger.statement(), controls=controls)
    error = _refused(ledger, file)
    assert (error.code, error.path) == (Code.GENESIS_MISSING, ("controls",))


def test_a_log_that_begins_with_another_control_entry_is_refused(ledger: Ledger) -> None:
    bare = type(ledger)()
    bare.mandate(bare.AUTHORITY, "inspection")
    assert _refused(bare, _statement_file(bare)).code is Code.GENESIS_MISSING


def test_a_genesis_that_names_another_log_key_is_refused(ledger: Ledger, new_key: NewKey) -> None:
    other = type(ledger)()
    other.genesis(log_key=new_key("other").vkey(other.origin))
    error = _refused(other, _statement_file(other))
    assert error.code is Code.GENESIS_MISMATCH
    assert error.path[-1] == "log_key"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("origin", "another.example", id="an origin that is not the key's name"),
        pytest.param("map_origin", "another.example", id="a map log of another name"),
        pytest.param("map_key", "x", id="no map key"),
        pytest.param("map_version", 0, id="a map version of zero"),
        pytest.param("operator", "", id="no operator"),
        pytest.param("root_key", {"crv": "P-256", "kty": "OKP", "x": "AA"}, id="another curve"),
        pytest.param("root_key", {"crv": "Ed25519", "kty": "EC", "x": "AA"}, id="another type"),
        pytest.param("remark", "x", id="one member more"),
    ],
)
def test_a_genesis_that_contradicts_itself_is_refused(
    ledger: Ledger, name: str, value: object
) -> None:
    other = type(ledger)()
    other.genesis(**{name: value})
    error = _refused(other, _statement_file(other))
    assert error.code is Code.CONTROL_MALFORMED
    assert error.path[:5] == ("controls", 0, "control", "payload", "content")


@pytest.mark.parametrize(
    ("control", "change"),
    [
        pytest.param("key-begin", {"custodial": 1}, id="custody as a number"),
        pytest.param("key-begin", {"name": {"fr": "x"}}, id="a name in an unknown language"),
        pytest.param("key-begin", {"name": {"en": ""}}, id="an empty name"),
        pytest.param("key-begin", {"key": {}}, id="no key"),
        pytest.param("key-begin", {"issuer": "me"}, id="an issuer that is no label"),
        pytest.param("key-end", {"kid": "x"}, id="the end of no key"),
        pytest.param("key-end", {"until": 1}, id="an end by the clock"),
        pytest.param("mandate", {"kinds": ["b", "a"]}, id="kinds out of order"),
        pytest.param("mandate", {"kinds": ["a", "a"]}, id="a kind twice"),
        pytest.param("mandate", {"kinds": "a"}, id="kinds as a text"),
    ],
)
def test_a_control_entry_of_another_shape_is_refused(
    ledger: Ledger, new_key: NewKey, control: str, change: dict[str, Any]
) -> None:
    content: dict[str, Any] = {"issuer": ledger.AUTHORITY}
    match control:
        case "key-begin":
            content |= {"custodial": False, "key": new_key("market").jwk, "name": {}}
        case "key-end":
            content |= {"kid": new_key("market").kid}
        case _:
            content |= {"kinds": []}
    ledger.control(control, content | change, f"issuer {ledger.AUTHORITY}")
    error = _refused(ledger, _statement_file(ledger))
    assert error.code is Code.CONTROL_MALFORMED
    assert error.path[:5] == ("controls", 4, "control", "payload", "content")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"iss": "A" * 43}, id="issued by another"),
        pytest.param({"sub": "A" * 43}, id="under a label it does not govern"),
        pytest.param({"iat": -1}, id="issued before all time"),
        pytest.param({"iat": INSTANT_MAX_S + 1}, id="issued after all time"),
        pytest.param({"jti": ""}, id="without a reference"),
        pytest.param({"exp": 1}, id="with one member more"),
    ],
)
def test_a_control_entry_that_does_not_govern_what_it_says_is_refused(
    ledger: Ledger, change: dict[str, Any]
) -> None:
    content = {"issuer": ledger.AUTHORITY, "kinds": ["inspection"]}
    ledger.control("mandate", content, f"issuer {ledger.AUTHORITY}", **change)
    assert _refused(ledger, _statement_file(ledger)).code is Code.CONTROL_MALFORMED


def test_a_policy_that_is_no_object_is_refused(ledger: Ledger) -> None:
    policy = ledger.control("policy", {"policy": "strict"}, "policy")
    file = ledger.proof("enterprise", ledger.statement(), policies=[policy])
    assert _refused(ledger, file).code is Code.CONTROL_MALFORMED


def test_an_unknown_control_entry_is_refused(ledger: Ledger) -> None:
    ledger.control("amnesty", {}, "log")
    error = _refused(ledger, _statement_file(ledger))
    assert error.code is Code.CONTROL_UNKNOWN
    assert "amnesty" in error.message


def test_a_mandate_among_the_policies_is_refused(ledger: Ledger) -> None:
    file = ledger.proof("enterprise", ledger.statement(), controls=[0, 1, 2], policies=[2])
    assert _refused(ledger, file).code is Code.CONTROL_UNKNOWN


def test_a_key_that_nobody_was_given_is_refused(ledger: Ledger, new_key: NewKey) -> None:
    error = _refused(ledger, _statement_file(ledger, key=new_key("thief")))
    assert error.code is Code.KEY_UNKNOWN


def test_the_key_of_another_issuer_is_refused(ledger: Ledger, new_key: NewKey) -> None:
    error = _refused(ledger, _statement_file(ledger, key=new_key("dairy")))
    assert error.code is Code.KEY_UNKNOWN


def test_a_key_that_begins_after_the_entry_is_refused(ledger: Ledger, new_key: NewKey) -> None:
    index = ledger.statement(key=new_key("second"))
    ledger.key_begin(new_key("second"), ledger.AUTHORITY)
    assert _refused(ledger, ledger.proof("statement", index)).code is Code.KEY_UNKNOWN


def test_a_key_that_ended_before_the_entry_is_refused(ledger: Ledger, new_key: NewKey) -> None:
    ended = ledger.key_end(new_key("market"), ledger.AUTHORITY)
    error = _refused(ledger, _statement_file(ledger))
    assert error.code is Code.KEY_ENDED
    assert error.message.startswith(f"entry {ended} ended key")


def test_a_key_once_ended_does_not_begin_again(ledger: Ledger, new_key: NewKey) -> None:
    ledger.key_end(new_key("market"), ledger.AUTHORITY)
    ledger.key_begin(new_key("market"), ledger.AUTHORITY)
    assert _refused(ledger, _statement_file(ledger)).code is Code.KEY_ENDED


def test_a_kind_outside_the_mandate_is_refused(ledger: Ledger) -> None:
    error = _refused(ledger, _statement_file(ledger, weighing={"kind": "fraud-case"}))
    assert error.code is Code.MANDATE_MISSING
    assert error.message.endswith("state fraud-case")


def test_a_kind_of_a_mandate_since_replaced_is_refused(ledger: Ledger) -> None:
    ledger.mandate(ledger.AUTHORITY, "enforcement")
    assert _refused(ledger, _statement_file(ledger)).code is Code.MANDATE_MISSING


def test_a_mandate_given_after_the_entry_is_refused(ledger: Ledger) -> None:
    index = ledger.statement(weighing={"kind": "ip-case"})
    ledger.mandate(ledger.AUTHORITY, "ip-case")
    assert _refused(ledger, ledger.proof("statement", index)).code is Code.MANDATE_MISSING


def test_an_issuer_without_any_mandate_is_refused_though_the_kind_is_withheld(
    ledger: Ledger,
) -> None:
    ledger.mandate(ledger.AUTHORITY)
    file = _statement_file(ledger)
    token = file["entries"][0]["statement"].partition("~")[0]
    file["entries"][0]["statement"] = token + "~"
    assert _refused(ledger, file).code is Code.MANDATE_MISSING


def test_a_capture_for_others_without_the_capture_mandate_is_refused(
    ledger: Ledger, new_key: NewKey
) -> None:
    file = _capture_file(ledger, key=new_key("market"), iss=ledger.AUTHORITY)
    assert _refused(ledger, file).code is Code.MANDATE_MISSING


# Statements


@pytest.mark.parametrize(
    ("change", "path"),
    [
        pytest.param({"_sd": ["B" * 43, "A" * 43]}, ("_sd",), id="digests out of order"),
        pytest.param({"_sd": ["A" * 43, "A" * 43]}, ("_sd",), id="a digest twice"),
        pytest.param({"_sd": ["x"]}, ("_sd",), id="a digest too short"),
        pytest.param({"_sd": [1]}, ("_sd", 0), id="a number for a digest"),
        pytest.param({"_sd_alg": "sha-512"}, ("_sd_alg",), id="another hash"),
        pytest.param({"kind": "inspection"}, ("kind",), id="a weighing member in the clear"),
        pytest.param({"kind": []}, ("kind",), id="a weighing member without a digest"),
        pytest.param(
            {"kind": [{"...": "A" * 43}, {"...": "B" * 42 + "E"}]}, ("kind",), id="two values"
        ),
        pytest.param({"jti": "a b"}, ("jti",), id="a reference with a space"),
        pytest.param({"jti": "a" * 65}, ("jti",), id="a reference of 65 characters"),
        pytest.param({"iss": "me"}, ("iss",), id="an issuer that is no label"),
        pytest.param({"iat": "now"}, ("iat",), id="a moment as a text"),
        pytest.param({"exp": 1}, ("exp",), id="one member more"),
    ],
)
def test_a_statement_of_another_shape_is_refused(
    ledger: Ledger, change: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    error = _refused(ledger, _statement_file(ledger, **change))
    assert error.code is Code.STATEMENT_MALFORMED
    assert error.path == ("entries", 0, "statement", "payload", *path)


def test_a_statement_followed_by_a_key_binding_is_refused(ledger: Ledger) -> None:
    file = _statement_file(ledger)
    file["entries"][0]["statement"] += "x.y.z"
    assert _refused(ledger, file).code is Code.STATEMENT_MALFORMED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("kind", None, id="no kind"),
        pytest.param("severity", "grave", id="an unknown severity"),
        pytest.param("severity", [], id="a severity in a list"),
        pytest.param("decided_on", "2026-02-30", id="a day that is none"),
        pytest.param("decided_on", "20260301", id="a day without dashes"),
        pytest.param("measures", {"fine": "1000"}, id="a measure as a text"),
        pytest.param("measures", {"fine": True}, id="a measure of true"),
        pytest.param("outcome", 1, id="an outcome as a number"),
    ],
)
def test_a_weighing_value_of_another_type_is_refused(
    ledger: Ledger, name: str, value: object
) -> None:
    error = _refused(ledger, _statement_file(ledger, weighing={name: value}))
    assert error.code is Code.STATEMENT_MALFORMED
    assert error.path == ("entries", 0, "statement", "weighing", name)


@pytest.mark.parametrize(
    "disclosure",
    [
        pytest.param("!", id="no base64url"),
        pytest.param("e30", id="an object"),
        pytest.param("WyBd", id="a space"),
        pytest.param("WyJhIiwxXQ", id="a short salt"),
        pytest.param("WzEsMV0", id="a number for a salt"),
    ],
)
def test_text_that_is_no_disclosure_is_refused(ledger: Ledger, disclosure: str) -> None:
    file = _statement_file(ledger)
    token = file["entries"][0]["statement"].partition("~")[0]
    file["entries"][0]["statement"] = f"{token}~{disclosure}~"
    error = _refused(ledger, file)
    assert error.code is Code.DISCLOSURE_MALFORMED
    assert error.path == ("entries", 0, "statement", "disclosures", 0)


@pytest.mark.parametrize(
    "particulars",
    [
        pytest.param({"iss": "x"}, id="a name of the payload"),
        pytest.param({"kind": "x"}, id="a name that weighs"),
        pytest.param({"...": "x"}, id="a name that RFC 9901 keeps"),
        pytest.param({"": "x"}, id="an empty name"),
        pytest.param({"名": "x"}, id="a name outside ASCII"),
        pytest.param({"text": {"_sd": []}}, id="a value that hides more"),
        pytest.param({"text": [{"...": "x"}]}, id="a list that hides more"),
    ],
)
def test_a_particular_that_cannot_be_one_is_refused(
    ledger: Ledger, particulars: dict[str, Any]
) -> None:
    error = _refused(ledger, _statement_file(ledger, particulars=particulars))
    assert error.code is Code.DISCLOSURE_MALFORMED


def test_a_particular_in_the_place_of_a_weighing_member_is_refused(ledger: Ledger) -> None:
    first = _statement_file(ledger)["entries"][0]["statement"].split("~")[1]
    digest = encode_url(hashlib.sha256(first.encode()).digest())
    file = _statement_file(ledger, _sd=[digest])
    token = file["entries"][0]["statement"].partition("~")[0]
    file["entries"][0]["statement"] = f"{token}~{first}~"
    assert _refused(ledger, file).code is Code.DISCLOSURE_MALFORMED


def test_a_disclosure_of_another_statement_is_refused(ledger: Ledger) -> None:
    other = _statement_file(ledger)["entries"][0]["statement"].split("~")
    file = _statement_file(ledger)
    token = file["entries"][0]["statement"].partition("~")[0]
    file["entries"][0]["statement"] = f"{token}~{other[1]}~"
    assert _refused(ledger, file).code is Code.DISCLOSURE_UNKNOWN


@pytest.mark.parametrize("order", [[1, 0], [0, 0], [11, 0], [12, 11]])
def test_disclosures_in_another_order_are_refused(ledger: Ledger, order: list[int]) -> None:
    file = _statement_file(ledger)
    token, *disclosures = file["entries"][0]["statement"].split("~")
    shown = [disclosures[position] for position in order]
    file["entries"][0]["statement"] = "~".join([token, *shown, ""])
    error = _refused(ledger, file)
    assert error.code is Code.DISCLOSURE_ORDER
    assert error.path == ("entries", 0, "statement", "disclosures", 1)


def test_a_subject_that_is_not_the_label_s_is_refused(ledger: Ledger) -> None:
    particulars = {"subject": {"id": "91150121MA0XY0011N", "scheme": "uscc"}}
    error = _refused(ledger, _statement_file(ledger, particulars=particulars))
    assert error.code is Code.SUBJECT_MISMATCH


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param({"id": "1", "scheme": "duns"}, id="an unknown scheme"),
        pytest.param({"id": "1"}, id="no scheme"),
        pytest.param("91150121MA0XY0010Q", id="a text"),
    ],
)
def test_a_subject_of_another_shape_is_refused(ledger: Ledger, subject: object) -> None:
    error = _refused(ledger, _statement_file(ledger, particulars={"subject": subject}))
    assert error.code is Code.STATEMENT_MALFORMED


def test_an_enterprise_of_two_subjects_is_refused(ledger: Ledger) -> None:
    first = ledger.statement()
    second = ledger.statement(particulars={}, sub=ledger.AUTHORITY)
    error = _refused(ledger, ledger.proof("enterprise", first, second))
    assert (error.code, error.path) == (Code.SUBJECT_MISMATCH, ("entries", 1))


# Captures


@pytest.mark.parametrize(
    ("change", "path"),
    [
        pytest.param({"count": 0}, ("count",), id="no events"),
        pytest.param({"capture": "1"}, ("capture",), id="an id that is no UUID"),
        pytest.param({"events_root": "x"}, ("events_root",), id="a root that is no hash"),
        pytest.param({"jti": "/"}, ("jti",), id="a reference with a slash"),
        pytest.param({"exp": 1}, ("exp",), id="one member more"),
    ],
)
def test_a_capture_of_another_shape_is_refused(
    ledger: Ledger, change: dict[str, Any], path: tuple[str, ...]
) -> None:
    error = _refused(ledger, _capture_file(ledger, **change))
    assert error.code is Code.CAPTURE_MALFORMED
    assert error.path == ("entries", 0, "capture", "payload", *path)


@pytest.mark.parametrize(
    "party",
    [
        pytest.param({"id": "1", "scheme": "duns"}, id="an unknown scheme"),
        pytest.param({"id": "1", "scheme": "label"}, id="a label that is none"),
        pytest.param({"id": "1"}, id="no scheme"),
    ],
)
def test_a_party_of_another_shape_is_refused(ledger: Ledger, party: dict[str, str]) -> None:
    assert _refused(ledger, _capture_file(ledger, party=party)).code is Code.CAPTURE_MALFORMED


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("[]", id="a list"),
        pytest.param("{}", id="no members"),
        pytest.param('{"type": "ObjectEvent"}', id="a space after the colon"),
        pytest.param('{"type" :"ObjectEvent"}', id="a space before the colon"),
        pytest.param('{"type":"ObjectEvent"} ', id="a space at the end"),
        pytest.param('{ "type":"ObjectEvent"}', id="a space at the start"),
        pytest.param('{"type":"ObjectEvent", "action":"ADD"}', id="a space after the comma"),
        pytest.param('{"type":"ObjectEvent",}', id="a comma too much"),
        pytest.param('{"\\u0074ype":"ObjectEvent"}', id="a name with an escape without need"),
        pytest.param('{"type":1,"type":2}', id="a member twice"),
        pytest.param('{"type":{"a":1,"a":2}}', id="an inner member twice"),
        pytest.param('{"type":NaN}', id="not a number"),
        pytest.param('{"type":"a\tb"}', id="a bare tab in a text"),
        pytest.param('{"type":', id="cut off"),
        pytest.param('{"type":' + "[" * 200_000, id="deeper than any stack"),
    ],
)
def test_text_that_is_no_event_is_refused(ledger: Ledger, raw: str) -> None:
    file = _capture_file(ledger)
    file["entries"][0]["events"][0]["raw"] = raw
    error = _refused(ledger, file)
    assert (error.code, error.path) == (Code.EVENT_MALFORMED, ("entries", 0, "events", 0))


@pytest.mark.parametrize("context", ['"a" ', "[", "a"])
def test_a_context_that_is_no_json_is_refused(ledger: Ledger, context: str) -> None:
    file = _capture_file(ledger)
    file["entries"][0]["context"] = context
    assert _refused(ledger, file).code is Code.EVENT_MALFORMED


@pytest.mark.parametrize("secret", ["00", "AB" * 16])
def test_a_secret_in_another_spelling_is_refused(ledger: Ledger, secret: str) -> None:
    file = _capture_file(ledger)
    file["entries"][0]["events"][0]["secret"] = secret
    assert _refused(ledger, file).code is Code.EVENT_MALFORMED


def test_an_event_with_another_value_is_refused(ledger: Ledger) -> None:
    file = _capture_file(ledger)
    file["entries"][0]["events"][0]["raw"] = _EVENT.replace("ADD", "DELETE")
    error = _refused(ledger, file)
    assert (error.code, error.path) == (Code.EVENTS_MISMATCH, ("entries", 0, "events"))


@pytest.mark.parametrize("events", [0, 1, 3])
def test_events_in_another_number_are_refused(ledger: Ledger, events: int) -> None:
    file = _capture_file(ledger, _EVENT, _EVENT)
    shown = file["entries"][0]["events"]
    file["entries"][0]["events"] = (shown * 2)[:events]
    assert _refused(ledger, file).code is Code.EVENTS_MISMATCH


def test_events_in_another_order_are_refused(ledger: Ledger) -> None:
    file = _capture_file(ledger, _EVENT, _EVENT)
    file["entries"][0]["events"].reverse()
    assert _refused(ledger, file).code is Code.EVENTS_MISMATCH


def test_a_context_that_no_event_takes_is_refused(ledger: Ledger) -> None:
    own = '{"@context":[],"type":"ObjectEvent"}'
    error = _refused(ledger, _capture_file(ledger, own, context="{}"))
    assert (error.code, error.path) == (Code.EVENTS_MISMATCH, ("entries", 0, "context"))
    assert _refused(ledger, _capture_file(ledger, own, own, context="{}")).path == error.path


def test_the_capture_of_another_party_is_refused(ledger: Ledger) -> None:
    party = {"id": "91150121MA0XY0011N", "scheme": "uscc"}
    error = _refused(ledger, _capture_file(ledger, party=party))
    assert (error.code, error.path) == (Code.PARTY_MISMATCH, ("entries", 0, "party"))


# Notes, by the vectors of others


def test_the_note_of_go_s_tests_is_verified_and_no_other_text() -> None:
    key = VerifierKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    signed = (
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72Iney"
        "aQM="
    )
    text = "This is an example message.\n"
    assert SignedNote.parse(f"{text}\n— example.com/foo {signed}\n").is_signed_by(key)
    with pytest.raises(VerificationError) as refused:
        SignedNote.parse(f"{text}!\n\n— example.com/foo {signed}\n").is_signed_by(key)
    assert refused.value.code is Code.NOTE_SIGNATURE_INVALID


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
    ],
)
def test_published_verifier_keys_are_read(text: str) -> None:
    assert VerifierKey.parse(text).text == text


def test_a_note_with_an_empty_line_in_its_text_is_split_at_the_last(new_key: NewKey) -> None:
    key = new_key("log")
    note = SignedNote.parse(key.note("log.example", "first\n\nsecond\n"))
    assert note.text == "first\n\nsecond\n"
    assert note.is_signed_by(VerifierKey.parse(key.vkey("log.example")))


# Whatever stands where something else belongs


_ODD: list[Any] = [None, True, 0, -1, 7, "", "x", "A" * 43, [], [[]], ["x"], {}, {"x": 1}]


@pytest.mark.parametrize("odd", _ODD, ids=repr)
def test_an_odd_value_anywhere_is_refused_by_name_and_never_crashes(
    ledger: Ledger, odd: object
) -> None:
    whole = ledger.proof("enterprise", ledger.statement(), ledger.capture([_EVENT]))
    places: list[tuple[str | int, ...]] = [
        ("checkpoint",),
        ("controls",),
        ("controls", 0),
        ("entries",),
        ("entries", 0),
        ("format",),
        ("kind",),
        ("policies",),
        *(("controls", 1, name) for name in whole["controls"][1]),
        *(("entries", 0, name) for name in whole["entries"][0]),
        *(("entries", 1, name) for name in whole["entries"][1]),
        ("entries", 1, "events", 0),
        ("entries", 1, "events", 0, "raw"),
        ("entries", 1, "events", 0, "secret"),
        ("entries", 1, "party", "id"),
        ("entries", 1, "party", "scheme"),
    ]
    for place in places:
        file = deepcopy(whole)
        holder: Any = file
        for step in place[:-1]:
            holder = holder[step]
        holder[place[-1]] = odd
        if (place, odd) != (("policies",), []):
            _refused(ledger, file)


@pytest.mark.parametrize("odd", _ODD, ids=repr)
def test_an_odd_value_under_a_good_signature_never_crashes(ledger: Ledger, odd: object) -> None:
    statements = ["_sd", "_sd_alg", "iat", "iss", "jti", "sub", *ledger.WEIGHING]
    captures = ["capture", "count", "events_root", "iat", "iss", "jti", "sub"]
    files: list[dict[str, Any]] = []
    for name in (*statements, *captures):
        change: dict[str, Any] = {name: odd}
        if name in statements:
            files.append(_statement_file(ledger, **change))
        if name in captures:
            files.append(_capture_file(ledger, **change))
        if name in ledger.WEIGHING:
            files.append(_statement_file(ledger, weighing=change))
    files += [_statement_file(ledger, particulars={name: odd}) for name in ("subject", "text")]
    verdicts = {_verdict(ledger, file) for file in files}
    assert Code.STATEMENT_MALFORMED in verdicts
    assert Code.CAPTURE_MALFORMED in verdicts


def _verdict(ledger: Ledger, file: dict[str, Any]) -> Code | None:
    try:
        xinyuan.verify(ledger.written(file), ledger.log_key)
    except VerificationError as error:
        return error.code
    return None


# The codes themselves


def test_a_path_is_named_from_the_outside_in() -> None:
    with pytest.raises(VerificationError) as refused, located("entries", 3), located("path"):
        raise VerificationError(Code.INCLUSION_FAILED, "no", path=(0,))
    assert refused.value.path == ("entries", 3, "path", 0)


def test_every_code_is_spelled_as_it_is_named() -> None:
    assert [code.value for code in Code] == [code.name for code in Code]


# The keys of the log, one after the other


def _with_checkpoint(ledger: Ledger, checkpoint: str, *entries: int) -> bytes:
    return ledger.written(ledger.proof("statement", *entries) | {"checkpoint": checkpoint})


def _code(data: bytes, log_key: str | None, genesis_hash: bytes | None = None) -> Code:
    with pytest.raises(VerificationError) as refused:
        xinyuan.verify(data, log_key, genesis_hash=genesis_hash)
    return refused.value.code


def test_a_key_that_was_replaced_signs_no_later_checkpoint(ledger: Ledger, new_key: NewKey) -> None:
    second = new_key("log-2")
    entry, index = ledger.log_key_entry(second), ledger.statement()
    old, new = ledger.log_key, second.vkey(ledger.origin)
    by_new = _with_checkpoint(ledger, ledger.signed(second), index)
    assert xinyuan.verify(by_new, new).log_key.leaf_index == entry
    assert _code(by_new, old) is Code.LOG_KEY_REPLACED
    assert xinyuan.verify(by_new, genesis_hash=ledger.genesis_hash).log_key.leaf_index == entry
    # Whoever stole the old key can convince nobody who is shown the entry.
    by_old = _with_checkpoint(ledger, ledger.signed(ledger.log), index)
    assert _code(by_old, old) is Code.LOG_KEY_REPLACED
    assert _code(by_old, new) is Code.NOTE_UNSIGNED
    assert _code(by_old, None, ledger.genesis_hash) is Code.LOG_KEY_REPLACED


def test_the_checkpoint_that_hands_over_is_good_under_either_key(
    ledger: Ledger, new_key: NewKey
) -> None:
    second = new_key("log-2")
    index = ledger.statement()
    ledger.log_key_entry(second)
    for keys in ((ledger.log, second), (second, ledger.log)):
        file = _with_checkpoint(ledger, ledger.signed(*keys), index)
        for log_key in (ledger.log_key, second.vkey(ledger.origin)):
            assert xinyuan.verify(file, log_key).log_key.ed25519.text == second.vkey(ledger.origin)
    broken = ledger.signed(second) + ledger.log.line(ledger.origin, "another text\n")
    assert _code(_with_checkpoint(ledger, broken, index), second.vkey(ledger.origin)) is (
        Code.NOTE_SIGNATURE_INVALID
    )


def test_a_log_of_another_root_does_not_take_over_a_key_by_naming_it(
    ledger: Ledger, new_key: NewKey
) -> None:
    # The forger's genesis names the key that was pinned, and a log-key entry the forger's own.
    forged = type(ledger)(root=new_key("forger"))
    forged.genesis()
    forged.key_begin(new_key("market"), forged.AUTHORITY)
    forged.mandate(forged.AUTHORITY, "inspection")
    forged.log_key_entry(new_key("forger"))
    index = forged.statement()
    file = _with_checkpoint(forged, forged.signed(new_key("forger")), index)
    assert _code(file, ledger.log_key) is Code.LOG_KEY_REPLACED
    assert _code(file, None, ledger.genesis_hash) is Code.GENESIS_MISMATCH
    assert _code(file, new_key("log-2").vkey(ledger.origin)) is Code.NOTE_UNSIGNED


def test_another_hash_of_the_genesis_is_refused_beside_a_good_key(ledger: Ledger) -> None:
    file = ledger.written(_statement_file(ledger))
    assert xinyuan.verify(file, ledger.log_key, genesis_hash=ledger.genesis_hash).entries
    assert _code(file, ledger.log_key, bytes(32)) is Code.GENESIS_MISMATCH


def test_nothing_is_verified_by_nothing(ledger: Ledger) -> None:
    with pytest.raises(TypeError):
        xinyuan.verify(ledger.written(_statement_file(ledger)))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"log_key": None}, id="no key"),
        pytest.param({"ml_dsa_44_key": "x"}, id="no post-quantum key"),
        pytest.param({"other": 1}, id="a member too many"),
    ],
)
def test_a_log_key_entry_outside_its_form_is_refused(
    ledger: Ledger, new_key: NewKey, content: dict[str, Any]
) -> None:
    ledger.log_key_entry(new_key("log-2"), changes=content)
    assert _refused(ledger, _statement_file(ledger)).code is Code.CONTROL_MALFORMED


def test_a_log_key_of_another_name_or_type_is_refused(ledger: Ledger, new_key: NewKey) -> None:
    second = new_key("log-2")
    for changes in (
        {"log_key": second.vkey("another.example")},
        {"log_key": second.ml_dsa_vkey(ledger.origin)},
        {"ml_dsa_44_key": second.vkey(ledger.origin)},
        {"ml_dsa_44_key": second.ml_dsa_vkey("another.example")},
    ):
        other = deepcopy(ledger)
        other.log_key_entry(second, changes=changes)
        assert _refused(other, _statement_file(other)).code is Code.CONTROL_MALFORMED


def test_a_log_key_entry_of_another_root_is_refused(ledger: Ledger, new_key: NewKey) -> None:
    content = {"log_key": new_key("log-2").vkey(ledger.origin), "ml_dsa_44_key": None}
    ledger.control("log-key", content, "log", key=new_key("forger"))
    assert _refused(ledger, _statement_file(ledger)).code is Code.TOKEN_SIGNATURE_INVALID


def test_a_post_quantum_signature_is_checked_beside_the_other(
    ledger: Ledger, new_key: NewKey
) -> None:
    pq = new_key("pq")
    ledger.log_key_entry(ledger.log, pq)
    index = ledger.statement()
    good = _with_checkpoint(ledger, ledger.signed(ledger.log, ml_dsa=[pq]), index)
    assert len(xinyuan.verify(good, ledger.log_key).log_key.keys) == 2
    without = _with_checkpoint(ledger, ledger.signed(ledger.log), index)
    assert _code(without, ledger.log_key) is Code.NOTE_UNSIGNED
    alone = _with_checkpoint(ledger, ledger.signed(ml_dsa=[pq]), index)
    assert _code(alone, ledger.log_key) is Code.NOTE_UNSIGNED
    stranger = ledger.signed(ledger.log, ml_dsa=[new_key("other")])
    assert _code(_with_checkpoint(ledger, stranger, index), ledger.log_key) is (
        Code.NOTE_SIGNATURE_UNKNOWN
    )
    line = pq.ml_dsa_line(ledger.origin, ledger.head)
    material = base64.b64decode(line.split(" ")[2])
    for at in (4, 11, 12, len(material) - 1):
        # A bit of the time, and one of the signature.
        changed = material[:at] + bytes([material[at] ^ 1]) + material[at + 1 :]
        text = base64.b64encode(changed).decode()
        note = f"{ledger.signed(ledger.log)}— {ledger.origin} {text}\n"
        assert _code(_with_checkpoint(ledger, note, index), ledger.log_key) is (
            Code.NOTE_SIGNATURE_INVALID
        )
    short = base64.b64encode(material[:-1]).decode()
    note = f"{ledger.signed(ledger.log)}— {ledger.origin} {short}\n"
    assert _code(_with_checkpoint(ledger, note, index), ledger.log_key) is (
        Code.NOTE_SIGNATURE_INVALID
    )


def test_without_its_library_a_post_quantum_signature_is_not_passed_over(
    ledger: Ledger, new_key: NewKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq = new_key("pq")
    ledger.log_key_entry(ledger.log, pq)
    index = ledger.statement()
    file = _with_checkpoint(ledger, ledger.signed(ledger.log, ml_dsa=[pq]), index)
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "cryptography.exceptions", None)
        assert _code(file, ledger.log_key) is Code.ML_DSA_UNAVAILABLE
    assert len(xinyuan.verify(file, ledger.log_key).log_key.keys) == 2


def test_a_statement_stands_or_falls_by_the_end_of_its_key(ledger: Ledger, new_key: NewKey) -> None:
    before = ledger.statement()
    ended = ledger.key_end(new_key("market"), ledger.AUTHORITY)
    after = ledger.statement()
    verified = xinyuan.verify(ledger.written(ledger.proof("statement", before)), ledger.log_key)
    assert verified.entries[0].leaf_index == before
    refusal = _refused(ledger, ledger.proof("statement", after))
    assert refusal.code is Code.KEY_ENDED
    assert refusal.message.startswith(f"entry {ended} ended key")
    # Whoever keeps a log's own entries back is believed; that is said of every file.
    others = [index for index in range(len(ledger.shown)) if index not in (before, ended, after)]
    hidden = ledger.proof("statement", after, controls=others)
    verified = xinyuan.verify(ledger.written(hidden), ledger.log_key)
    assert "no key end, mandate or log key is left out" in verified.not_proven[0]


def test_every_code_is_earned_by_a_test_of_this_folder() -> None:
    tests = Path(__file__).parent.glob("test_*.py")
    source = "".join(test.read_text("utf-8") for test in tests)
    assert [code.name for code in Code if f"Code.{code.name}" not in source] == []
