"""Vault, and what stands before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from token_catcher.advice.entry import Advice

VAULT: Final[Mapping[str, Advice]] = {
    "vault-login": Advice(
        401,
        "Vault refuses the login.",
        "check vault.auth; a used-up or expired secret_id needs a new one"
        " (remove the file, then setup-approle.sh FILE, which `token-catcher init --vault-setup"
        " kv2` prints)",
    ),
    "vault-login-audience": Advice(
        402,
        "The JWT is for another audience than the role asks for.",
        "give the JWT the audience that the role asks for: `audience` of the projected volume,"
        " or of the request to whoever issues it (docs/vault-logins.md)",
    ),
    "vault-login-certificate": Advice(
        403,
        "Vault knows no certificate role that ours fits.",
        "compare vault.client_certificate with `bao read auth/cert/certs/NAME`: its issuer, its"
        " names, its end; vault.auth.name is that NAME",
    ),
    "vault-login-cidr": Advice(
        404,
        "The login is not allowed from this address.",
        "add this machine's address, as Vault sees it, to secret_id_bound_cidrs of the role, or"
        " make the secret_id without cidr_list",
    ),
    "vault-login-claims": Advice(
        405,
        "The JWT does not say what the role asks for.",
        "compare what the JWT says with bound_subject and bound_claims of the role"
        " (docs/vault-logins.md shows how to read both)",
    ),
    "vault-login-denied": Advice(
        406,
        "Vault denies the login without a reason: another mount or namespace, or a lock-out.",
        "check vault.auth.mount and vault.namespace, or vault.auth.namespace (HCP: admin); a"
        " lock-out ends by itself, or by `bao write -f sys/locked-users/ACCESSOR/unlock/ROLE_ID`",
    ),
    "vault-login-denied-mount": Advice(
        476,
        "Vault denies the login without a reason: another mount, namespace or address.",
        "check vault.auth.mount and vault.namespace, or vault.auth.namespace (HCP: admin);"
        " compare token_bound_cidrs of the role with this machine's address, as Vault sees it",
    ),
    "vault-login-early": Advice(
        407,
        "The JWT is not valid yet.",
        "set the clocks of Vault's machine and of whoever issues the JWT",
    ),
    "vault-login-expired": Advice(
        408,
        "The JWT has expired.",
        "see to whoever writes the file of vault.auth.jwt, and to the clock of Vault's machine;"
        " the file is read anew at each login",
    ),
    "vault-login-issuer": Advice(
        409,
        "The JWT is from another issuer.",
        "compare `iss` of the JWT with bound_issuer of `bao read auth/jwt/config`"
        " (docs/vault-logins.md)",
    ),
    "vault-login-jwt": Advice(
        410,
        "What is in the file is no JWT.",
        "put the JWT alone where vault.auth.jwt says; Vault's own log has the cause at level debug",
    ),
    "vault-login-mount": Advice(
        411,
        "There is no such way to log in at this mount.",
        "correct vault.auth.mount, vault.auth.method or vault.namespace: that login is not there",
    ),
    "vault-login-mount-config": Advice(
        477,
        "The mount of the login is there, and was never configured.",
        "configure it: `bao write auth/kubernetes/config kubernetes_host=https://…`, or `bao write"
        " auth/jwt/config` with the issuer or its keys (docs/vault-logins.md), with your mount in"
        " place of its name",
    ),
    "vault-login-none": Advice(
        412,
        "The Agent or Proxy in front of Vault added no token of its own.",
        "have the Agent or Proxy add its token (auto_auth, api_proxy with use_auto_auth_token)"
        " and look into its log; its role needs the policy in what"
        " `token-catcher init --vault-setup kv2` prints (kv1 where vault.kv_version is 1)",
    ),
    "vault-login-password": Advice(
        413,
        "Vault refuses username and password.",
        "correct vault.auth.username, or put the password where it says",
    ),
    "vault-login-review": Advice(
        414,
        "The cluster would not tell Vault whose service account the JWT is.",
        "look into Vault's log for the TokenReview; Vault's account in the cluster needs the"
        " role system:auth-delegator (docs/vault-logins.md); check vault.auth.mount and"
        " vault.namespace",
    ),
    "vault-login-rights": Advice(
        415,
        "The token that the login gives may not be used.",
        "give the role token_policies with the policy in what `token-catcher init --vault-setup"
        " kv2` prints (kv1 where vault.kv_version is 1), and leave it the policy `default`; compare"
        " token_bound_cidrs with this machine's address, as Vault sees it",
    ),
    "vault-login-role": Advice(
        416,
        "Vault knows no such role.",
        "correct vault.auth.role (`bao list auth/MOUNT/role`); for AppRole vault.auth.role_id"
        " (`bao read auth/approle/role/NAME/role-id`)",
    ),
    "vault-login-service-account": Advice(
        417,
        "The role is for other service accounts.",
        "give the pod the service account that the role is bound to, or name this one in the"
        " role: bound_service_account_names and bound_service_account_namespaces",
    ),
    "vault-login-signature": Advice(
        418,
        "The JWT's signature is not of the issuer's keys.",
        "compare the issuer's keys with `bao read auth/jwt/config`: jwt_validation_pubkeys, or"
        " whether Vault reaches oidc_discovery_url or jwks_url",
    ),
    "vault-login-token": Advice(
        419,
        "Vault refuses the token that was given.",
        "put a token that is valid, alone on one line, where vault.auth.token says; a sink of"
        " Vault Agent without wrap_ttl does so",
    ),
    "vault-login-wrapping": Advice(
        420,
        "What is in the file is no wrapping token.",
        "put the wrapping token alone where vault.auth.wrapped_secret_id says: WRAP_TTL=15m"
        " setup-approle.sh FILE (`token-catcher init --vault-setup kv2` prints it)",
    ),
    "vault-login-wrapping-path": Advice(
        421,
        "The wrapping token was not made for this role's secret_id.",
        "ask who put this token there: it may be an attempt to have us use somebody else's"
        " secret; remove the file, which is kept otherwise, and make a new one: WRAP_TTL=15m"
        " setup-approle.sh FILE (`token-catcher init --vault-setup kv2` prints it)",
    ),
    "vault-login-wrapping-used": Advice(
        422,
        "Somebody has unwrapped the secret_id before us.",
        "treat the secret_id as stolen: look for sys/wrapping/unwrap in Vault's audit log,"
        " destroy it (docs/vault-logins.md), then remove the file, which is kept otherwise, and"
        " make a new one: WRAP_TTL=15m setup-approle.sh FILE (`token-catcher init --vault-setup"
        " kv2` prints it)",
    ),
    "vault-secret-id": Advice(
        423,
        "The secret_id that came wrapped could not be kept.",
        "make state_dir ours and writable; a file that others may have read is to be removed,"
        " and its secret_id destroyed (docs/vault-logins.md)",
    ),
    "vault-namespace": Advice(
        424,
        "Vault knows no such namespace.",
        "correct vault.namespace, or vault.auth.namespace; it is case-sensitive, HCP's is admin",
    ),
    "vault-token": Advice(
        425,
        "The token that was given ends, and cannot be renewed.",
        "put another token where vault.auth.token says, before this one ends; Vault Agent does"
        " that by itself while it runs",
    ),
    "vault-policy": Advice(
        426,
        "Our policy does not allow what is needed on this path.",
        "grant the capabilities of the policy in what `token-catcher init --vault-setup kv2`"
        " prints (kv1 where vault.kv_version is 1) on that path; the mail stays pending",
    ),
    "vault-kv1": Advice(
        427,
        "The mount is a KV engine of version 1.",
        "upgrade the mount: `bao kv enable-versioning MOUNT`; check-and-set needs version 2."
        " Where that cannot be, set vault.kv_version to 1",
    ),
    "vault-kv2": Advice(
        428,
        "The mount is a KV engine of version 2, and `kv_version` says 1.",
        "leave vault.kv_version out where the mount has version 2, or name another vault.mount",
    ),
    "vault-mount": Advice(
        429,
        "Vault has no such mount, or does not show it to us.",
        "compare vault.mount with `bao secrets list`; where it stands there, our token lacks"
        " the policy that `token-catcher init --vault-setup kv2` prints (kv1 where"
        " vault.kv_version is 1), with your mount and path in it; where none does, enable a KV"
        " engine",
    ),
    "vault-mount-engine": Advice(
        430,
        "The mount is of another engine than KV.",
        "name a mount of type kv in vault.mount: `bao secrets list` shows the type of each",
    ),
    "vault-mount-path": Advice(
        431,
        "`vault.mount` is not the name of a mount, but a path in one.",
        "write vault.mount as `bao secrets list` shows it, without `data` or `metadata`; what"
        " follows it belongs into vault.path",
    ),
    "vault-secret": Advice(
        432,
        "Requests about this one secret fail, while others work.",
        "look for that path in the log of Vault, and of a proxy before it; other secrets are"
        " written meanwhile, and this mail is tried again by itself",
    ),
    "vault-certificate": Advice(
        433,
        "Vault's certificate is not of an authority that we trust.",
        "give the authority that issued it under vault.ca_file",
    ),
    "vault-certificate-expired": Advice(
        434,
        "Vault's certificate has expired.",
        "have Vault's certificate renewed; check this machine's clock",
    ),
    "vault-certificate-host": Advice(
        435,
        "Vault's certificate is for other host names.",
        "set vault.address to a host name that the certificate holds",
    ),
    "vault-certificate-not-yet-valid": Advice(
        436,
        "Vault's certificate is not valid yet.",
        "check this machine's clock, then Vault's certificate",
    ),
    "vault-client-certificate": Advice(
        437,
        "Vault's listener asks for a client certificate, or refuses ours.",
        "give certificate and key under vault.client_certificate, issued by an authority that"
        " Vault's listener knows",
    ),
    "vault-address": Advice(
        438,
        "`vault.address` is none that can be asked.",
        "correct vault.address: https://HOST:PORT, or unix:///PATH of an Agent",
    ),
    "vault-redirect": Advice(
        439,
        "Vault sends us to an address that is not configured.",
        "add that host to vault.address, a list then, if it is a node of the same cluster; it"
        " is no trouble while a leader is elected",
    ),
    "vault-path": Advice(
        440,
        "The path of a secret is none that can be written.",
        "correct vault.path: plain segments, {org} and {username}",
    ),
    "vault-refused": Advice(
        441,
        "Vault refuses a request, in words that are not known to us.",
        "look into Vault's own log for the request; the mail stays pending",
    ),
    "vault-away": Advice(
        442,
        "Vault, or what stands before it, answers that it cannot work now.",
        "look at Vault, and at what stands before it: the message has what was answered;"
        " pending mail is stored by itself after that",
    ),
    "vault-quota": Advice(
        443,
        "Vault asks for a pause.",
        "nothing, if it passes: Vault, or a proxy before it, takes no more for now",
    ),
    "vault-race": Advice(
        444,
        "Others wrote the same secret at the same time, again and again.",
        "nothing, if it passes: somebody else writes this secret again and again; Vault's audit"
        " log says who",
    ),
    "vault-newer-waits": Advice(
        478,
        "A newer token of the same user could not be stored yet, for a reason of its own.",
        "see what is told of the newer one; this one is dead, and is tried after it",
    ),
    "vault-tls": Advice(
        445,
        "What listens at `vault.address` does not speak TLS as it should.",
        "see what listens at vault.address: TLS for https://, a port of HTTP wants http://;"
        " where Vault asks for a client certificate, give one under vault.client_certificate that"
        " it takes, and that has not ended",
    ),
    "vault-foreign": Advice(
        446,
        "Something answered in Vault's place.",
        "check that vault.address is Vault's, with the path that a reverse proxy wants; a"
        " proxy's maintenance passes by itself",
    ),
    "vault-protocol": Advice(
        447,
        "Vault gave an answer of no known form.",
        "check that vault.address is Vault itself, and no proxy answers in its place",
    ),
    "vault-sealed": Advice(
        448,
        "Vault is sealed, or not initialised.",
        "unseal Vault; pending mail is stored by itself after that",
    ),
    "vault-unreachable": Advice(
        449,
        "Vault was not reached.",
        "check vault.address and the network; pending mail is stored by itself after that",
    ),
    "vault-policy-patch": Advice(
        450,
        "The policy grants no PATCH: secrets are read, merged and written as a whole.",
        "add `patch` on that path, as in what `token-catcher init --vault-setup kv2` prints;"
        " tokens are stored meanwhile",
    ),
    "vault-policy-metadata": Advice(
        451,
        "The policy does not let us read the metadata of a secret.",
        "add `read` on that path, as in what `token-catcher init --vault-setup kv2` prints;"
        " tokens are stored meanwhile, but a version that expired may be held as a deleted one",
    ),
    "vault-root": Advice(
        452,
        "Our token may do everything in Vault.",
        "give us a role of our own, which the script makes that `token-catcher init"
        " --vault-setup kv2` prints (kv1 where vault.kv_version is 1), and revoke this token",
    ),
    "vault-rights-wide": Advice(
        453,
        "The policy grants more than is ever used.",
        "take these capabilities out of the policy: the one in what `token-catcher init"
        " --vault-setup kv2` prints (kv1 where vault.kv_version is 1) has all that is used",
    ),
    "vault-capabilities": Advice(
        454,
        "Our token may not ask what it may do.",
        "leave the policy `default`, which grants sys/capabilities-self, to the role (the Agent's,"
        " where one adds the token); until then rights are tried (TC470), and none that are too"
        " wide are found",
    ),
    "vault-token-unknown": Advice(
        455,
        "Our token may not look itself up.",
        "leave the policy `default`, which grants auth/token/lookup-self, to the role (the"
        " Agent's, where one adds the token); without it nobody is told before the token ends",
    ),
    "vault-token-uses": Advice(
        456,
        "Our token is good for a few requests only.",
        "set token_num_uses of the role to 0: one mail takes several requests",
    ),
    "vault-login-wrapped": Advice(
        457,
        "The secret_id is still wrapped, and was left so.",
        "nothing: `token-catcher scan`, or the daemon, unwraps it at its first login and keeps"
        " it; check again after that",
    ),
    "vault-uninitialised": Advice(
        458,
        "Vault was never initialised.",
        "initialise it (`bao operator init`), or correct vault.address: this may be another"
        " server than the one you mean",
    ),
    "vault-certificate-ends": Advice(
        459,
        "The certificate of Vault's server ends within 30 days.",
        "have it renewed before that: no token is stored after it",
    ),
    "vault-unversioned": Advice(
        460,
        "The mount is KV version 1, as configured: no check-and-set, no versions.",
        "upgrade the mount where you can (`bao kv enable-versioning MOUNT`), and leave"
        " vault.kv_version out then",
    ),
    "vault-max-versions": Advice(
        461,
        "Vault keeps a single version.",
        "raise max_versions (`bao kv metadata put -max-versions=10 PATH`, or on the mount"
        " `bao write MOUNT/config max_versions=10`)",
    ),
    "vault-delete-version-after": Advice(
        462,
        "Vault deletes tokens by itself, a while after they were stored.",
        "set delete_version_after to 0s there, unless every user's token is reset more often;"
        " what expired is stored again only while its mail is there",
    ),
    "vault-settings-denied": Advice(
        463,
        "Our policy does not show how the mount keeps versions.",
        "nothing, if you know them (`bao read MOUNT/config`); or add the line to the policy",
    ),
    "vault-slow": Advice(
        464,
        "Vault answers so slowly that not all secrets were looked at.",
        "look at Vault and the network to it; the others are looked at next time as far as the"
        " time goes",
    ),
    "vault-canary": Advice(
        465,
        "No test was written, since it could not be removed again.",
        "nothing: the rights on each path are shown above; or add the line to the policy for"
        " the time of the test",
    ),
    "vault-canary-write": Advice(
        466,
        "A test secret could not be written, or was not read as it was written.",
        "look into Vault's own log, and that of a proxy before it, for the path",
    ),
    "vault-canary-stays": Advice(
        467,
        "A test secret could not be removed again.",
        "remove it: `bao kv metadata delete -mount=MOUNT PATH`; it holds nothing secret",
    ),
    "vault-ending": Advice(
        468,
        "The program ends, and unwraps no secret_id any more.",
        "nothing: the wrapping token is as good as before, and is unwrapped at the next start",
    ),
    "vault-policy-constraint": Advice(
        470,
        "A policy grants the capabilities on this path, and refuses what a store sends.",
        "look in the policies of our token (`bao policy read NAME`) for required_parameters,"
        " denied_parameters, allowed_parameters, min_wrapping_ttl and max_wrapping_ttl on that"
        " path, and in Vault Enterprise for Sentinel policies and control groups. A store sends"
        " the parameters `data` and `options` (on KV version 1 its fields), a read none, and no"
        " answer is wrapped",
    ),
    "vault-trial-unversioned": Advice(
        471,
        "On KV version 1 no write can be tried without changing something.",
        "nothing; or `token-catcher check --write-test`, which writes a secret of its own",
    ),
    "vault-token-older": Advice(
        472,
        "Vault has an older token than the one that was stored: it was restored from an older"
        " state, or somebody put an earlier token back.",
        "`token-catcher scan --again` stores the newer one again if its mail is still there (the"
        " daemon does so within a day); otherwise reset the user's security token, or restore"
        " Vault from a later state",
    ),
    "vault-token-gone": Advice(
        473,
        "The secret has lost its token: somebody wrote it anew without the token, or the version"
        " has expired.",
        "`token-catcher scan --again` stores it again if its mail is still there (the daemon does"
        " so within a day); otherwise reset the user's security token",
    ),
    "vault-secret-gone": Advice(
        474,
        "The secret is gone: its metadata were deleted, or Vault was restored from a state before"
        " it.",
        "`token-catcher scan --again` stores the token again if its mail is still there (the"
        " daemon does so within a day); otherwise reset the user's security token, or restore"
        " Vault from a later state. Of a user that is retired, take the name out of `orgs`",
    ),
    "vault-secret-deleted": Advice(
        475,
        "Somebody deleted or destroyed the latest version of the secret.",
        "nothing, if that was meant; a deleted version comes back by `bao kv undelete`, and after"
        " one that was destroyed the user's security token has to be reset",
    ),
}
