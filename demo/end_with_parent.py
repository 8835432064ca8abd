"""Run a command that ends when its parent ends: `python end_with_parent.py PARENT_PID COMMAND...`.

On Linux the kernel signals a process whose parent dies (prctl PDEATHSIG), also after SIGKILL. On other systems the
command runs without this.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tie_to(parent: int) -> None:
    """Ask the kernel for SIGTERM when process `parent` dies; exit if it has died already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # A parent that died before the call above causes no signal.
    if os.getppid() != parent:
        sys.exit("The parent is gone.")


def main() -> None:
    """Tie this process to the parent PID of the first argument, then exec the rest as the command."""
    parent, *command = sys.argv[1:]
    tie_to(int(parent))
    os.execvp(command[0], command)  # noqa: S606 - becoming the command is what this file is for


if __name__ == "__main__":
    main()
