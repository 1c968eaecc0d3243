"""Pinned arithmetic: what is set where, when it is too late, and the exact engine's bits.

Those of the compiled engine are in test_compiled.py, those of jobs in test_compiled_run.py.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from malaphoric import arithmetic

THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

#: What a user's shell may say, all of which numpy or OpenBLAS would follow.
SHELL = {
    "OMP_NUM_THREADS": "3",
    "OPENBLAS_NUM_THREADS": "2",
    "OPENBLAS_CORETYPE": "Prescott",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4",
}

# of the exact engine, those that feel the arithmetic most
_EXACT = """
import malaphoric, numpy as np
from malaphoric import Model, store
from malaphoric.engines.exact import ExactEngine
names = ["ACP(B->Xgamma)", "D_n", "R_n", "eps_K", ("<P3>(B0->K*mumu)", 15, 19)]
theory = ExactEngine(Model.load("b3-l2"), observables=names)
result = theory.evaluate(np.array([[-0.92, 0.078, -0.17]]))
assert np.isfinite(result.predictions).all(), result.reason
print(store.digest(result.predictions, result.ckm))
"""

needs_avx2 = pytest.mark.skipif(
    "avx2" not in arithmetic._cpu_flags(), reason="kernels are pinned on x86-64 with AVX2"
)


def python(code: str, **environment: str) -> str:
    """What a new process says, whose shell has set no arithmetic but this."""
    shell = {k: v for k, v in os.environ.items() if k not in arithmetic._pinned()}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**shell, "PYTHONHASHSEED": "0", **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize(
    ("machine", "flags", "kernels"),
    [
        ("x86_64", "fpu sse2 avx fma avx2 avx512f", ("Haswell", "X86_V2")),
        ("x86_64", "fpu sse2 avx fma avx2", ("Haswell", "X86_V2")),
        ("x86_64", "fpu sse2 avx", (None, "X86_V2")),
        ("aarch64", "fp asimd", (None, None)),
    ],
    ids=["AVX-512", "AVX2", "before AVX2", "ARM"],
)
def test_what_is_pinned(machine, flags, kernels, tmp_path, monkeypatch):
    """By what the CPU can do; nothing of it is the user's."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
    monkeypatch.setattr(arithmetic, "_CPUINFO", cpuinfo)
    monkeypatch.setattr(arithmetic.platform, "machine", lambda: machine)
    for name in arithmetic._pinned():  # so that all of them are restored
        monkeypatch.setenv(name, SHELL.get(name, "x"))
    arithmetic.pin()
    names = ("OPENBLAS_CORETYPE", "NPY_ENABLE_CPU_FEATURES")
    assert tuple(map(os.environ.get, names)) == kernels
    assert "NPY_DISABLE_CPU_FEATURES" not in os.environ
    assert {name: os.environ[name] for name in THREADS} == THREADS


def test_no_cpuinfo(tmp_path, monkeypatch):
    """As on macOS."""
    monkeypatch.setattr(arithmetic, "_CPUINFO", tmp_path / "none")
    assert arithmetic._pinned()["OPENBLAS_CORETYPE"] is None


def test_tests_are_in_time():
    """Nothing that pytest loads before our conftest.py has loaded numpy."""
    assert arithmetic.IN_TIME


@pytest.mark.parametrize(
    ("code", "warned"),
    [
        ("import malaphoric, numpy", False),
        ("import numpy, malaphoric", True),
    ],
)
def test_late_import_is_said(code, warned):
    """Where numbers are asked for, not where the package is imported."""
    code = f"""
import warnings
warnings.simplefilter("error")
{code}
try:
    malaphoric.load_likelihood("b3-l2", engine="none")
except UserWarning as warning:
    print(warning)
except malaphoric.schema.ConfigurationError:
    pass
"""
    assert ("import malaphoric first" in python(code, **SHELL)) == warned


@needs_avx2
@pytest.mark.slow
def test_exact_engine():
    """Equal bits in any shell; and they would differ: flavio's integrals are adaptive."""
    pinned = python(_EXACT)
    assert python(_EXACT, **SHELL) == pinned
    assert python("import numpy\n" + _EXACT, **SHELL) != pinned
