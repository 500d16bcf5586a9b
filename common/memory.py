"""The memory of networks: freed blocks are kept between steps, and given back between two trainings."""

import ctypes
import logging
import sys
from typing import Any


def keep_freed_memory() -> None:
    """Have glibc keep large freed blocks for the next request, instead of returning them to the system at once.

    A training step frees the same arrays and asks for them again, and the system must zero every page that it hands
    out. In two LSTM layers of 256 units, batch 64 x 100, this cost up to 56,000 page faults and 79 ms of system time a
    step; with these settings it is under 30 faults and 3 ms (`python -m benchmarks.memory` of keras-portfolio). In
    small networks it hardly matters. The settings must come before the backend starts: its threads do not apply them
    to memory that they already have. The numbers are from glibc's malloc.h: M_MMAP_THRESHOLD (older versions accept
    32 MiB at most), M_TRIM_THRESHOLD and M_TOP_PAD.
    """
    if mallopt := _of_glibc("mallopt"):
        mallopt(-3, 1 << 30) or mallopt(-3, 32 << 20)
        mallopt(-1, 2**31 - 1)
        mallopt(-2, 64 << 20)


def _of_glibc(name: str) -> Any:
    """A function of the C library, or None where it is not glibc."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def fresh_session() -> None:
    """Free the memory of the first network between two trainings in one process."""
    import keras

    keras.utils.clear_session()  # also collects garbage
    if trim := _of_glibc("malloc_trim"):
        trim(0)  # give back what `keep_freed_memory` has kept, because the next network needs arrays of other sizes
    # TensorFlow warns of a function that is traced again and again; here it is a new network each time.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
