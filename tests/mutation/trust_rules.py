"""Each of the 25 requirements of docs/trust.md taken away once, or more often.

`python -m tests.mutation.trust_rules` changes one place at a time; the tests that the table names
must go red.
"""

from __future__ import annotations

import sys

from tests.mutation.mutants import Mutant, survivors

WIRE = ("tests/unit/reading/test_wire.py",)
MIME = ("tests/unit/reading/test_mime.py",)
CLAIMS = ("tests/unit/reading/test_claims.py",)
TRUST = ("tests/unit/proof/test_trust.py",)
SIGNATURE = ("tests/unit/proof/test_signature.py",)
AUTHRES = ("tests/unit/proof/test_authres.py",)
KEYS = ("tests/unit/test_keys.py",)
ROUTING = ("tests/unit/proof/test_routing.py",)
SETTLED = ("tests/unit/commands/test_held_and_refused.py",)
STORE = ("tests/contract/test_secret_store.py", "-k", "fake or path")

OFF = "        if False:\n"
NEVER = "    if False:\n"
PROVEN = "    case.proven = finding.passed\n"
PLAIN = "    return masked(ascii(text[:400])[1:-1])[:200]\n"
SILENT = '            raise TransientError(problem, code="dns") from None\n'
INSECURE = '    "insecure-accept-unauthenticated": _by_nothing,\n'
PINNED = (
    "    if pinned:\n"
    "        return [org for org in fitting if org in pinned]\n"
    "    return [org for org in fitting if org.org_id is None]\n"
)
PATH = '.replace("{org}", case.org.name).replace("{username}", case.username)'


def _rule(number: int, what: str, file: str, old: str, new: str, tests: tuple[str, ...]) -> Mutant:
    return Mutant(f"{number:2} {what}", file, old, new, tests)


def _in_folder(passed: str) -> str:
    """The proof believed, or not, by the folder in which the mail was found."""
    return f"    finding = replace(finding, passed={passed})\n{PROVEN}"


def _look(number: int, what: str, name: str) -> Mutant:
    """A rule of the table that sees nothing wrong in anything."""
    old = f'Rule("{name}", _{name}, '
    return _rule(
        number,
        what,
        "proof/trust.py",
        old,
        f'Rule("{name}", lambda _: Finding(True, "", ""), ',
        TRUST,
    )


