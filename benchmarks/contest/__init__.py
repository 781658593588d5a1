"""The parts of ``benchmarks/accuracy.py``: problems with known truth, methods, scores, tables and pictures."""
