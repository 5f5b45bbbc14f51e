"""Assertions about training for test suites: does it still train, is it no worse, does the bound hold?

Training is random, so that one run proves little. Each assertion trains with seeds 0, 1, 2, ... until what it
has seen decides, and errs with probability at most alpha, whenever it stops.
"""

from rsgadvise.testing.bound import assert_gradient_bound
from rsgadvise.testing.comparison import assert_not_worse
from rsgadvise.testing.outcome import Outcome
from rsgadvise.testing.success import assert_trains, choose_below

__all__ = ["Outcome", "assert_gradient_bound", "assert_not_worse", "assert_trains", "choose_below"]
