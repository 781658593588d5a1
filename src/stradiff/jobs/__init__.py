"""Many recordings: one after another, on several cores, on a cluster; or together, with one mixing map.

``fit_many`` is in ``recordings``, ``fit_group`` in ``group``: a worker process imports only what its task needs.
"""
