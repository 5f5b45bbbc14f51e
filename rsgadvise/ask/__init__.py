"""The questions: one module or package for each that has more to it than an advice."""
