"""SOAP `login()` of the partner API: what is asked, and what an answer means; pure.

Of an answer its fault code goes further, or that there was a session and whether the password is
over. Its texts do not, since they may quote what was sent; nor does the session itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from token_catcher.model import Secret, Token
from token_catcher.salesforce.answer import LoginAnswer, LoginResult

VERSION: Final = "64.0"
"""Of the API: the last with `login()`, which began with 31.0 for all that is used here."""
PATH: Final = f"/services/Soap/u/{VERSION}"
HEADERS: Final = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '"login"'}

MAX_DEPTH: Final = 16
"""Elements within elements; a genuine answer has seven."""
MAX_TEXT: Final = 100
"""Characters that are kept of one element."""

_ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_PARTNER: Final = "urn:partner.soap.sforce.com"
_FAULTS: Final = "urn:fault.partner.soap.sforce.com"

_REQUEST: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    f'<e:Envelope xmlns:e="{_ENVELOPE}" xmlns:p="{_PARTNER}"><e:Body><p:login>'
    "<p:username>{username}</p:username><p:password>{password}</p:password>"
    "</p:login></e:Body></e:Envelope>"
)
# XML 1.0, section 2.2: no other character can stand in a document, not even escaped.
_XML: Final = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
_WHITE_SPACE: Final = {"\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
"""What a reader of XML may turn into something else."""

# As expat names them: namespace, space, name. The parts of a fault of SOAP 1.1 have no namespace.
_BODY: Final = (f"{_ENVELOPE} Envelope", f"{_ENVELOPE} Body")
_FAULT: Final = (*_BODY, f"{_ENVELOPE} Fault")
_FAULT_CODE: Final = (*_FAULT, "faultcode")
_DETAIL: Final = (*_FAULT, "detail")
_EXCEPTION_CODE: Final = f"{_FAULTS} exceptionCode"
_RESULT: Final = (*_BODY, f"{_PARTNER} loginResponse", f"{_PARTNER} result")
_SESSION: Final = (*_RESULT, f"{_PARTNER} sessionId")
_EXPIRED: Final = (*_RESULT, f"{_PARTNER} passwordExpired")
_CODE: Final = re.compile("[A-Z][A-Z_]{1,59}", re.ASCII)


BY_FAULT: Final[Mapping[str, LoginResult]] = {
    "INVALID_LOGIN": LoginResult.REFUSED,
    "LOGIN_MUST_USE_SECURITY_TOKEN": LoginResult.REFUSED,
    "PASSWORD_LOCKOUT": LoginResult.LOCKED,
    "INVALID_OPERATION_WITH_EXPIRED_PASSWORD": LoginResult.PASSWORD_EXPIRED,
    "INSUFFICIENT_ACCESS": LoginResult.NO_PERMISSION,
    "INVALID_OPERATION": LoginResult.SWITCHED_OFF,
    "UNSUPPORTED_CLIENT": LoginResult.SWITCHED_OFF,
    "UNSUPPORTED_API_VERSION": LoginResult.API_VERSION,
}
"""By Salesforce's code of a fault; any other says nothing of the token."""


class _Unfit(Exception):
    """An XML document that is no answer of SOAP."""


def login_request(username: str, password: Secret, token: Token) -> bytes:
    """The body of the request, in ASCII.

    ValueError: the password has a character that XML cannot carry."""
    proof = password.reveal() + token.reveal()
    if _XML.fullmatch(proof) is None:
        raise ValueError("a character that XML cannot carry")
    text = _REQUEST.format(username=_escaped(username), password=_escaped(proof))
    return text.encode("ascii", "xmlcharrefreplace")


def _escaped(text: str) -> str:
    return escape(text, _WHITE_SPACE)


def answer_in(status: int, content: bytes) -> LoginAnswer:
    """What an answer of HTTP says, which came whole."""
    document = _Document()
    if 300 <= status < 400 or not document.read(content):
        return _foreign(status)
    if document.fault:
        code = document.exception_code or document.fault_code.rpartition(":")[2]
        if _CODE.fullmatch(code) is None:
            return LoginAnswer(LoginResult.OTHER_FAULT, f"status {status}, a fault without a code")
        return LoginAnswer(BY_FAULT.get(code, LoginResult.OTHER_FAULT), code)
    if status != 200 or not document.has_session:
        return _foreign(status)
    if document.password_expired == "true":  # noqa: S105 - a word of XML
        return LoginAnswer(LoginResult.PASSWORD_EXPIRED, "a session, and passwordExpired")
    return LoginAnswer(LoginResult.ACCEPTED)


def _foreign(status: int) -> LoginAnswer:
    return LoginAnswer(LoginResult.FOREIGN, f"status {status}, and no answer to a login")


class _Document:
    """What is looked for in one document, and nothing else of it."""

    def __init__(self) -> None:
        self.fault = False
        self.fault_code = ""
        self.exception_code = ""
        self.has_session = False
        self.password_expired = ""
        self._path: tuple[str, ...] = ()
        """Of the element in hand."""

    def read(self, content: bytes) -> bool:
        """Whether it is an XML document without a type of its own, and not too deep."""
        parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._take_text
        try:
            parser.Parse(content, True)
        except (expat.ExpatError, _Unfit):
            return False
        return True

    def _begin(self, name: str, _attributes: Mapping[str, str]) -> None:
        if len(self._path) == MAX_DEPTH:
            raise _Unfit
        self._path = (*self._path, name)
        if self._path == _FAULT:
            self.fault = True

    def _end(self, _name: str) -> None:
        self._path = self._path[:-1]

    def _take_text(self, text: str) -> None:
        """Of the session it is noted that there is one, and no more."""
        path = self._path
        if path == _SESSION:
            self.has_session = True
        elif path == _EXPIRED:
            self.password_expired = _joined(self.password_expired, text)
        elif path == _FAULT_CODE:
            self.fault_code = _joined(self.fault_code, text)
        elif path[: len(_DETAIL)] == _DETAIL and path[-1] == _EXCEPTION_CODE:
            self.exception_code = _joined(self.exception_code, text)


def _joined(before: str, text: str) -> str:
    return (before + text.strip())[:MAX_TEXT]


def _refuse_doctype(*_declaration: object) -> None:
    """It could declare entities, which grow without bounds or read files."""
    raise _Unfit
