"""Run a command that ends with its parent: `python end_with_parent.py PARENT_PID COMMAND...`.

Linux tells a process when its parent is gone (prctl PDEATHSIG); a SIGKILLed parent takes the command along then.
Elsewhere the command is simply run.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def tie_to(parent: int) -> None:
    """Ask for SIGTERM when process `parent` dies; leave at once when it is dead already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # The parent may have died before the line above: nobody would tell us any more.
    if os.getppid() != parent:
        sys.exit("The parent is gone.")


def main() -> None:
    """Tie this process to the parent named first, then become the command that follows."""
    parent, *command = sys.argv[1:]
    tie_to(int(parent))
    os.execvp(command[0], command)  # noqa: S606 - becoming the command is what this file is for


if __name__ == "__main__":
    main()
