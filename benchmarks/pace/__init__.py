"""The parts of ``benchmarks/speed.py``: three ways to compute an epoch, whole fits, and what the machine allows."""
