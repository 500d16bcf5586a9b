"""One folder a project; each has the same files (see ARCHITECTURE.md)."""

import signal
import sys
import threading

if sys.argv[0] == "-m" and threading.current_thread() is threading.main_thread():
    # `python -m projects.…` imports this file first. Until the command has begun (common/cli.py), Ctrl-C ends the
    # process without a word, instead of with the traceback of an import.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
