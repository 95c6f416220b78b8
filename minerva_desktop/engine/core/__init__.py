"""The engine child: everything that runs in the process that loads llama.cpp."""
