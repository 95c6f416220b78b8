"""What a person can do, with no Qt in it."""
