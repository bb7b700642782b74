"""Long rounds over real servers.

A few run with the tests (`tests/system/test_soak.py`), many by `make soak`.
"""
