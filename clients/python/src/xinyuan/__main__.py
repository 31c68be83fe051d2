"""The `xinyuan` command: reads one proof file, prints the verdict.

    main     `xinyuan verify FILE --log-key VKEY [--genesis HASH] [--policy FILE] [--leaf FILE]`
    Outcome  the exit status: 0 verified, 1 refused, 2 the command itself cannot be carried out

Everything it decides by lies in the files, the key and the hash; it opens no connection.
"""

import argparse
import sys
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

_HASH_SIZE = 32


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
        description="Checks a proof file: signatures, inclusion, keys, mandates, disclosures. "
        "Also a C2SP tlog-proof, or a COSE receipt: signature and inclusion of one leaf.",
        epilog="Exit status: 0 verified, 1 refused, 2 wrong usage.",
    )
    verify.add_argument("file", type=Path, metavar="FILE", help="the proof file")
    verify.add_argument(
        "--log-key",
        metavar="VKEY",
        help="the log's verifier key, name+id+key, from a source you trust other than the file",
    )
    verify.add_argument(
        "--genesis",
        type=_hash,
        metavar="HASH",
        help="in its place, or beside it: the hash of the log's entry 0, which outlasts its keys",
    )
    verify.add_argument(
        "--policy",
        type=Path,
        metavar="FILE",
        help="a C2SP tlog-policy: refuse a checkpoint that lacks its quorum of witnesses",
    )
    verify.add_argument(
        "--leaf",
        type=Path,
        metavar="FILE",
        help="the bytes of the leaf that a receipt, or a tlog-proof without them, is about",
    )
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args(arguments)
    if chosen.log_key is None and chosen.genesis is None:
        verify.error("one of --log-key and --genesis is required")
    return _verify(
        chosen.file,
        log_key=chosen.log_key,
        genesis_hash=chosen.genesis,
        policy_file=chosen.policy,
        leaf_file=chosen.leaf,
        as_json=chosen.json,
    )


def _hash(text: str) -> bytes:
    hash_ = bytes.fromhex(text)
    if len(hash_) != _HASH_SIZE:
        raise ValueError(text)
    return hash_


def _verify(
    file: Path,
    *,
    log_key: str | None,
    genesis_hash: bytes | None,
    policy_file: Path | None,
    leaf_file: Path | None,
    as_json: bool,
) -> Outcome:
    # Loaded here, so that --help and wrong usage are answered at once.
    from xinyuan import report
    from xinyuan.errors import Code, VerificationError
    from xinyuan.leaf_proof import LEAF_SIZE_MAX, ProofForm, verify_leaf_proof
    from xinyuan.policy import POLICY_SIZE_MAX, WitnessPolicy
    from xinyuan.proof import FILE_SIZE_MAX, verify

    try:
        data = _read(file, FILE_SIZE_MAX)
        leaf = None if leaf_file is None else _read(leaf_file, LEAF_SIZE_MAX)
        policy_text = None if policy_file is None else _read(policy_file, POLICY_SIZE_MAX)
    except OSError as error:
        sys.stderr.write(f"xinyuan: cannot read {error.filename}: {error.strerror}\n")
        return Outcome.USAGE
    try:
        policy = None if policy_text is None else WitnessPolicy.parse(policy_text)
        if ProofForm.of(data) is not None:
            if log_key is None:
                sys.stderr.write("xinyuan: --log-key: a proof of one leaf shows no keys\n")
                return Outcome.USAGE
            shown = verify_leaf_proof(data, log_key, leaf=leaf, policy=policy)
            _print(report.leaf_json(shown) if as_json else report.leaf_text(shown))
            return Outcome.VERIFIED
        if leaf is not None:
            sys.stderr.write("xinyuan: --leaf: a proof file brings its own leaves\n")
            return Outcome.USAGE
        verified = verify(data, log_key, genesis_hash=genesis_hash, policy=policy)
    except VerificationError as error:
        usage = {Code.LOG_KEY_MALFORMED: "--log-key", Code.POLICY_MALFORMED: "--policy"}
        if error.code in usage:
            sys.stderr.write(f"xinyuan: {usage[error.code]}: {error.message}\n")
            return Outcome.USAGE
        _print(report.refused_json(error) if as_json else report.refused_text(error))
        return Outcome.REFUSED
    _print(report.verified_json(verified) if as_json else report.verified_text(verified))
    return Outcome.VERIFIED


def _read(file: Path, size_max: int) -> bytes:
    with file.open("rb") as opened:
        # One byte more than allowed is enough to be refused, whatever lies behind it.
        return opened.read(size_max + 1)


def _print(text: str) -> None:
    # Wire text is UTF-8, whatever the terminal's language settings say.
    sys.stdout.buffer.write(text.encode("utf-8"))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
