"""The parts of ``research/speed.py``: three ways to compute an epoch, whole fits, and what the machine allows."""
