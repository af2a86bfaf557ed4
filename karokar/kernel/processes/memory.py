"""What a process that serves for long does about its memory."""

import gc


def keep_what_is_loaded() -> None:
    """Let the garbage collector look no more at what is loaded by now: code and tables stay for the process's life.

    Otherwise it goes through all of that again and again while rows come and go: a third of the time of handlers that
    add rows. Call it once, before the work begins.
    """
    gc.collect()
    gc.freeze()
