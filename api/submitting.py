"""Files through the public door: EPCIS documents, and published refusals.

    FileUnfit          a file that cannot be sent as it is
    CapturedFile       a document, and the entry that seals it
    capture_files      EPCIS documents, one entry each
    import_refusals    the refusals of the US FDA
    summary_text       what became of them, in words; `summary_members` as one JSON object

Sent again, what the log has is answered with its first index, so whatever was interrupted is
simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from api.access import Tier
from api.answers import CAPTURE, AnswerRefused, Question
from api.custody import custody_of
from api.door import ask_through, door
from api.fault import Fault
from api.importing import Import, Summary, read_statements
from api.progress import Bar
from api.service import system_clock
from api.settings import Settings


class FileUnfit(Fault):
    """A file that cannot be sent as it is; `path` names it."""

    code: ClassVar[str] = "COMMAND_FILE_UNFIT"


@dataclass(frozen=True, slots=True)
class CapturedFile:
    """What became of a file."""

    file: Path
    leaf_index: int
    duplicate: bool
    events: int

    def members(self) -> dict[str, object]:
        """As one JSON object."""
        return {
            "duplicate": self.duplicate,
            "events": self.events,
            "file": str(self.file),
            "leaf_index": self.leaf_index,
        }


async def capture_files(
    settings: Settings,
    files: Sequence[Path],
    bar: Bar,
    done: Callable[[CapturedFile], None],
    *,
    tier: Tier,
    party: str | None,
) -> None:
    """Each file is one capture, whose reference follows from party and document.

    Raises `FileUnfit` before anything is sent, `AnswerRefused`, whose path begins with the file;
    files before the refused one stand, and `done` was told of them.
    """
    documents = [(file, _text(file)) for file in files]
    bar.expect(len(documents))
    async with door(settings, tier=tier) as client:
        for file, document in documents:
            variables = {"document": document, "party": party}
            try:
                answer = await ask_through(client, Question(CAPTURE, variables))
            except AnswerRefused as refused:
                path = (str(file), *refused.path)
                raise AnswerRefused(refused.code, refused.message, path=path) from None
            entry = answer["entry"]
            done(CapturedFile(file, entry["leafIndex"], entry["duplicate"], answer["eventCount"]))
            bar.advance(1)


async def import_refusals(
    settings: Settings, report: Path, charges: Path | None, bar: Bar
) -> Summary:
    """Raises `ImportFault`, `OfficeFault`; what was acknowledged before stands."""
    keystore = custody_of(settings)
    stated = read_statements(report, charges, keystore)
    bar.expect(len(stated))
    async with door(settings) as client:
        prepared = Import.prepared(client, keystore, now=system_clock)
        return await prepared.run(stated, advance=bar.advance)


def summary_members(summary: Summary) -> dict[str, object]:
    """A summary as one JSON object."""
    return {
        "added": summary.added,
        "duplicates": summary.duplicates,
        "kinds": dict(sorted(summary.kinds.items())),
        "seconds": round(summary.seconds, 1),
        "tree_size": summary.tree_size,
    }


def summary_text(summary: Summary) -> str:
    """A summary in words."""
    lines = [f"{summary.added} entries added, {summary.duplicates} known before"]
    lines += [f"  {kind:<12} {count:>7}" for kind, count in sorted(summary.kinds.items())]
    lines.append(f"in {summary.seconds:.1f} s; the log has at least {summary.tree_size} entries")
    return "\n".join(lines)


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except OSError as error:
        raise FileUnfit(f"cannot be read: {error.strerror}", path=(str(file),)) from None
    except UnicodeDecodeError as error:
        raise FileUnfit(f"not UTF-8 at byte {error.start}", path=(str(file),)) from None
