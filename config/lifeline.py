"""
The lifeline: a process that holds it is killed by the kernel as soon as its parent is gone, however the parent went.

It is what keeps `kill -9` of any part of `./watchkeeper up` from leaving servers behind. Stopping in good order is
config.supervisor's work, not the lifeline's.
"""

import ctypes
import multiprocessing
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def hold(parent: int, last_signal: int) -> None:
    """
    Ask for `last_signal` when the process `parent`, our parent, ends.

    To be called after any change of user (which clears the request). It outlives exec, but is not inherited by
    children. Raises OSError.
    """
    if libc.prctl(_PR_SET_PDEATHSIG, last_signal, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it was gone before we asked
        os.kill(os.getpid(), last_signal)


def die_with_parent() -> None:
    """
    Hold on to the web server's main process from within one of its workers.

    Does nothing unless `./watchkeeper up` started the web server, nor outside of a worker process.
    """
    parent = multiprocessing.parent_process()
    if os.environ.get("WATCHKEEPER_SUPERVISED") == "1" and parent and parent.pid:
        hold(parent.pid, signal.SIGKILL)
