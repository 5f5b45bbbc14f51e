"""Hyper-parameter advice for sigmoid networks from gradient-convergence bounds."""

__version__ = "0.1.0"
