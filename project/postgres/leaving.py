"""What a process does when it is asked to end: Python's exit functions don't run then."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType


def on_signal(release: Callable[[], None]) -> None:
    """Have this process call `release` when its terminal closes, or it is asked to end.

    Then it ends by that signal, as it would have. A signal for which somebody has a handler, or
    which is ignored, is left to them.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # Python sets handlers in the main thread only
    mine = os.getpid()

    def release_and_end(number: int, frame: FrameType | None) -> None:
        if os.getpid() == mine:  # and not a fork, which has inherited the handler
            release()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    for number in (signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, release_and_end)
