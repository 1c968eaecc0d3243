"""Every anomaly-free U(1)_X up to a largest charge, and which of them are models of flavour."""

from malaphoric.atlas.solutions import anomaly_free

__all__ = ["anomaly_free"]
