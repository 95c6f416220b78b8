"""The window: the only package, with `__main__`'s gui branch, that imports Qt."""
