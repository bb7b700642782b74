"""Mails with their expected end: what anybody may send to the watched mailbox, and what Salesforce really sends.

The generator is deterministic: fixed times, keys from a seed, no file and no clock. `python -m tests.corpus DIR` writes the
mails, their manifest and the configurations they are judged under; `--report` judges them and prints figures.
"""
