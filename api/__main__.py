"""The `xin` command.

    up          a demonstration: a ledger, a small told world, a server
    serve       serve the ledger of XIN_HOME or XIN_DATABASE_URL
    witness     cosign the heads of other logs
    init        found an empty ledger
    migrate     bring the database to the tables of this version
    enterprise  one enterprise: its grade, and why
    trace       where something came from and where it went
    state       statements into the ledger
    capture     EPCIS documents into the ledger
    import      published data into the ledger
    export      proof files for strangers
    rate        everybody's grade on a day, as a file that anyone can make again
    log         audit a whole log, write it as files, recover what one's own has lost
    keys        private keys: begun, listed, sealed, kept by an agent, replaced
    mandate     what an authority may state
    policy      adopt a credit policy, or see before what it would do
    credential  who is let in, where no identity provider says so
    rebuild     make every view again from log and opening store
    schema      write the GraphQL schema of every tier

Exit codes: 0 done, 1 refused (code, message and path on standard error), 2 wrong usage. Settings
come from the environment (docs/settings.md). Commands load what they need when they run, so that
help is there at once.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from api.access import Tier
    from api.settings import Settings

_T = TypeVar("_T")

_TAKES_THUMBPRINTS = {"help_option_names": ["--help"], "ignore_unknown_options": True}
"""One in 64 begins with a hyphen, and is no option where no short ones are known."""

xin = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Xinyuan 信源: who stated what about an exporter, what it amounts to, and its proof.",
)
exports = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Write a proof file for strangers."
)
imports = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Read published data into the ledger."
)
logs = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The log itself.")
xin.add_typer(exports, name="export")
xin.add_typer(imports, name="import")
xin.add_typer(logs, name="log")
keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Private keys.")
xin.add_typer(keys, name="keys")
policies = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Rules of rating.")
xin.add_typer(policies, name="policy")
credentials = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who is let in.")
xin.add_typer(credentials, name="credential")


class As(StrEnum):
    """Whose credential goes with a question. The names are those of `api.access.Tier`."""

    PUBLIC = "public"
    ENTERPRISE = "enterprise"
    BANK = "bank"
    AUTHORITY = "authority"


class Way(StrEnum):
    """Which way a trace walks."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


