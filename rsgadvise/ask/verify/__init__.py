"""Train, measure, and say whether a bound holds, with a stated probability of a false alarm."""
