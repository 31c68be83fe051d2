"""An authority's office beside the door: it signs with its own key, and sends what it signed.

    OfficeFault           root of what goes wrong there, drawn below
    Office                an authority whose key this machine keeps
    Office.introduction   the control entries by which the log knows its key and its mandate
    Office.line           one statement, signed, as a line for POST /entries
    control_line          a control entry, likewise
    Answer                what the door says to a line
    submit_lines          lines through the door, answers in order
    accepted              the index of a line, or the door's refusal of it

The office knows only the wire: whether the door is a server far away or an application in this
process is the client's affair. Every reference is the office's own, so that sending a line again
adds nothing.

    OfficeFault
    ├── EntryRefused   OFFICE_ENTRY_REFUSED   the door refused a line, by a code of its own
    └── DoorClosed     OFFICE_DOOR_CLOSED     the door does not answer, or not in form
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import httpx
import orjson

from api.fault import Fault
from ledger.canonical import Json
from ledger.control import Control, ControlContent, KeyBegin, Mandate, issue_control
from ledger.custodial import newest_key
from ledger.custody import Custody, KeptKey
from ledger.identity import Identity, SubjectLabel
from ledger.statement import Draft, Weighing, issue

NDJSON = "application/x-ndjson"

ANSWER_TIMEOUT_S = 120.0
"""A request of some thousand lines on a busy machine."""


class OfficeFault(Fault):
    """What keeps an office from stating; what was acknowledged before stands."""

    code: ClassVar[str]


class EntryRefused(OfficeFault):
    """The door refused a line. `path` is that of the door's own refusal."""

    code = "OFFICE_ENTRY_REFUSED"


class DoorClosed(OfficeFault):
    """The door does not answer, or not in form. Sending again does the rest."""

    code = "OFFICE_DOOR_CLOSED"


@dataclass(frozen=True, slots=True)
class Office:
    """An authority whose key this machine keeps."""

    identity: Identity
    names: Mapping[str, str]
    kinds: tuple[str, ...]
    key: KeptKey

    @classmethod
    def opened(
        cls,
        keystore: Custody,
        identity: Identity,
        *,
        names: Mapping[str, str],
        kinds: Sequence[str],
    ) -> Self:
        """With the key in custody, which is made the first time."""
        label = identity.label()
        return cls(identity, names, tuple(sorted(kinds)), newest_key(keystore, label))

    @property
    def label(self) -> SubjectLabel:
        """Whose word it is."""
        return self.identity.label()

    def introduction(self, root: KeptKey, *, at: int) -> list[bytes]:
        """Lines of key-begin and mandate, signed by the log's root key."""
        # Both references follow from the content, so that introducing an office again is known.
        kinds = hashlib.sha256(" ".join(self.kinds).encode()).hexdigest()[:12]
        contents: dict[str, ControlContent] = {
            f"key-begin-{self.key.kid}": KeyBegin(
                self.label, self.key.public_key, custodial=True, names=self.names
            ),
            f"mandate-{self.label[:32]}-{kinds}": Mandate(self.label, self.kinds),
        }
        return [
            control_line(issue_control(content, key=root, jti=jti, issued_at=at))
            for jti, content in contents.items()
        ]

    def line(
        self,
        subject: SubjectLabel,
        jti: str,
        weighing: Weighing,
        particulars: Mapping[str, Json],
        *,
        at: int,
        salts: Iterator[bytes],
    ) -> bytes:
        """One signed statement with all its disclosures."""
        draft = Draft(self.label, subject, jti, at, weighing, particulars)
        return orjson.dumps({"statement": issue(draft, self.key, salts).presentation})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the door says to a line: an index, or why not."""

    leaf_index: int | None
    duplicate: bool
    code: str | None
    message: str
    path: tuple[str | int, ...]


def control_line(control: Control) -> bytes:
    """A control entry as a line for POST /entries."""
    return orjson.dumps({"control": control.token.text})


async def submit_lines(client: httpx.AsyncClient, lines: Sequence[bytes]) -> list[Answer]:
    """Send lines in one request. Raises `DoorClosed`; a refused line is an answer."""
    try:
        response = await client.post(
            "/entries",
            content=b"\n".join(lines) + b"\n",
            headers={"Content-Type": NDJSON},
            timeout=ANSWER_TIMEOUT_S,
        )
    except httpx.TransportError as error:
        raise DoorClosed(f"the door does not answer: {type(error).__name__}: {error}") from error
    if response.status_code != httpx.codes.OK:
        raise DoorClosed(f"the door answers {response.status_code}: {_reason(response)}")
    try:
        answers = [_answer(orjson.loads(line)) for line in response.content.splitlines()]
    except (ValueError, KeyError, TypeError):
        raise DoorClosed("the door answers in a form of its own") from None
    if len(answers) != len(lines):
        raise DoorClosed(f"the door answers {len(answers)} lines of {len(lines)}")
    return answers


def accepted(answer: Answer) -> int:
    """The index of a line. Raises `EntryRefused`."""
    if answer.leaf_index is None:
        raise EntryRefused(f"{answer.code}: {answer.message}", path=answer.path)
    return answer.leaf_index


def _answer(members: dict[str, object]) -> Answer:
    error = members.get("error")
    if isinstance(error, dict):
        return Answer(None, False, str(error["code"]), str(error["message"]), tuple(error["path"]))
    leaf_index, duplicate = members["leaf_index"], members["duplicate"]
    if type(leaf_index) is not int or type(duplicate) is not bool:
        raise TypeError(leaf_index)
    return Answer(leaf_index, duplicate, None, "", ())


def _reason(response: httpx.Response) -> str:
    """Code and message of problem details (RFC 9457), or the start of whatever came."""
    try:
        problem = orjson.loads(response.content)
        return f"{problem['code']}: {problem['message']}"
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
