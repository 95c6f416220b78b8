"""Text files and PDFs as the text that a model reads. For `app` and `server`."""
