"""Results as tables, JSON, YAML, Markdown and CSV. This layer computes nothing."""
