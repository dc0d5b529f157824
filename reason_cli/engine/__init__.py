"""The work: rows to labels, training, generation, evaluation, memory.

The engine gets objects, never names to look up; it prints nothing and tells its progress to a `Reporter`.
"""
