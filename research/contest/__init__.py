"""The parts of ``research/accuracy.py``: problems with known truth, methods, scores, tables and pictures."""
