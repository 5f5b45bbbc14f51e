"""What advice is worth in trials: its stepsize against tuners that train."""
