# ruff: noqa: E501, SIM905  (one kind of value a line; words are read best in one text)
"""Values under secret names in every form, made at random from a seed: what was hidden once has to stay hidden."""

import random
import re
import string
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Case", "cases", "may_stay"]

NAMES = {
    "password": (
        *("password", "passwd", "passphrase", "pwd", "db_password", "DB_PASSWORD", "userPassword", "Password"),
        *("PGPASSWORD", "DB_PWD", "ssh-passphrase", "old_password", "keyPassphrase", "mysql_root_passwd"),
    ),
    "code": ("otp", "cvv", "OTP", "CVV"),
    "weak": (
        *("token", "auth", "secret", "api_key", "apiKey", "API_KEY", "access_token", "client_secret", "SECRET_KEY"),
        *(
            "private_key",
            "credential",
            "jwt",
            "refresh_token",
            "X-Api-Key",
            "x-auth-token",
            "signing_key",
            "APP_SECRET",
        ),
        *("accountKey", "aws_secret_access_key", "GITHUB_TOKEN", "session_token", "encryption_key"),
    ),
}
FORMS = {
    "JSON": (
        '{{"{name}": "{value}"}}',
        '{{"user": "ada", "{name}":"{value}","n":1}}',
        '{{"a": {{"{name}": "{value}"}}}}',
        '{{"args": "{{\\"{name}\\": \\"{value}\\"}}"}}',
        "{{'{name}': '{value}', 'user': 'ada'}}",
        '{{\n  "{name}": "{value}",\n  "b": 2\n}}',
    ),
    "YAML": (
        "db:\n  {name}: {value}\n  host: x\n",
        '{name}: "{value}"\n',
        "{name}: '{value}'\n",
        "{name}: {value}",
        "{{host: db, {name}: {value}, port: 5432}}",
        "- {name}: {value}\n- b: c\n",
    ),
    "env": (
        "{name}={value}\nB=x\n",
        'export {name}="{value}"\n',
        "{name}='{value}'\n",
        "{name}={value}",
        "{name} = {value}\n",
        '{name} = "{value}"\n',
        "a=b {name}={value} c=d",
    ),
    "headers": ("Host: x\r\n{name}: {value}\r\nAccept: */*\r\n", "-H '{name}: {value}'", "{name}:{value}\n"),
    "URLs": (
        "https://example.com/?a=1&{name}={value}&b=2",
        "https://example.com/cb#{name}={value}",
        "{name}={value}&user=ada",
        "https://example.com/?{name}={value}",
        "a%3D1%26{name}%3D{value}",
    ),
    "sentences": (
        "the {name} is {value}",
        "The {name} is {value}.",
        "my {name} is: {value} and so on",
        "login failed ({name}={value})",
        "wrong {name} {value}",
        'the {name} is "{value}".',
        "{name}: {value}, user: ada",
    ),
    "code": (
        "User(name='ada', {name}='{value}')",
        "User(name=ada, {name}={value})",
        'f({name}="{value}", x=1)',
        "f({name}={value}, x=1)",
        "{name} := '{value}'",
        "{name} == '{value}'",
        "'{name}' => '{value}',",
        '{name}: str = "{value}"',
        "[('{name}', '{value}')]",
        "{name}=b'{value}'",
        "x['{name}'] = '{value}'",
        "const {name} = `{value}`;",
    ),
    "commands": ("tool --{name} {value} -v", "tool --{name}={value}", "tool --{name} '{value}'"),
    "XML": ("<{name}>{value}</{name}>", "<a {name}='{value}'/>", '<a {name}="{value}" b="c">'),
    "connections": ("Server=db;{name}={value};Encrypt=true", "host=db {name}={value} dbname=x"),
}
_WORDS = (
    "sunshine dragon monkey baseball letmein football princess welcome shadow master orange winter summer flower coffee "
    "secretary rotation provider weather customer handler response session backend default_user refresh generated"
).split()
_PLACEHOLDERS = (
    "${PASSWORD} <token> *** xxxx {password} $TOKEN %(token)s your-api-key changeme none null required string optional "
    "true settings.api_key os.environ self.token get_token() config.password form.password user_password new_token"
).split()
_SYMBOLS = "!@#$%^&*+-_=~?.:/"
_LETTERS = string.ascii_letters
_ALNUM = string.ascii_letters + string.digits


class Case(NamedTuple):
    """One text, with the value in it, where it lies, and what was asked."""

    kind: str
    form: str
    name: str
    sort: str
    value: str
    text: str
    start: int


def _some(dice: random.Random, letters: str, least: int, most: int) -> str:
    return "".join(dice.choices(letters, k=dice.randint(least, most)))


