"""Which process runs on which core, where the system lets one choose."""

from __future__ import annotations

import os


def pin(what: str) -> bool:
    """Put this process on a core: the server on the first, what is measured on the last."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return False
    os.sched_setaffinity(0, {cores[0] if what == "server" else cores[-1]})
    return True
