"""The parts of ``research/fuzz.py``: good files, how they are damaged, and what reads them."""
