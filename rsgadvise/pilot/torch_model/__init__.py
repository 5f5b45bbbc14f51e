"""Advice for any torch module: nothing is known of it but what it computes, so all of it is measured."""
