"""Several specs beside each other: whose guarantee is better, and what was measured."""
