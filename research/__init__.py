"""What was tried about the theory on real data; slow, and no part of the product or of its tests."""
