"""Figure 1 of the paper, panels (a) to (e), measured on real data and judged by rules."""
