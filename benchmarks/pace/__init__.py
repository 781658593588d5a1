"""The parts of ``benchmarks/speed.py``: four ways to compute an epoch, whole fits, and what the machine allows."""
