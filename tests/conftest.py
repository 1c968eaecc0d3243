"""Fixtures shared by unit and workflow tests."""

import os

# before numpy is imported anywhere: the arithmetic of the workers
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
