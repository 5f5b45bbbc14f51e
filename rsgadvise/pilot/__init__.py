"""Short training runs on the user's data: what they measure, and what to choose by it."""
