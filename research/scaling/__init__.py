"""The parts of ``research/scale.py``: each names its cases, and measures one in a new process."""
