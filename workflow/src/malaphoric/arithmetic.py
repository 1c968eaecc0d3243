"""The arithmetic of numpy, scipy and BLAS: equal bits whatever the CPU and the user's shell.

numpy and OpenBLAS pick their code by the CPU, and OpenBLAS splits sums by the number of threads.
Both ask the environment once, when they are loaded: the package pins it as the first thing it
does, for its own process and for those that this one starts. Nothing here loads numpy.
"""

from __future__ import annotations

import os
import platform
import sys
import warnings
from functools import cache
from pathlib import Path

#: Points that the compiled engine evaluates together; chunks hold whole blocks, so that every
#: point meets the same arithmetic however the grid is split. More would not stay in the cache.
BLOCK = 512

_CPUINFO = Path("/proc/cpuinfo")


def _pinned() -> dict[str, str | None]:
    """Environment variables and their values; None for those that must not be set."""
    # jobs are many and each is serial: threads would make them several times slower as well
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    x86 = platform.machine() in ("x86_64", "AMD64")
    return {
        **threads,
        # AVX2 kernels; for a CPU without it, and on ARM, OpenBLAS chooses
        "OPENBLAS_CORETYPE": "Haswell" if x86 and {"avx2", "fma"} <= _cpu_flags() else None,
        # numpy's code for all CPUs: what it has for newer ones is no faster here
        "NPY_ENABLE_CPU_FEATURES": "X86_V2" if x86 else None,
        "NPY_DISABLE_CPU_FEATURES": None,  # numpy refuses both
    }


def _cpu_flags() -> set[str]:
    """What the CPU can do, in Linux's words; empty on other systems."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def pin() -> bool:
    """Pin the environment; whether that came in time for this process.

    It is too late when numpy was loaded in another environment.
    """
    pinned = _pinned()
    different = any(os.environ.get(name) != value for name, value in pinned.items())
    for name, value in pinned.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return not (different and "numpy" in sys.modules)


#: Whether this process computes with the pinned arithmetic.
IN_TIME = pin()


@cache
def warn_if_late() -> None:
    """Say, once, that the last bits of what follows may be others than those of a run."""
    if not IN_TIME:
        warnings.warn(
            "numpy was imported before malaphoric: the last bits of results depend on the CPU; "
            "import malaphoric first to have those of a run",
            stacklevel=3,
        )
