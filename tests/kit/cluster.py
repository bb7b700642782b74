"""The one part of a Kubernetes cluster that Vault asks: TokenReview, with the API's own answers."""

from __future__ import annotations

import json
from typing import Any

from tests.kit.issuer import Issuer
from tests.kit.scripted import HttpReply, HttpRequest, HttpScript

REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
KUBERNETES_NAMESPACE = "crm"
SERVICE_ACCOUNT = "token-catcher"


class Cluster(HttpScript):
    """Vouches for the JWTs that it has issued itself, until they are revoked."""

    def __init__(self) -> None:
        super().__init__({})
        self._issuer = Issuer()
        self._valid: dict[str, dict[str, Any]] = {}
        """The user of each JWT."""
        self.trouble: HttpReply | None = None
        """Answered in place of a review."""

    def token(
        self,
        *,
        audience: str = "vault",
        name: str = SERVICE_ACCOUNT,
        namespace: str = KUBERNETES_NAMESPACE,
    ) -> str:
        """A new JWT of a service account, as the kubelet puts it into a pod."""
        username = f"system:serviceaccount:{namespace}:{name}"
        account = {"name": name, "uid": f"uid-of-{name}"}
        token = self._issuer.jwt(
            iss="https://kubernetes.default.svc",
            sub=username,
            aud=[audience],
            jti=str(len(self._valid)),
            **{"kubernetes.io": {"namespace": namespace, "serviceaccount": account}},
        )
        self._valid[token] = {"username": username, "uid": account["uid"]}
        return token

    def revoke(self) -> None:
        """As if all pods were deleted."""
        self._valid.clear()

    def reply(self, request: HttpRequest) -> HttpReply:
        """The review of the token in the request."""
        assert (request.method, request.path) == ("POST", REVIEWS)
        if self.trouble is not None:
            return self.trouble
        spec = json.loads(request.body)["spec"]
        user = self._valid.get(spec["token"])
        if user is None:
            return _review({"authenticated": False, "error": "invalid bearer token"})
        audiences = spec.get("audiences", [])
        return _review({"authenticated": True, "user": user, "audiences": audiences})


def refusing(status: int, reason: str) -> HttpReply:
    """How the API refuses whoever asks for a review."""
    about = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason}
    return HttpReply(status, {**about, "code": status})


def _review(status: dict[str, Any]) -> HttpReply:
    about = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    return HttpReply(201, {**about, "status": status})
