"""Parent side of the engine: handles to models that run in child processes."""
