"""What a conversation is: plain values with no I/O, usable on any thread."""
