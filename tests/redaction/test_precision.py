"""How many ordinary documents lose something: those of the packages and the system that are installed here."""

import os
import random
import sys
import sysconfig
from pathlib import Path

import pytest

from infinium_integrations.redaction.redactor import Redactor

FOLDERS = (sysconfig.get_path("purelib"), "/usr/share/doc", "/usr/share", "/usr/lib/python3", "/usr/lib/node_modules")
ENDINGS = ("md", "rst", "txt", "py", "json", "html", "toml", "yaml", "yml", "js", "sh", "log")
LARGEST = 200_000
EACH, MANY = 600, 2_000


def documents(each):
    """Give the same documents each time: of each ending as many, or what there is."""
    found = {ending: set() for ending in ENDINGS}
    for folder in FOLDERS:
        for at, _, names in os.walk(folder):
            for name in names:
                ending = name.rpartition(".")[2]
                path = os.path.join(at, name)  # noqa: PTH118  (there are very many)
                if ending in found and "infinium" not in path and not os.path.islink(path):  # noqa: PTH114
                    found[ending].add(path)
    for paths in found.values():
        chosen = sorted(paths)
        random.Random(13).shuffle(chosen)
        for path in chosen[:each]:
            if 50 < Path(path).stat().st_size < LARGEST:
                yield path


def altered(each):
    redactor, seen, changed = Redactor(), set(), []
    for path in documents(each):
        text = Path(path).read_text(errors="replace")
        if hash(text) in seen:
            continue
        seen.add(hash(text))
        if parts := redactor.findings(text):
            changed.append(f"{path}: {parts[0][2]}: {text[parts[0][0] - 40 : parts[0][1]][-120:]!r}")
    print(f"{len(changed)} of {len(seen)} documents altered", *changed, sep="\n", file=sys.stderr)  # noqa: T201
    return len(changed), len(seen)


@pytest.mark.timeout(600)
def test_less_than_3_in_1000_ordinary_documents_are_altered():
    changed, seen = altered(EACH)
    assert seen >= 100
    assert changed <= max(2, seen * (0.003 if seen >= MANY else 0.01))  # few documents say little


@pytest.mark.parametrize(
    "text",
    [
        'prep.headers["Authorization"] = _digest_auth(user)',
        "The refresh token: https://tools.example.org/html/rfc6749#section-6",
        "const noCreds = !(creds.token || creds.basic)",
        "this._noAuthorization = !req.headers.authorization;",
        "const UNEXPECTED_TOKEN = /^Unexpected token (.+) in JSON/i",
        '_modules = {"AuthToken": ".authtoken", "Credential": ".credential"}',
        'token = f"lc-image-{uuid.uuid4().hex}"',
        "CSIDL_COOKIES = 0x0021",
        'styles = {Token: \'#dcdccc\', "token": "#1677ff"}',
        "style: token=#1677ff",
        "secret_key: #abcdef",
        "api_key=#",
        "const OID_PKCS9_DIGEST_KEY = '1.2.840.113549.1.9.4'",
        "{'key': 'RFC 2518', 'token': 'expected 2 tokens'}",
        'headers = {"X-aws-ec2-metadata-token": imdsv2_session_token}',
        'raise ValueError(f"Unsupported token type: {token_type!r}")',
        "thought_signature=_decode_signature(part)",
        "the URL `https://REDACTED:REDACTED@www.example.com/`",
        "# we do this to pass tests/test8.deb",
        "type Login struct {\n    Password string\n    Sha256 string\n}",
        "fields:\n    username\n    password\n    address2\n    phone1\n",
        "  password   Set it\n  s3cmd      Copy files\n",
        "  password\n  2024-01-02\n  12345\n",
        "90210 is the zip code, 1062 is the MySQL error code, 1024 is the exit code, 4096 is your promo code",
        "2024 is the code freeze, 2024 is the year the code was written",
        "your tracking code is 482913. Please use the discount code 482913.",
        "We use PBKDF2 as the password hashing function. Use sha256 as the password hash",
        "enter user123 in the password reset form",
        'f"login failed: password={pw1!r} user={user!r}"',
        'x = isNew ? "Set password" : "Reset"; y=isNew?"Set password":"Reset"',
        "All 14 tests pass ~ 3 s; we let pass 3 of them, and those that pass 2.5.1-rc1 checks",
        "Changed the password policy from 8 to 12 characters; store the password as a hash, see password... or not",
        "password={password}&pwd={user_pwd2}",
        "    if start == 0:\n        pass\n        slobj2 = [slice(None)]\n",
        'getpass("%s@%s\'s password: " % (username, server))\nprint(1)\n',
        'getpass("%s@%s\'s password: "%(username, server))\nx = "a"\n',
        '"Cookie: %s=%s" % (name, value)',
        "Authorization: OAuth 2.0 is required",
        "let{userId:e,accessToken:r}=e,[n,o]=(0,t.useState)([])",
        "mutationFn:async e=>{let{username:t,password:s}=e;return login(t)}",
        "return{token:x,accessToken:null!==(e=null==f?void 0:f.key)}",
        "__SECRET_INTERNALS_DO_NOT_USE={usingClientEntryPoint:!1,Events:[]}",
        'console.error("Error fetching credentials:",e),r&&r(t),v("x")',
        'fetch("".concat(o,"?api_key=").concat(t),{method:"GET"})',
        'document.cookie="token="+Z;let t=(0,x.base)();f("a")',
        'document.cookie="token=; expires=Thu, 01 Jan 1970 00:00:00 UTC"',
        'title: isNew ? "Create a password" : "Reset it2"',
        'input("Password: ") or ask("x")',
        'jsx(N,{apiKeySource:"custom"})',
        '{"token": "Paris2", "logprob": -0.1, "bytes": [80]}',
        'if token === "function1" {',
        "assert token == 'NAME1'",
        "Type config2.yaml in the password box",
        'shared_key: "cache_v2"',
        "--debugTokenExpression-value:#6c6c6ccc;--debugTokenExpression-name:#ccc9;",
    ],
)
def test_code_numbers_and_colours_under_telling_names_stay(text):
    assert Redactor().text(text) == text
