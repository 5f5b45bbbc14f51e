"""Predicted critical batch sizes and stepsizes against trainings."""
