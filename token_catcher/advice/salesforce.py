"""How the proof by login ends: Salesforce's answers, and what came in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from token_catcher.advice.entry import Advice

SALESFORCE: Final[Mapping[str, Advice]] = {
    "login-refused": Advice(
        801,
        "Salesforce refused a login with the stored token and the password beside it. It does not"
        " say which of them is wrong, or whether the user is locked.",
        "look at the user's Login History in Salesforce before anything logs in again: `Invalid"
        " Password` is the password in Vault, or the token; `Password Lockout` has to be unlocked,"
        " or waited for. Then correct the password in the secret, or reset the token once more."
        " Each further login that is refused counts for the lock-out",
    ),
    "login-locked": Advice(
        802,
        "Salesforce says that the user is locked, after too many logins that were refused.",
        "stop what logs in with an old password or token, unlock the user in Salesforce, and see"
        " that each consumer has the secret of now (docs/consumers.md)",
    ),
    "login-password-expired": Advice(
        803,
        "Token and password are right, but the password has expired: nothing but a change of it"
        " works.",
        "change the user's password and put the new one into the secret; the change sends a new"
        " token. A user for integrations is best without an end of the password",
    ),
    "login-no-permission": Advice(
        804,
        "The user may not use SOAP login(): the permission Use Any API Auth is missing. Nothing is"
        " known of the token.",
        "assign the user permission Use Any API Auth (not Use Any API Client) by a permission set,"
        " or leave security tokens; every consumer that logs in by SOAP meets the same",
    ),
    "login-switched-off": Advice(
        805,
        "SOAP login() is switched off for the org or the client. Nothing is known of the token.",
        "set verify.login to false, and look whether any consumer can still log in with a token;"
        " what takes their place are external client apps",
    ),
    "login-api-version": Advice(
        806,
        "Salesforce has no SOAP login() any more in the version of the API that is used here."
        " Nothing is known of the token.",
        "update the program, or set verify.login to false: SOAP login() ends with Summer '27",
    ),
    "login-other-fault": Advice(
        807,
        "Salesforce answered with another fault, whose code is in the record. Nothing is known of"
        " the token.",
        "look the code up in Salesforce's list of SOAP exception codes, and at the user's Login"
        " History",
    ),
    "login-foreign": Advice(
        808,
        "The answer is not one of Salesforce's to a login: a proxy's page, a redirect, another"
        " program. Nothing is known of the token.",
        "ask the host of verify.host, or the org's login_host, from this machine with curl: it has"
        " to be Salesforce that answers, without a redirect",
    ),
    "login-no-answer": Advice(
        809,
        "The login may have arrived, and its answer did not. It is not tried again; nothing is"
        " known of the token.",
        "look at the user's Login History in Salesforce, and at the network on the way there",
    ),
    "login-unreachable": Advice(
        810,
        "No login could be sent for a day. Nothing is known of the token.",
        "let this machine reach the host of verify.host, or the org's login_host, on port 443, or"
        " name the proxy in HTTPS_PROXY",
    ),
    "login-no-password": Advice(
        811,
        "The secret has no password that could be sent with the token. Nothing is known of the"
        " token.",
        "put the user's password into the same secret, as text in the field that"
        " verify.password_field names, or set verify.login to false",
    ),
    "login-interrupted": Advice(
        812,
        "The program ended while a login was on its way. It is not tried again; nothing is known of"
        " the token.",
        "look at the user's Login History in Salesforce, if you want to know how it ended",
    ),
    "login-tries": Advice(
        813,
        "The file that counts the logins of each token cannot be believed, so that none is tried.",
        "see who wrote login-tries.json in state_dir. Moved away, it is made anew: tokens that are"
        " stored from then on are tried",
    ),
}
