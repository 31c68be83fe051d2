"""What strace says is read as it is meant: calls, their targets, and which of them failed."""

import pytest

from tests.faults.syscalls import FILE_FAULTS, SOCKET_FAULTS, faults_of
from tests.faults.tracer import Call, Fault, Injection, numbered, read_calls

TRACE = r"""
71 1795611140.520904 openat(AT_FDCWD</somewhere>, "/log/ledger.sqlite-wal", O_RDWR, 0644) = 12</log>
71 1795611140.521117 pwrite64(12</log/ledger.sqlite-wal>, "1"..., 4096, 0) = 4096
72 1795611140.521642 sendto(9<UNIX-STREAM:[89->90]>, "\0", 1, 0, NULL, 0) = 1
71 1795611140.521162 fdatasync(12</log/ledger.sqlite-wal>) = -1 EIO (Input/output error) (INJECTED)
72 1795611140.521771 sendto(6<UNIX-STREAM:[7->8, "/run/.s.PGSQL.5432"]>, "B"..., 52, 0) = 52
71 1795611140.522000 write(4<pipe:[895475]>, "{}"..., 40 <unfinished ...>
72 1795611140.523810 +++ exited with 0 +++
71 1795611140.522300 <... write resumed>) = 40
71 1795611140.534464 pwrite64(12</log/ledger.sqlite-wal>, "2"..., 4096, 0) = ?
""".lstrip()

CALLS = [
    Call(71, 1795611140.520904, "openat", "/log/ledger.sqlite-wal", False, False),
    Call(71, 1795611140.521117, "pwrite64", "/log/ledger.sqlite-wal", False, False),
    Call(72, 1795611140.521642, "sendto", "UNIX-STREAM:[89->90]", False, True),
    Call(71, 1795611140.521162, "fdatasync", "/log/ledger.sqlite-wal", True, False),
    Call(72, 1795611140.521771, "sendto", 'UNIX-STREAM:[7->8, "/run/.s.PGSQL.5432"]', False, False),
    Call(71, 1795611140.522, "write", "pipe:[895475]", False, False),
    Call(71, 1795611140.534464, "pwrite64", "/log/ledger.sqlite-wal", True, False),
]


def test_each_call_is_read_once_with_what_it_was_about() -> None:
    assert read_calls(TRACE, alone=0) == CALLS


def test_a_thread_that_is_traced_alone_has_no_number_of_its_own_in_the_trace() -> None:
    line = '1795611140.521117 unlink("/log/ledger.sqlite-wal") = 0\n'
    (call,) = read_calls(line, alone=71)
    assert (call.thread, call.name, call.target) == (71, "unlink", "/log/ledger.sqlite-wal")


def test_a_call_that_takes_two_lines_failed_where_the_second_says_so() -> None:
    trace = """
71 1795611140.1 fsync(9</log/tiles> <unfinished ...>
72 1795611140.2 fsync(8</log/tiles> <unfinished ...>
71 1795611140.3 <... fsync resumed>) = -1 EIO (Input/output error) (INJECTED)
72 1795611140.4 <... fsync resumed>) = 0
""".lstrip()
    assert [call.injected for call in read_calls(trace, alone=0)] == [True, False]


def test_a_call_that_its_thread_did_not_live_to_finish_is_the_one_that_was_killed() -> None:
    trace = """
71 1795611140.1 fsync(9</log/tiles>) = 0
71 1795611140.2 fsync(9</log/tiles> <unfinished ...>
71 1795611140.3 +++ killed by SIGKILL +++
""".lstrip()
    assert [call.injected for call in read_calls(trace, alone=0)] == [False, True]
    alone = trace.replace("71 ", "")
    assert [call.injected for call in read_calls(alone, alone=71)] == [False, True]


def test_calls_are_numbered_by_thread_and_name() -> None:
    found = [(rank, call.name, number) for rank, number, call in numbered(CALLS, [71, 72])]
    assert found == [
        (0, "openat", 1),
        (0, "pwrite64", 1),
        (1, "sendto", 1),
        (0, "fdatasync", 1),
        (1, "sendto", 2),
        (0, "write", 1),
        (0, "pwrite64", 2),
    ]


def test_a_call_fails_as_what_it_is_about_can_fail() -> None:
    assert [faults_of(call, ["/log/"]) for call in CALLS] == [
        FILE_FAULTS,
        FILE_FAULTS,
        (Fault.KILL,),
        FILE_FAULTS,
        SOCKET_FAULTS,
        (Fault.KILL,),
        FILE_FAULTS,
    ]
    assert faults_of(CALLS[0], ["/another/"]) == (), "a library that is loaded late"


@pytest.mark.parametrize("text", ["1:pwrite64:17:EIO", "0:sendto:3:KILL"])
def test_a_case_is_read_as_it_is_written(text: str) -> None:
    assert str(Injection.parse(text)) == text


def test_strace_is_told_the_call_its_number_and_the_fault() -> None:
    one = Injection(1, "pwrite64", 17, Fault.EIO)
    assert one.option == "inject=pwrite64:error=EIO:when=17"
    full = Injection(1, "pwrite64", 2, Fault.ENOSPC, and_after=True)
    assert full.option == "inject=pwrite64:error=ENOSPC:when=2+"
