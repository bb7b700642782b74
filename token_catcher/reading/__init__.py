"""Bytes in, candidate out: what a mail claims, so strictly read that all readers agree."""

from token_catcher.reading.claims import TOKEN
from token_catcher.reading.extract import extract
from token_catcher.reading.wire import read_header

__all__ = ["TOKEN", "extract", "read_header"]
