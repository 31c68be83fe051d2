"""What a document has its reader type: commands, what they print, and files to write before.

    Step         a command, and what it is said to print
    Written      a file, and what is in it
    steps        all of both, in the reader's order
    pattern      what may stand in place of what is shown
    write_xin    `./xin` of a fresh clone, without an installation of its own

A block after `<!-- run -->` holds commands, each after `$ `, and what they print. `…` stands for
whatever differs from ledger to ledger: within a line for any text, alone on a line for any lines.
A block after `<!-- file NAME -->` is the content of a file.
"""

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_XIN = """\
#!/bin/sh
case $1 in
verify) exec {python} -m xinyuan "$@" ;;
*) exec {python} -m api "$@" ;;
esac
"""

_BLOCK = re.compile(r"<!-- (run|file \S+) -->\n```\w+\n(.*?)\n```", re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A command, and what it is said to print."""

    command: str
    shown: str


@dataclass(frozen=True)
class Written:
    """A file that the reader writes."""

    name: str
    content: str


def steps(document: str) -> Iterator[Step | Written]:
    """Every command and file of every block that is marked."""
    for kind, block in _BLOCK.findall(document):
        if kind != "run":
            yield Written(kind.removeprefix("file "), f"{block}\n")
            continue
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            yield Step(command, shown)


def pattern(shown: str) -> re.Pattern[str]:
    """What may stand in place of `shown`."""
    lines = [
        r"(?:.*\n)*?" if line == "…" else f"{re.escape(line).replace('…', '.*')}\n"
        for line in shown.splitlines()
    ]
    return re.compile("".join(lines))


def write_xin(folder: Path) -> Path:
    """The script, in a folder that stands for the clone."""
    script = folder / "xin"
    script.write_text(_XIN.format(python=shlex.quote(sys.executable)))
    script.chmod(0o755)
    return script
