"""Networks, their gradients and curvature, and randomly stopped SGD."""
