"""The theorems: plain numbers and arrays in, bounds and their exact optima out."""
