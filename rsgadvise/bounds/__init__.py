"""A spec as plain numbers, and the bounds of its network with each set of constants."""
