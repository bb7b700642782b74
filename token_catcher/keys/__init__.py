"""Public keys of signatures: a file of pinned ones, DNS, and those that DNS gave before.

They are asked in this order. A pinned key is never asked of DNS. A key that DNS no longer has is
taken from memory for mail that arrived while it was published, so that a backlog still verifies
after Salesforce changed its key: what was proof on arrival stays proof. That is safe, since the
record came from DNS for that very name, is public, and serves no mail that arrived more than a
day after DNS last had it; and a key that is *revoked* (an empty `p=`) is still there, and DNS is
asked first.
"""

from token_catcher.keys.pinned import KeyChain, PinnedKeys
from token_catcher.keys.published import DnsKeys
from token_catcher.keys.remembered import RememberedKeys

__all__ = ["DnsKeys", "KeyChain", "PinnedKeys", "RememberedKeys"]
