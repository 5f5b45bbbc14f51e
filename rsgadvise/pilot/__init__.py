"""Short training runs on the user's data: what they measure, and what to choose by it."""

__all__ = ["LARGEST_PILOT", "SMALLEST_PILOT"]

SMALLEST_PILOT, LARGEST_PILOT = 0.1, 100.0  # calibration alone takes half of the smallest
