"""Measurements, which of them count, and chi2 of predictions; the files that ship."""
