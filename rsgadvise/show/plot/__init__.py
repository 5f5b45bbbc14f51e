"""Pictures of results: a document that a command wrote -> a neutral chart -> a drawing, or text."""
