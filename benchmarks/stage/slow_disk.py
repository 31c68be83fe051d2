"""A disk whose flushes take longer: a library that stands between a program and the system.

    slow_disks    builds one for each delay with the C compiler of the machine; for LD_PRELOAD
    check_delay   that a program under it really waits

The delay comes after `fsync` or `fdatasync` is done, as a slower disk would have it, and holds up
the calling thread alone. With a delay of 0 the same code is in the way, so that the runs differ in
nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static int then_wait(int result) {
    struct timespec wait = {DELAY_US / 1000000, DELAY_US % 1000000 * 1000};
    if (DELAY_US) nanosleep(&wait, 0);
    return result;
}

int fsync(int file) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fsync");
    return then_wait(real(file));
}

int fdatasync(int file) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    return then_wait(real(file));
}
"""


@contextmanager
def slow_disks(delays_us: Sequence[int]) -> Iterator[Mapping[int, Path]]:
    """The library of each delay, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="xin-disk-") as folder:
        source = Path(folder) / "slow_disk.c"
        source.write_text(SOURCE)
        libraries = {}
        for delay_us in delays_us:
            libraries[delay_us] = Path(folder) / f"slow_disk_{delay_us}.so"
            build = ["cc", "-shared", "-fPIC", "-O2", f"-DDELAY_US={delay_us}", str(source)]
            subprocess.run([*build, "-o", str(libraries[delay_us]), "-ldl"], check=True)
            check_delay(libraries[delay_us], delay_us)
        yield libraries


def check_delay(library: Path, delay_us: int) -> None:
    """Raises `AssertionError` when SQLite's commit does not wait."""
    program = """
import sqlite3, sys, tempfile, time
with tempfile.TemporaryDirectory() as folder:
    database = sqlite3.connect(folder + "/waits.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE t (x)")
    started = time.perf_counter()
    for number in range(10):
        database.execute("INSERT INTO t VALUES (?)", (number,))
    print((time.perf_counter() - started) / 10 * 1e6)
"""
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "LD_PRELOAD": str(library)},
        capture_output=True,
        check=True,
    ).stdout
    assert float(said) >= delay_us, f"a commit takes {float(said):.0f} µs with {delay_us} µs more"
