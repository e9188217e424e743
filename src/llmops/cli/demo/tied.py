"""Runs one module as a program that ends when the demo does, however the demo ends: stopped, crashed or killed.

`python -m llmops.cli.demo.tied MODULE ARGUMENT…`. The demo holds the other end of the standard input and never writes
to it; the system closes it when the demo is gone. That works wherever Python does.
"""

import os
import runpy
import signal
import sys
import threading
import time

_LAST_SECONDS = 5


def main() -> None:
    """Run the module named by the first argument."""
    threading.Thread(target=_end_with_the_demo, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_with_the_demo() -> None:
    os.read(0, 1)  # not sys.stdin, whose lock would disturb an ordinary end
    os.killpg(0, signal.SIGTERM)  # this program leads its own group: whatever it started ends as well
    time.sleep(_LAST_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
