"""Salesforce's SOAP `login()`, as its documentation has it, with users of a test's own.

Answers have the form that the partner API sends: a result with a session, or a fault whose code
stands in `faultcode` and once more in its detail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tests.kit.scripted import HttpReply, HttpRequest, HttpScript

ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
PARTNER: Final = "urn:partner.soap.sforce.com"
SESSION: Final = "00D000000000001!AQcAQFakeSESSIONnotREALx7x7x7"
XML: Final = {"Content-Type": "text/xml;charset=UTF-8"}

TEXTS: Final = {
    "INVALID_LOGIN": "Invalid username, password, security token; or user locked out.",
    "LOGIN_MUST_USE_SECURITY_TOKEN": (
        "Invalid username, password, security token; or user locked out. Are you at a new"
        " location? When accessing Salesforce--either via a desktop client or the API--from outside"
        " of your company's trusted networks, you must add a security token to your password"
    ),
    "PASSWORD_LOCKOUT": "The user has exceeded the allowed number of login attempts.",
    "INVALID_OPERATION_WITH_EXPIRED_PASSWORD": "The user's password has expired.",
    "INSUFFICIENT_ACCESS": "SOAP API login() requires the Use Any API Auth user permission.",
    "INVALID_OPERATION": "SOAP API login() is disabled by default in this org.",
    "UNSUPPORTED_CLIENT": "TLS 1.0 has been disabled in this organization.",
    "UNSUPPORTED_API_VERSION": "Invalid Api version specified on URL",
    "LOGIN_DURING_RESTRICTED_TIME": "User cannot log in at this time of the day.",
    "SERVER_UNAVAILABLE": "Service unavailable.",
}
"""By the code of a fault."""


@dataclass(frozen=True)
class LoginRequest:
    """What somebody tried."""

    path: str
    username: str
    proof: str
    """Password and token, joined."""


def result(*, expired: bool = False, session: str = SESSION) -> HttpReply:
    """The login was accepted. `expired`: and the password is over."""
    word = "true" if expired else "false"
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<soapenv:Envelope xmlns:soapenv="{ENVELOPE}" xmlns="{PARTNER}"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><loginResponse>'
        "<result><metadataServerUrl>https://acme.my.salesforce.com/services/Soap/m/64.0/00D"
        f"</metadataServerUrl><passwordExpired>{word}</passwordExpired><sandbox>false</sandbox>"
        "<serverUrl>https://acme.my.salesforce.com/services/Soap/u/64.0/00D</serverUrl>"
        f"<sessionId>{session}</sessionId><userId>005000000000001AAA</userId>"
        "<userInfo><currencySymbol>€</currencySymbol></userInfo>"
        "</result></loginResponse></soapenv:Body></soapenv:Envelope>"
    )
    return HttpReply(200, body.encode(), XML)


def fault(code: str, *, detail: bool = True, prefix: str = "sf:") -> HttpReply:
    """A fault. `detail`: it says its code once more."""
    text = escape(TEXTS.get(code, ""))
    told = ""
    if detail:
        told = (
            '<detail><sf:LoginFault xsi:type="sf:LoginFault">'
            f"<sf:exceptionCode>{code}</sf:exceptionCode>"
            f"<sf:exceptionMessage>{text}</sf:exceptionMessage></sf:LoginFault></detail>"
        )
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="{ENVELOPE}"'
        ' xmlns:sf="urn:fault.partner.soap.sforce.com"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault>'
        f"<faultcode>{prefix}{code}</faultcode><faultstring>{code}: {text}</faultstring>{told}"
        "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
    )
    return HttpReply(500, body.encode(), XML)


def accept(_request: LoginRequest) -> HttpReply:
    """Whoever comes."""
    return result()


def refuse(_request: LoginRequest) -> HttpReply:
    """Whoever comes."""
    return fault("INVALID_LOGIN")


class Salesforce(HttpScript):
    """At `url`; it keeps what was tried, and answers as `answer` says."""

    def __init__(self, answer: Callable[[LoginRequest], HttpReply] = accept) -> None:
        super().__init__({})
        self.answer = answer
        self.logins: list[LoginRequest] = []
        """All of them, whatever was answered."""

    def reply(self, request: HttpRequest) -> HttpReply:
        login = _login_in(request)
        self.logins.append(login)
        return self.answer(login)

    @property
    def tries(self) -> Counter[str]:
        """How often each password with its token was tried."""
        return Counter(login.proof for login in self.logins)


def _login_in(request: HttpRequest) -> LoginRequest:
    """As any reader of XML takes it."""
    assert request.method == "POST"
    assert request.headers["content-type"] == "text/xml; charset=UTF-8"
    assert "soapaction" in request.headers
    login = ElementTree.fromstring(request.body).find(f"{{{ENVELOPE}}}Body/{{{PARTNER}}}login")
    assert login is not None
    texts = {field.tag.rpartition("}")[2]: field.text or "" for field in login}
    return LoginRequest(request.path, texts["username"], texts["password"])
