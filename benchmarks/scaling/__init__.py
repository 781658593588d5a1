"""The parts of ``benchmarks/scale.py``: each has ``cases``, and ``measured`` for one of them in a process of its own."""
