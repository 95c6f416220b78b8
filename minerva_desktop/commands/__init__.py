"""Commands without a window, one module each: what `__main__` hands its arguments to."""
