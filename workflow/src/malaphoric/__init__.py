"""malaphoric: which part of a Z' model's parameter space survives the data?

The names below are the public interface; everything else is found in the rooms of the package.
"""

from malaphoric import arithmetic  # noqa: F401 - first: what it pins is read when numpy loads
from malaphoric.engines.loading import load_likelihood
from malaphoric.physics.model import Model

__all__ = ["Model", "load_likelihood"]
__version__ = "0.1.0"
