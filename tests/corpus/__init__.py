"""Mails with their expected end: what anybody may send, and what Salesforce really sends.

The generator is deterministic: fixed times, keys from a seed, no file and no clock.
`python -m tests.corpus DIR` writes the mails, their manifest and the configurations they are judged
under; `--report` judges them and prints figures.

A module of the corpus is tables: a row is a mail's name, what it tries, what it is made of, and how
it ends where that differs from its table. `base.mails` turns rows into mails.
"""
