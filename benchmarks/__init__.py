"""Timings and memory, each beside a peer measured in the same run."""
