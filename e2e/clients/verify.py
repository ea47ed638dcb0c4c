"""Verifies tokens with PyJWT as an application does: from the metadata document, or with a shared secret.

Standard input: {issuer, algorithm, secret?, tokens: [{token, audience}]}. Prints one line for each
token: "accepted", or "refused" and the name of the library's exception.
"""

import base64
import json
import sys
import urllib.request

import jwt
from jwt.algorithms import OKPAlgorithm

asked = json.load(sys.stdin)
issuer, algorithm = asked["issuer"], asked["algorithm"]
# The library knows Ed25519 by its older name alone: this teaches it the name of RFC 9864.
newer = algorithm == "Ed25519"
if newer:
    jwt.register_algorithm("Ed25519", OKPAlgorithm())


def fetched(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def published():
    """What gives the key of a token."""
    metadata = fetched(issuer + "/.well-known/oauth-authorization-server")
    assert metadata["issuer"] == issuer
    if not newer:
        client = jwt.PyJWKClient(metadata["jwks_uri"])
        return client.get_signing_key_from_jwt
    keys = {key["kid"]: key for key in fetched(metadata["jwks_uri"])["keys"]}
    named = lambda token: keys[jwt.get_unverified_header(token)["kid"]]
    return lambda token: jwt.PyJWK(named(token), algorithm="EdDSA").key


def shared():
    secret = asked["secret"]
    key = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    return lambda token: key


key_of = shared() if "secret" in asked else published()
for each in asked["tokens"]:
    token, audience = each["token"], each["audience"]
    try:
        verified = jwt.decode_complete(
            token,
            key_of(token),
            algorithms=[algorithm],
            issuer=issuer,
            audience=audience,
            options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
        )
    except jwt.PyJWTError as error:
        print("refused", type(error).__name__)
    else:
        print("accepted" if verified["header"]["typ"] == "at+jwt" else "refused typ")
