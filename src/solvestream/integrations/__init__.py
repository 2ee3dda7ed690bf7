"""For web frameworks and other hosts. Each is imported by its own name, with its framework."""
