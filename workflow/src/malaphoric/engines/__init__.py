"""Predictions at points: exact by smelli, compiled from tables, and how these are made."""
