"""Looking on: sinks for `on_event`, and reports. Each is imported by its own name."""
