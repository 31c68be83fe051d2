"""The `xinyuan` command: reads one proof file, prints the verdict.

    main     `xinyuan verify FILE --log-key VKEY [--json]`
    Outcome  the exit status: 0 verified, 1 refused, 2 the command itself cannot be carried out

Everything it decides by lies in the file and the key; it opens no connection.
"""

import argparse
import sys
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path


class Outcome(IntEnum):
    """Exit statuses that scripts may rely on."""

    VERIFIED = 0
    REFUSED = 1
    USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="xinyuan", description="Checks what a Xinyuan log is said to hold, offline."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    verify = commands.add_parser(
        "verify",
        help="check a proof file",
        description="Checks a proof file: signatures, inclusion, keys, mandates, disclosures.",
        epilog="Exit status: 0 verified, 1 refused, 2 wrong usage.",
    )
    verify.add_argument("file", type=Path, metavar="FILE", help="the proof file")
    verify.add_argument(
        "--log-key",
        required=True,
        metavar="VKEY",
        help="the log's verifier key, name+id+key, from a source you trust other than the file",
    )
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args(arguments)
    return _verify(chosen.file, log_key=chosen.log_key, as_json=chosen.json)


def _verify(file: Path, *, log_key: str, as_json: bool) -> Outcome:
    # Loaded here, so that --help and wrong usage are answered at once.
    from xinyuan import report
    from xinyuan.errors import Code, VerificationError
    from xinyuan.proof import FILE_SIZE_MAX, verify

    try:
        with file.open("rb") as opened:
            # One byte more than allowed is enough to be refused, whatever lies behind it.
            data = opened.read(FILE_SIZE_MAX + 1)
    except OSError as error:
        sys.stderr.write(f"xinyuan: cannot read {file}: {error.strerror}\n")
        return Outcome.USAGE
    try:
        verified = verify(data, log_key)
    except VerificationError as error:
        if error.code is Code.LOG_KEY_MALFORMED:
            sys.stderr.write(f"xinyuan: --log-key: {error.message}\n")
            return Outcome.USAGE
        _print(report.refused_json(error) if as_json else report.refused_text(error))
        return Outcome.REFUSED
    _print(report.verified_json(verified) if as_json else report.verified_text(verified))
    return Outcome.VERIFIED


def _print(text: str) -> None:
    # Wire text is UTF-8, whatever the terminal's language settings say.
    sys.stdout.buffer.write(text.encode("utf-8"))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