AsOption = Annotated[As, typer.Option("--as", help="Whose credential to show, from XIN_HOME.")]
AsOfOption = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="True on this day; by default today."),
]
SizeOption = Annotated[
    int | None, typer.Option("--tree-size", min=1, help="As known at this size of the log.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OutputOption = Annotated[
    Path, typer.Option("-o", "--output", dir_okay=False, writable=True, help="The proof file.")
]
WithholdOption = Annotated[
    list[str] | None,
    typer.Option("--withhold", metavar="MEMBER", help="Leave this member closed; repeatable."),
]
IndexArgument = Annotated[int, typer.Argument(metavar="INDEX", min=0, help="Its leaf index.")]


def _in_utf8(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("not UTF-8") from None
    return text


def _hash(text: str) -> bytes:
    try:
        hash_ = bytes.fromhex(text)
    except ValueError:
        hash_ = b""
    if len(hash_) != 32:
        raise typer.BadParameter("a hash has 64 hexadecimal digits")
    return hash_


FOLDER = Path(__file__).resolve().parent
FILE: dict[str, Any] = {"exists": True, "dir_okay": False, "readable": True}


@xin.command()
def up() -> None:
    """Make a demonstration ledger and serve it; the second time, serve it again."""
    from api.demo import STORY
    from api.operating import serve_demonstration

    _serve(serve_demonstration(_settings(), STORY, say=typer.echo))


@xin.command()
def serve(
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Answer, and write nothing; beside a writer too.")
    ] = False,
) -> None:
    """Serve an existing ledger on 127.0.0.1, for a reverse proxy to stand before."""
    from api.operating import serve_ledger

    _serve(serve_ledger(_settings(), say=typer.echo, writes=not read_only))


@xin.command()
def witness(
    name: Annotated[
        str, typer.Option(help="Under which it signs, as witness.example/w1; for good.")
    ],
    logs: Annotated[
        Path, typer.Option(help="The logs it watches: the log lines of a tlog-policy.", **FILE)
    ],
) -> None:
    """Cosign the heads of other logs, each only when it extends those before."""
    from api.witnessing import serve_witness

    _serve(serve_witness(_settings(), name, logs, say=typer.echo))


@xin.command()
def init(
    operator: Annotated[str, typer.Option(help="Who runs the log; written into its genesis.")],
) -> None:
    """Found an empty ledger: tables, keys, genesis. Safe to repeat."""
    from api.operating import found_ledger

    log_key = _run(found_ledger(_settings(), operator=operator))
    typer.echo(log_key)


@xin.command()
def migrate() -> None:
    """Bring the database to the tables of this version."""
    from api.operating import migrate_database

    typer.echo(f"at revision {_run(migrate_database(_settings()))}")


@xin.command()
def enterprise(
    identifier: Annotated[
        str,
        typer.Argument(
            help="A social credit identifier, SCHEME:IDENTIFIER (fei, lei, inn), or a label.",
            callback=_in_utf8,
        ),
    ],
    as_of: AsOfOption = None,
    tree_size: SizeOption = None,
    tier: AsOption = As.PUBLIC,
    as_json: JsonOption = False,
) -> None:
    """One enterprise: its grade, the reasons, and what comes next."""
    from api.answers import ENTERPRISE, enterprise_text

    answer = _ask(ENTERPRISE, tier, {"id": identifier, **_clocks(as_of, tree_size)})
    _print(answer, as_json, enterprise_text)


@xin.command()
def trace(
    link: Annotated[
        str,
        typer.Argument(help="A GS1 Digital Link of any host, or an EPC URN.", callback=_in_utf8),
    ],
    direction: Annotated[Way, typer.Option(help="Which way to walk.")] = Way.BOTH,
    as_of: AsOfOption = None,
    tree_size: SizeOption = None,
    tier: AsOption = As.PUBLIC,
    as_json: JsonOption = False,
) -> None:
    """Where something came from and where it went."""
    from api.answers import TRACE, trace_text

    variables = {"link": link, "direction": direction.name, **_clocks(as_of, tree_size)}
    _print(_ask(TRACE, tier, variables), as_json, trace_text)


@xin.command()
def state(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Drafts, a JSON object each.", **FILE)
    ],
    as_json: JsonOption = False,
) -> None:
    """Sign statements with the keys that authorities left here, and send them."""
    from api.stating import StatedFile, state_files

    def say(stated: StatedFile) -> None:
        # At once: a later file that is refused takes nothing back from those before it.
        typer.echo(json.dumps(stated.members(), ensure_ascii=False) if as_json else stated.text())

    _run(state_files(_settings(), files, say))


@xin.command()
def capture(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", **FILE)],
    party: Annotated[
        str | None,
        typer.Option(help="Who captured, as for the command enterprise; authorities may say so."),
    ] = None,
    tier: AsOption = As.ENTERPRISE,
    as_json: JsonOption = False,
) -> None:
    """Send EPCIS 2.0 JSON documents through the door, each as one sealed entry."""
    from api.answers import counted
    from api.progress import Bar
    from api.submitting import CapturedFile, capture_files

    captured: list[CapturedFile] = []
    try:
        with Bar.shown("capturing") as bar:
            work = capture_files(
                _settings(), files, bar, captured.append, tier=_tier(tier), party=party
            )
            _run(work)
    finally:
        # A later file that is refused takes nothing back from those before it.
        for one in captured:
            known = ", known before" if one.duplicate else ""
            events = counted(one.events, "event")
            text = f"entry {one.leaf_index}  {events} of {one.file.name}{known}"
            typer.echo(json.dumps(one.members(), ensure_ascii=False) if as_json else text)


