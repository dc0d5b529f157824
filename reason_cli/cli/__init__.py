"""The door: one thin file per command. The only place that knows click and the terminal."""
