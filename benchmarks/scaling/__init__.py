"""The parts of ``benchmarks/scale.py``: each names its cases, and measures one in a new process."""