@imports.command("fda-refusals")
def import_fda_refusals(
    file: Annotated[Path, typer.Argument(help="The refusals, csv or csv.gz.", **FILE)],
    charges: Annotated[
        Path | None,
        typer.Option(help="The charges; by default fda_charges.csv(.gz) beside FILE.", **FILE),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Import refusals of the US FDA: a filing for each firm, a statement for each line."""
    from api.progress import Bar
    from api.submitting import import_refusals, summary_members, summary_text

    with Bar.shown("importing") as bar:
        summary = _run(import_refusals(_settings(), file, charges, bar))
    typer.echo(json.dumps(summary_members(summary)) if as_json else summary_text(summary))


@exports.command("statement")
def export_statement(
    leaf_index: IndexArgument, output: OutputOption, withhold: WithholdOption = None
) -> None:
    """Prove one statement."""
    _export("statement", leaf_index, output, withhold)


@exports.command("capture")
def export_capture(leaf_index: IndexArgument, output: OutputOption) -> None:
    """Prove one capture, with all of its events."""
    _export("capture", leaf_index, output, None)


@exports.command("enterprise")
def export_enterprise(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="As for the command enterprise.")],
    output: OutputOption,
    withhold: WithholdOption = None,
) -> None:
    """Prove every statement about one enterprise."""
    _export("enterprise", identifier, output, withhold)


@exports.command("tlog-proof")
def export_log_proof(
    leaf_index: IndexArgument,
    output: OutputOption,
    tree_size: Annotated[
        int | None, typer.Option("--tree-size", min=1, help="Under this older head.")
    ] = None,
) -> None:
    """Prove one leaf in the format C2SP tlog-proof, for verifiers that know no Xinyuan."""
    _export("tlog-proof", leaf_index, output, None, tree_size)


@xin.command()
def rate(
    as_of: AsOfOption = None,
    tree_size: SizeOption = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, max=64, help="Processes that rate beside this one; by default it does."
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Dask scheduler whose workers rate instead."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", dir_okay=False, writable=True, help="By default printed."),
    ] = None,
) -> None:
    """Rate everybody: a line of canonical JSON for each subject, in the order of the labels."""
    from api.population import rate_population, rated_text
    from api.progress import Bar

    if workers is not None and cluster is not None:
        raise typer.BadParameter("either --workers or --cluster")
    with Bar.shown("rating") as bar:
        work = rate_population(
            _settings(),
            output,
            bar,
            as_of=None if as_of is None else as_of.date(),
            tree_size=tree_size,
            workers=workers,
            cluster=cluster,
        )
        rated = _run(work)
    typer.echo(rated_text(rated), err=True)


@logs.command("audit")
def log_audit(
    url: Annotated[
        str | None, typer.Option(help="A log that publishes C2SP tiles; by default one's own.")
    ] = None,
    log_key: Annotated[
        list[str] | None,
        typer.Option(
            help="A key it may be signed by; repeatable; by default the log's entries say whose."
        ),
    ] = None,
    genesis: Annotated[
        bytes | None,
        typer.Option(
            metavar="HEX",
            parser=_hash,
            help="The hash of its entry 0, which all keys descend from.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="A checkpoint that was kept; the log must extend it.", **FILE),
    ] = None,
    signatures: Annotated[
        bool, typer.Option("--signatures", help="Verify each statement's signature too.")
    ] = False,
    log_only: Annotated[
        bool, typer.Option("--log-only", help="Hash the log again, and leave what opens it out.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Hash a whole log again and name the first position at which it is not what was signed."""
    from api.auditing import audit_ledger, audit_url, report_members, report_text
    from api.progress import Bar

    if signatures and (log_only or url is not None):
        raise typer.BadParameter("what statements' signatures are over is not in the log itself")
    started = perf_counter()
    with Bar.shown("auditing") as bar:
        if url is None:
            work = audit_ledger(
                _settings(),
                bar,
                log_keys=log_key or (),
                genesis_hash=genesis,
                against=against,
                signatures=signatures,
                openings=not log_only,
            )
            report = _run(work)
        else:
            report = audit_url(
                url, bar, log_keys=log_key or (), genesis_hash=genesis, against=against
            )
    seconds = perf_counter() - started
    members = report_members(report, seconds)
    typer.echo(json.dumps(members) if as_json else report_text(report, seconds))


@logs.command("tiles")
def log_tiles(
    folder: Annotated[
        Path | None, typer.Argument(help="The folder; by default XIN_TILES_FOLDER.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: hold each file against the entries.")
    ] = False,
) -> None:
    """Write the log as files for any static server: tiles, entry bundles, checkpoint."""
    from api.progress import Bar
    from api.storage import check_tiles, write_tiles

    settings = _settings()
    path = folder or settings.tiles_folder
    if path is None:
        raise typer.BadParameter("no FOLDER is given, and XIN_TILES_FOLDER is not set")
    with Bar.shown("hashing") as bar:
        work = check_tiles if check else write_tiles
        files = _run(work(settings, path, expect=bar.expect, advance=bar.advance))
    typer.echo(f"{path}: {files} files {'are as the log has them' if check else 'written'}")


@logs.command("recover")
def log_recover(
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="URL", help="Another server of this log, to catch up with."),
    ] = None,
    token: Annotated[
        Path | None,
        typer.Option(help="The operator's credential; tokens/operator.jwt of XIN_HOME.", **FILE),
    ] = None,
    log_key: Annotated[
        str | None,
        typer.Option(help="The key of the log, for a home that has neither log nor key."),
    ] = None,
    accepted: Annotated[
        str | None,
        typer.Option(
            "--accept-head",
            metavar="TREE_SIZE:ROOT",
            help="Vouch that no newer copy of this log exists anywhere.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Catch up with another server of this log, or accept one's own head as the newest."""
    from api.auditing import report_members, report_text
    from api.progress import Bar
    from api.recovering import (
        AcceptedHead,
        accept_head,
        recover_from,
        recovered_members,
        recovered_text,
    )

    if (source is None) == (accepted is None):
        raise typer.BadParameter("either --from or --accept-head")
    if accepted is not None:
        try:
            head = AcceptedHead.parse(accepted)
        except ValueError as error:
            raise typer.BadParameter(f"--accept-head: {error}") from None
        started = perf_counter()
        with Bar.shown("auditing") as bar:
            report = _run(accept_head(_settings(), head, bar))
        seconds = perf_counter() - started
        members = report_members(report, seconds)
        typer.echo(json.dumps(members) if as_json else report_text(report, seconds))
        return
    assert source is not None
    with Bar.shown("recovering") as bar:
        work = recover_from(_settings(), source, bar, token=token, log_key=log_key)
        recovered = _run(work)
    typer.echo(json.dumps(recovered_members(recovered)) if as_json else recovered_text(recovered))


RootAgentOption = Annotated[
    Path | None,
    typer.Option(metavar="SOCKET", help="The agent that keeps the root key, where it is not here."),
]
IssuerArgument = Annotated[
    str, typer.Argument(metavar="ISSUER", help="As for the command enterprise.", callback=_in_utf8)
]


@keys.command("list")
def keys_list(as_json: JsonOption = False) -> None:
    """Every key by name and thumbprint; nothing is unlocked for it."""
    from api.keys import list_keys

    for key in list_keys(_settings()):
        typer.echo(json.dumps(key.members()) if as_json else key.text())


@keys.command("encrypt")
def keys_encrypt() -> None:
    """Seal keys that lie open, under the passphrase or key file of the settings."""
    from api.keys import encrypt_keys

    typer.echo(f"sealed {encrypt_keys(_settings())} keys")


@keys.command("reencrypt")
def keys_reencrypt(
    passphrase_file: Annotated[
        Path | None, typer.Option(help="A file with the new passphrase.", **FILE)
    ] = None,
    key_file: Annotated[Path | None, typer.Option(help="The new key file.", **FILE)] = None,
) -> None:
    """Seal every key anew; the settings name the old passphrase or key file, and then the new."""
    from api.custody import read_passphrase, read_unlocking_key
    from api.keys import reencrypt_keys

    if (passphrase_file is None) == (key_file is None):
        raise typer.BadParameter("either --passphrase-file or --key-file")
    if passphrase_file is not None:
        count = reencrypt_keys(_settings(), read_passphrase(passphrase_file, "--passphrase-file"))
    else:
        assert key_file is not None
        count = reencrypt_keys(_settings(), read_unlocking_key(key_file, "--key-file"))
    typer.echo(f"sealed {count} keys anew; name the new file in the settings from now on")


@keys.command("agent")
def keys_agent(
    socket: Annotated[Path, typer.Option(help="Where it listens; XIN_KEY_AGENT of the server.")],
    group: Annotated[
        str | None, typer.Option(help="Who else may have things signed; by default nobody.")
    ] = None,
) -> None:
    """Keep the keys of this home for a server that holds none, until a signal."""
    from api.keys import serve_agent

    _run(serve_agent(_settings(), socket, group=group, say=typer.echo))


@keys.command("begin")
def keys_begin(
    issuer: IssuerArgument,
    name: Annotated[
        list[str],
        typer.Option(metavar="LANGUAGE=NAME", help="What it is called: en=… or zh=…, or both."),
    ],
    public_key: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|JWK",
            help="Its own public key; by default a key is made, and kept here for it.",
        ),
    ] = None,
    kinds: Annotated[
        str | None,
        typer.Option(metavar="KIND,…", help="What it may state, as for the command mandate."),
    ] = None,
    root_agent: RootAgentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin a key of an authority or a firm, made here or its own; safe to repeat."""
    from api.authorities import begin_key, read_public_key

    work = begin_key(
        _settings(),
        issuer,
        names=_names(name),
        public_key=None if public_key is None else read_public_key(public_key),
        kinds=None if kinds is None else kinds.split(","),
        root_agent=root_agent,
    )
    begun = _run(work)
    typer.echo(json.dumps(begun.members()) if as_json else begun.text())


@keys.command("rotate-issuer")
def keys_rotate_issuer(
    issuer: IssuerArgument, root_agent: RootAgentOption = None, as_json: JsonOption = False
) -> None:
    """Begin a new custodial key for an issuer, and end the old one."""
    from api.keys import rotate_issuer

    rotated = _run(rotate_issuer(_settings(), issuer, root_agent=root_agent))
    typer.echo(json.dumps(rotated.members()) if as_json else rotated.text())


@keys.command("end", context_settings=_TAKES_THUMBPRINTS)
def keys_end(
    issuer: IssuerArgument,
    kid: Annotated[str, typer.Argument(metavar="KID", help="The key's thumbprint.")],
    root_agent: RootAgentOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a key of an issuer, whoever keeps it; what it signed before stands."""
    from api.keys import end_key

    rotated = _run(end_key(_settings(), issuer, kid, root_agent=root_agent))
    typer.echo(json.dumps(rotated.members()) if as_json else rotated.text())


@keys.command("rotate-log")
def keys_rotate_log(
    ml_dsa_44: Annotated[
        bool | None,
        typer.Option(
            "--ml-dsa-44/--no-ml-dsa-44",
            help="Sign with ML-DSA-44 beside Ed25519; by default as it is.",
        ),
    ] = None,
    keep_ed25519: Annotated[
        bool, typer.Option("--keep-ed25519", help="Replace nothing but the ML-DSA-44 key.")
    ] = False,
    lost: Annotated[
        bool, typer.Option("--lost", help="The old key is gone, and cannot sign its own end.")
    ] = False,
    root_agent: RootAgentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin a new key for the log; from the next head on it signs alone."""
    from api.keys import rotate_log

    work = rotate_log(
        _settings(),
        ml_dsa_44=ml_dsa_44,
        keep_ed25519=keep_ed25519,
        lost=lost,
        root_agent=root_agent,
    )
    rotated = _run(work)
    typer.echo(json.dumps(rotated.members()) if as_json else rotated.text())


@xin.command()
def mandate(
    issuer: IssuerArgument,
    kinds: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,…",
            help="All that it may state from now on: filing, inspection, enforcement, …",
        ),
    ] = None,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="It may state nothing from now on.")
    ] = False,
    root_agent: RootAgentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace what an authority may state; what it stated before stands."""
    from api.authorities import replace_mandate

    if (kinds is None) != withdraw:
        raise typer.BadParameter("either --kinds or --withdraw")
    given = [] if kinds is None else kinds.split(",")
    mandated = _run(replace_mandate(_settings(), issuer, given, root_agent=root_agent))
    typer.echo(json.dumps(mandated.members()) if as_json else mandated.text())


@policies.command("adopt")
def policy_adopt(
    file: Annotated[Path, typer.Argument(help="The policy, one line of canonical JSON.", **FILE)],
    root_agent: RootAgentOption = None,
    as_json: JsonOption = False,
) -> None:
    """Adopt a credit policy; grades follow it from the day it is in force."""
    from api.policies import adopt_file

    adopted = _run(adopt_file(_settings(), file, root_agent=root_agent))
    typer.echo(json.dumps(adopted.members()) if as_json else adopted.text())


@policies.command("backtest")
def policy_backtest(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The policy, one line of canonical JSON.")
    ],
    days: Annotated[
        str | None,
        typer.Option(metavar="DAY,…", help="Rising: of each, the year after it."),
    ] = None,
    years: Annotated[
        str | None,
        typer.Option(
            metavar="YEAR-YEAR",
            help="Each 1 January of them; by default of the last four years that are over.",
        ),
    ] = None,
    as_of: AsOfOption = None,
    tree_size: SizeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Whom a policy would regrade, and how often each of its grades failed in the next year."""
    from api.backtesting import (
        OrderBroken,
        backtest_file,
        backtest_text,
        days_of,
        days_of_years,
    )
    from api.progress import Bar
    from credit.backtest import Verdict

    if days is not None and years is not None:
        raise typer.BadParameter("either --days or --years")
    chosen = None
    if days is not None:
        chosen = days_of(days)
    elif years is not None:
        chosen = days_of_years(years)
    with Bar.shown("testing") as bar:
        work = backtest_file(
            _settings(),
            file,
            bar,
            days=chosen,
            as_of=None if as_of is None else as_of.date(),
            tree_size=tree_size,
        )
        backtest = _run(work)
    typer.echo(backtest.canonical().decode() if as_json else backtest_text(backtest))
    if backtest.verdict is Verdict.BREAKS:
        raise OrderBroken.found(backtest)


@credentials.command("issuers")
def credential_issuers() -> None:
    """XIN_CREDENTIAL_ISSUERS for a server that is to believe `xin credential give`."""
    from api.credentials import believed

    typer.echo(believed(_settings()))


@credentials.command("give")
def credential_give(
    holder: Annotated[
        str,
        typer.Argument(
            metavar="HOLDER", help="As for the command enterprise, or operator.", callback=_in_utf8
        ),
    ],
    tier: Annotated[As, typer.Option(help="What it opens.")],
    days: Annotated[int, typer.Option(help="How long it is good.")] = 30,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            dir_okay=False,
            help="The file; by default of that tier in XIN_HOME, where commands look for it.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a credential with a key of this home, and write it to a file."""
    from api.credentials import give

    given = _run(give(_settings(), holder, tier=_tier(tier), days=days, output=output))
    typer.echo(json.dumps(given.members(), ensure_ascii=False) if as_json else given.text())


@xin.command()
def rebuild(as_json: JsonOption = False) -> None:
    """Clear every view and follow the log again. No server may run meanwhile."""
    from api.operating import rebuild_views

    done = _run(rebuild_views(_settings()))
    members = {"entries": done.entries, "ratings": done.ratings}
    text = f"{done.entries} entries read, {done.ratings} grades written"
    typer.echo(json.dumps(members) if as_json else text)


@xin.command()
def schema(
    folder: Annotated[
        Path, typer.Option(file_okay=False, exists=True, help="Where to; `api/` by default.")
    ] = FOLDER,
) -> None:
    """Write api/schema.<tier>.graphql for every tier."""
    from api.schema.schemas import print_all

    for path in print_all(folder):
        typer.echo(path)


def _names(pairs: Sequence[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for pair in pairs:
        language, equals, name = _in_utf8(pair).partition("=")
        if not equals or language in names:
            raise typer.BadParameter("--name is en=… or zh=…, each once")
        names[language] = name
    return names


def _export(
    kind: str,
    what: int | str,
    output: Path,
    withhold: list[str] | None,
    tree_size: int | None = None,
) -> None:
    from api.export import write_proof

    work = write_proof(
        _settings(), kind, what, output, withheld=withhold or (), tree_size=tree_size
    )
    size = _run(work)
    typer.echo(f"{output}: {size} bytes; check it with  xinyuan verify {output} --log-key …")


def _ask(document: str, tier: As, variables: dict[str, Any]) -> dict[str, Any]:
    from api.answers import Question
    from api.door import ask

    return _run(ask(_settings(), _tier(tier), Question(document, variables)))


def _print(answer: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], str]) -> None:
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        typer.echo(text(answer), nl=False)


def _clocks(as_of: date | None, tree_size: int | None) -> dict[str, Any]:
    variables: dict[str, Any] = {}
    if as_of is not None:
        variables["asOf"] = as_of.isoformat()[:10]
    if tree_size is not None:
        variables["knownAt"] = {"treeSize": tree_size}
    return variables


def _tier(tier: As) -> Tier:
    from api.access import Tier

    return Tier(tier.value)


def _settings() -> Settings:
    from api.settings import Settings

    return Settings.from_environment()


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run(work)


def _serve(work: Coroutine[Any, Any, None]) -> None:
    if sys.platform == "win32":
        asyncio.run(work)
    else:
        import uvloop

        uvloop.run(work)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit; a refusal is three lines and exit code 1."""
    try:
        xin(arguments)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as raised:
        error: Exception = raised
        if isinstance(raised, OSError) and raised.filename is not None:
            from api.operating import FileRefused

            error = FileRefused.of(raised)
        # Every refusal has these three; anything else is a bug, and shows its traceback.
        if not all(hasattr(error, name) for name in ("code", "message", "path")):
            raise
        lines = [f"REFUSED  {error.message}", f"  code   {error.code}"]  # type: ignore[attr-defined]
        if error.path:  # type: ignore[attr-defined]
            lines.append(f"  where  {' / '.join(map(str, error.path))}")  # type: ignore[attr-defined]
        sys.stderr.write("\n".join(lines) + "\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
