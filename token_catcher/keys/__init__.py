"""Public keys of signatures: a file of pinned ones, DNS, and those that DNS gave before.

They are asked in this order. A pinned key is never asked of DNS. A key that has proven a mail is
remembered; where DNS has it no more, or is silent, mail that arrived while it was published is
checked with what is remembered, so that a backlog still verifies after Salesforce changed its key:
what was proof on arrival stays proof. That is safe, since the record came from DNS for that very
name, is public, and serves no mail that arrived more than a day after DNS last had it; and a key
that is *revoked* (an empty `p=`) is still there, and DNS is asked first.

The names that are asked for stand in mail, and anybody writes mail. So an unknown name costs no
other one its place or its turn: see `DnsKeys`.
"""

from typing import TYPE_CHECKING

from token_catcher.faces import face

if TYPE_CHECKING:
    from token_catcher.keys.pinned import KeyChain, PinnedKeys
    from token_catcher.keys.published import DnsKeys
    from token_catcher.keys.remembered import RememberedKeys

__all__ = ["DnsKeys", "KeyChain", "PinnedKeys", "RememberedKeys"]

__getattr__ = face(
    __name__,
    {
        "pinned": ("KeyChain", "PinnedKeys"),
        "published": ("DnsKeys",),
        "remembered": ("RememberedKeys",),
    },
)
