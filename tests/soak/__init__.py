"""Long rounds over real servers. Short versions run with the tests (`tests/system/test_soak.py`), long ones by `make soak`."""