SORTS = {
    "two letters": lambda dice: _some(dice, string.ascii_lowercase, 1, 2),
    "three letters": lambda dice: _some(dice, _LETTERS, 3, 3),
    "word": lambda dice: dice.choice(_WORDS),
    "Word": lambda dice: dice.choice(_WORDS).title(),
    "WORD": lambda dice: dice.choice(_WORDS).upper(),
    "two words": lambda dice: f"{dice.choice(_WORDS)} {dice.choice(_WORDS)}",
    "joined words": lambda dice: dice.choice("-_.").join(dice.sample(_WORDS, dice.randint(2, 3))),
    "identifier": lambda dice: dice.choice(_WORDS) + dice.choice(_WORDS).title(),
    "digits": lambda dice: _some(dice, string.digits, 3, 12),
    "lower": lambda dice: _some(dice, string.ascii_lowercase, 4, 24),
    "upper": lambda dice: _some(dice, string.ascii_uppercase, 4, 24),
    "mixed": lambda dice: _some(dice, _LETTERS, 4, 30),
    "alphanumeric": lambda dice: _some(dice, _ALNUM, 4, 40),
    "lower and digits": lambda dice: _some(dice, string.ascii_lowercase + string.digits, 4, 30),
    "hex": lambda dice: _some(dice, "0123456789abcdef", 6, 64),
    "symbols": lambda dice: _some(dice, _ALNUM + _SYMBOLS, 4, 30),
    "odd beginning": lambda dice: dice.choice("$!%&~/.#@{<([*-") + _some(dice, _ALNUM + "!@#$", 5, 16),
    "odd end": lambda dice: _some(dice, _ALNUM, 5, 16) + dice.choice("$!%&~/.#@}>)]*-=,;:?"),
    "word and digits": lambda dice: dice.choice(_WORDS) + _some(dice, string.digits, 1, 4),
    "Word and digits": lambda dice: (
        dice.choice(_WORDS).title() + _some(dice, string.digits, 1, 4) + dice.choice("!?#.")
    ),
    "leet": lambda dice: dice.choice(_WORDS).replace("e", "3").replace("a", "@").replace("o", "0"),
    "phrase": lambda dice: " ".join(dice.sample(_WORDS, 4)),
    "base64": lambda dice: _some(dice, _ALNUM + "+/", 16, 44) + "==",
    "UUID": lambda dice: "-".join(_some(dice, "0123456789abcdef", n, n) for n in (8, 4, 4, 4, 12)),
    "groups": lambda dice: "-".join(_some(dice, _ALNUM, 4, 6) for _ in range(3)),
    "path": lambda dice: "/" + "/".join(dice.sample(_WORDS, 3)),
    "letters abroad": lambda dice: (
        dice.choice(("каравай", "zażółć", "naïveté", "密碼", "größe")) + _some(dice, _ALNUM, 0, 4)
    ),
    "placeholder": lambda dice: dice.choice(_PLACEHOLDERS),
}
"""How values are made."""


def cases(count: int, seed: int = 13) -> Iterator[Case]:
    """Give the same cases each time: every sort of value under every kind of name, the form by chance."""
    dice = random.Random(seed)
    sorts = list(SORTS)
    kinds = ("password", "weak", "weak", "password", "code")
    for at in range(count):
        sort = sorts[at % len(sorts)]
        kind = kinds[at // len(sorts) % len(kinds)]
        family = dice.choice(list(FORMS))
        form, name, value = dice.choice(FORMS[family]), dice.choice(NAMES[kind]), SORTS[sort](dice)
        if "'" in value or '"' in value:
            continue
        before, after = form.split("{value}")
        start = before.format(name=name)
        yield Case(kind, form, name, sort, value, start + value + after.format(name=name), len(start))


def may_stay(case: Case) -> bool:
    """Return whether a value is one that issue 13 lets stay: under weak names words, identifiers, numbers, paths."""
    core = case.value.strip(_ENDS)
    if case.sort == "placeholder" or not core:
        return True
    if case.kind == "password":
        return case.name == "pwd" and case.sort == "path"
    letters = "".join(letter for letter in core if letter not in _JOINTS)
    is_short = len(core) < _SHORTEST
    return is_short or letters.isalpha() or letters.isdigit() or _WITH_NUMBER.fullmatch(core) is not None


_ENDS, _JOINTS, _SHORTEST = string.punctuation + " ", " -_./:,;", 6
_WITH_NUMBER = re.compile(r"[A-Za-z]?[a-z]{1,20}[0-9]{1,4}|[0-9]{1,3}[a-z]{1,10}|[A-Z]{1,6}[0-9]{1,3}")
