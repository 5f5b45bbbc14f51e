"""One or two keys of a spec varied over a range: bounds at each point, and what training measures."""
