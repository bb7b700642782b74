"""Bytes in, candidate out: what a mail claims, read so strictly that no reading differs."""

from token_catcher.reading.claims import TOKEN
from token_catcher.reading.extract import extract

__all__ = ["TOKEN", "extract"]
