# SPDX-License-Identifier: ISC
"""What has to be undone when the test ends: normally, by an exception, or by SIGTERM.

Every resource registers how to undo itself the moment it exists and takes itself off again
when it was closed in order. Last in, first out.
"""

import atexit
import os
import signal
import sys
import traceback

_owner = os.getpid()
_undo = []


def push(function, *args):
    """Register; returns a handle for cancel()."""
    entry = (function, args)
    _undo.append(entry)
    return entry


def cancel(entry):
    """The resource was closed in order. Cancelling twice is fine."""
    for i, known in enumerate(_undo):
        if known is entry:
            del _undo[i]
            return


def run_all():
    """Undo all that is left. One failure does not keep the rest from being undone."""
    if os.getpid() != _owner:
        return
    while _undo:
        function, args = _undo.pop()
        try:
            function(*args)
        except Exception:
            traceback.print_exc(file=sys.stderr)


def _on_signal(number, _frame):
    # an exception, so that context managers close; atexit takes what they do not know
    raise SystemExit(128 + number)


atexit.register(run_all)
for _number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(_number, _on_signal)
