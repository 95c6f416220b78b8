"""The transcript: messages, Markdown, and streaming into them."""