MUTANTS = (
    _rule(
        1,
        "a mail of any size",
        "reading/wire.py",
        "    if len(raw) > MAX_MAIL_BYTES:\n",
        NEVER,
        WIRE,
    ),
    _rule(2, "a bare CR", "reading/wire.py", '    if raw.count(b"\\r") != lines:\n', NEVER, WIRE),
    _rule(2, "a bare LF", "reading/wire.py", '    if raw.count(b"\\n") != lines:\n', NEVER, WIRE),
    _rule(2, "control characters", "reading/wire.py", "    if control:\n", NEVER, WIRE),
    _rule(
        2,
        "8-bit bytes in the header",
        "reading/wire.py",
        "    if not head.isascii():\n",
        NEVER,
        WIRE,
    ),
    _rule(2, "any field name", "reading/wire.py", 'rb"([!-9;-~]+):"', 'rb"([^:]+):"', WIRE),
    _rule(
        2,
        "any number of fields",
        "reading/wire.py",
        "    if len(fields) > MAX_FIELDS:\n",
        NEVER,
        WIRE,
    ),
    _rule(
        3,
        "a field said twice",
        "reading/wire.py",
        "        if names.count(name.lower()) > 1:\n",
        OFF,
        WIRE,
    ),
    _rule(
        3,
        "a field that is missing",
        "reading/wire.py",
        "        if name.lower() not in names:\n",
        OFF,
        WIRE,
    ),
    _look(4, "any sender", "sender"),
    _rule(
        4,
        "any display name",
        "proof/trust.py",
        '    if "=?" in display or (',
        "    if False and (",
        TRUST,
    ),
    _rule(
        5,
        "any signing domain",
        "proof/signature.py",
        "    if domain not in domains:\n",
        NEVER,
        SIGNATURE,
    ),
    _rule(
        5,
        "any algorithm",
        "proof/signature.py",
        '        (tags.get("a") in _KEY_TYPES, ',
        "        (True, ",
        SIGNATURE,
    ),
    _rule(
        5, "l=", "proof/signature.py", '        ("l" not in tags, ', "        (True, ", SIGNATURE
    ),
    _rule(
        5,
        "fields not covered",
        "proof/signature.py",
        "        (not missing, ",
        "        (True, ",
        SIGNATURE,
    ),
    _rule(
        5,
        "a key under test",
        "proof/signature.py",
        '        ("y" not in flags, ',
        "        (True, ",
        SIGNATURE,
    ),
    _rule(
        5,
        "a key for other hashes",
        "proof/signature.py",
        '        ("sha256" in hashes, ',
        "        (True, ",
        SIGNATURE,
    ),
    _rule(
        5,
        "a key for other services",
        "proof/signature.py",
        '        ("*" in services or ',
        "        (True or ",
        SIGNATURE,
    ),
    _rule(
        5,
        "a short key",
        "proof/signature.py",
        "MIN_RSA_BITS: Final = 1024\n",
        "MIN_RSA_BITS: Final = 512\n",
        SIGNATURE,
    ),
    _rule(
        6,
        "any number of signatures",
        "proof/signature.py",
        'all("DKIM-Signature")[:MAX_SIGNATURES]',
        'all("DKIM-Signature")',
        SIGNATURE,
    ),
    _rule(
        6, "only the first signature", "proof/signature.py", "[:MAX_SIGNATURES]", "[:1]", SIGNATURE
    ),
    _rule(
        6,
        "a signature of any size",
        "proof/signature.py",
        "    if len(value) > MAX_SIGNATURE_BYTES:\n",
        NEVER,
        SIGNATURE,
    ),
    _rule(
        7,
        "a silent DNS is a missing key",
        "keys.py",
        SILENT,
        "            return None, SHORTEST\n",
        KEYS,
    ),
    _rule(
        7,
        "a missing key is a trouble that passes",
        "keys.py",
        "    dns.resolver.NXDOMAIN,\n",
        "",
        KEYS,
    ),
    _rule(7, "any name", "keys.py", "        if not _NAME.fullmatch(name):\n", OFF, KEYS),
    _rule(7, "several records", "keys.py", "len(records) != 1", "not records", KEYS),
    _rule(
        8,
        "any server",
        "proof/authres.py",
        "    return server == known\n",
        "    return True\n",
        AUTHRES,
    ),
    _rule(
        8, "any place", "proof/authres.py", '    if zone == "unique":\n', "    if True:\n", AUTHRES
    ),
    _rule(
        8,
        "fields that disagree",
        "proof/authres.py",
        "    if not all(_agrees(",
        "    if not all([True] or _agrees(",
        AUTHRES,
    ),
    _rule(
        8,
        "DMARC said twice",
        "proof/authres.py",
        "    if len(dmarc) != 1:\n",
        "    if not dmarc:\n",
        AUTHRES,
    ),
    _rule(
        8, "DMARC for any domain", "proof/authres.py", " or aligned != sender_domain:", ":", AUTHRES
    ),
    _rule(8, "DMARC without DKIM", "proof/authres.py", "    if not passed:\n", NEVER, AUTHRES),
    _rule(
        8,
        "temperror is a no",
        "proof/authres.py",
        '        return Assessment("unsure", "temperror")\n',
        '        return Assessment("fail", "temperror")\n',
        AUTHRES,
    ),
    _rule(
        9,
        "fields of any size",
        "proof/authres.py",
        "    if len(value) > MAX_BYTES:\n",
        NEVER,
        AUTHRES,
    ),
    _rule(
        9,
        "comments of any depth",
        "proof/authres.py",
        "        if depth > MAX_DEPTH:\n",
        OFF,
        AUTHRES,
    ),
    _rule(
        9,
        "an unclosed comment",
        "proof/authres.py",
        '    raise Malformed("an unclosed comment")\n',
        "    return position\n",
        AUTHRES,
    ),
    _rule(
        9,
        "an unclosed quote",
        "proof/authres.py",
        '    raise Malformed("an unclosed quote")\n',
        '    return "".join(text), position\n',
        AUTHRES,
    ),
    _rule(
        10,
        "settled mail is judged again",
        "pipeline.py",
        "        if previous is None or ",
        "        if True or ",
        SETTLED,
    ),
    _rule(
        10,
        "keys are not remembered",
        "keys.py",
        "        if self._writing and ",
        "        if False and ",
        KEYS,
    ),
    _rule(
        11,
        "the inbox is believed",
        "proof/trust.py",
        PROVEN,
        _in_folder("finding.passed or case.candidate.mail.ref.folder == 'INBOX'"),
        TRUST,
    ),
    _rule(
        11,
        "the spam folder is not",
        "proof/trust.py",
        PROVEN,
        _in_folder("finding.passed and case.candidate.mail.ref.folder != 'Junk'"),
        TRUST,
    ),
    _look(12, "any recipient", "recipient"),
    _look(12, "any Date", "date"),
    _rule(
        12,
        "any time of signing",
        "proof/trust.py",
        "    passed = abs(signed - issued) <= SIGNED_WITHIN\n",
        "    passed = True\n",
        TRUST,
    ),
    _rule(
        13,
        "an older token",
        "vault/store.py",
        "        if capture.issued_at < issued_at:\n",
        OFF,
        STORE,
    ),
    _rule(
        13,
        "two tokens of one Date",
        "vault/store.py",
        "        if capture.issued_at == issued_at:\n",
        OFF,
        STORE,
    ),
    _rule(
        14,
        "the same token again",
        "vault/store.py",
        "        if token == capture.token:\n",
        OFF,
        STORE,
    ),
    _look(15, "any subject", "subject"),
    _rule(
        16,
        "several claims",
        "reading/claims.py",
        "    if len(pairs) > 1 or usernames > 1 or tokens > 1:\n",
        NEVER,
        CLAIMS,
    ),
    _rule(
        16,
        "texts that do not agree",
        "reading/claims.py",
        "    if any(claim != first for claim in claims):\n",
        NEVER,
        CLAIMS,
    ),
    _rule(
        17,
        "parts of any type",
        "reading/mime.py",
        "        elif kind in TEXT_TYPES:\n",
        "        elif True:\n",
        MIME,
    ),
    _rule(
        17, "any depth", "reading/mime.py", "        if depth > MAX_DEPTH or ", "        if ", MIME
    ),
    _rule(17, "any number of parts", "reading/mime.py", "self._parts > MAX_PARTS:", "False:", MIME),
    _rule(
        17,
        "attachments",
        "reading/mime.py",
        '"inline").lower() != "inline" or ',
        '"inline").lower() != "inline" and ',
        MIME,
    ),
    _rule(
        18,
        "any username",
        "proof/trust.py",
        "    fits = routing.is_username(claim.username)\n",
        "    fits = True\n",
        TRUST,
    ),
    _rule(
        18,
        "the form after the folding",
        "proof/trust.py",
        "routing.is_username(claim.username)\n",
        "routing.is_username(claim.username.lower())\n",
        TRUST,
    ),
    _rule(
        19,
        "a stranger goes to the first org",
        "proof/routing.py",
        "    if not named:\n",
        "    if not named:\n        return orgs[0]\n    if not named:\n",
        TRUST,
    ),
    _rule(
        19,
        "a pinned org without its id",
        "proof/routing.py",
        "and not revealed.one_org:",
        "and False:",
        ROUTING,
    ),
    _rule(
        19,
        "a pinned org with another id",
        "proof/routing.py",
        PINNED,
        "    return list(fitting)\n",
        ROUTING,
    ),
    _rule(
        19, "two orgs that fit", "proof/routing.py", "    if len(allowed) > 1:\n", NEVER, ROUTING
    ),
    _rule(
        20,
        "any path",
        "proof/trust.py",
        "    plain = routing.is_plain_path(path)\n",
        "    plain = True\n",
        TRUST,
    ),
    _rule(
        20,
        "any path, where it is written",
        "vault/kv.py",
        "        if not _PATH.fullmatch(path):\n",
        OFF,
        STORE,
    ),
    _rule(
        21,
        "the path is a format string",
        "proof/trust.py",
        PATH,
        ".format(org=case.org.name, username=case.username)",
        TRUST,
    ),
    _rule(
        22,
        "an exception leaves the trust module",
        "proof/trust.py",
        "        except Exception as error:  #",
        "        except ZeroDivisionError as error:  #",
        TRUST,
    ),
    _rule(
        22,
        "an exception leaves dkimpy",
        "proof/signature.py",
        "        except Exception as error:  #",
        "        except ZeroDivisionError as error:  #",
        SIGNATURE,
    ),
    _rule(
        22,
        "quadratic work",
        "proof/signature.py",
        're.sub(rb"[ \\t]+", b" ", self._body)',
        "self._body",
        SIGNATURE,
    ),
    _rule(23, "mail text as it stands", "proof/trust.py", PLAIN, "    return text\n", TRUST),
    _rule(
        23,
        "a token in the evidence",
        "proof/trust.py",
        PLAIN,
        "    return ascii(text)[1:-1][:200]\n",
        TRUST,
    ),
    _rule(
        23,
        "a flood of refusals",
        "pipeline.py",
        "        if count >= self.LIMIT:\n            return None\n",
        "",
        SETTLED,
    ),
    _rule(
        24,
        "a refused mail leaves no record",
        "pipeline.py",
        "        if isinstance(outcome, Ignored):\n",
        "        if isinstance(outcome, Ignored | Refused):\n",
        SETTLED,
    ),
    _rule(
        25,
        "a shorter name for the insecure policy",
        "proof/trust.py",
        INSECURE,
        INSECURE + '    "insecure": _by_nothing,\n',
        TRUST,
    ),
)


if __name__ == "__main__":
    alive = survivors(MUTANTS)
    hurt = {name[:2] for name in alive}
    for number in (f"{number:2}" for number in range(1, 26)):
        print(f"requirement {number}: {'SURVIVED' if number in hurt else 'killed'}")
    sys.exit(bool(alive))
