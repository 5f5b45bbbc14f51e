"""Results as tables, documents, pages, pictures and programs. This room computes nothing about bounds."""
