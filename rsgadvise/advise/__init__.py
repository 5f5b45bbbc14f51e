"""Specs in, ranked advice out."""
