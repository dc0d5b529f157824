"""Mathematical answers: read from LaTeX into trees, and compared by what they stand for."""
