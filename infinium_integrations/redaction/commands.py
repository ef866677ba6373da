"""Secrets in commands, SQL statements and addresses, which need no telling name. ``COMMANDS`` is the table of them."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate

from infinium_integrations.redaction.clients import CLIENTS, WORD, Command
from infinium_integrations.redaction.key_names import has_one, secret_columns
from infinium_integrations.redaction.prefilter import Prefilter, loosened
from infinium_integrations.redaction.scan import Scan, Span, pattern, places
from infinium_integrations.redaction.values import is_odd, is_secret_word

__all__ = ["COMMANDS", "Command", "commands"]

_LONGEST = 400
_LOGIN = r"(?:[ =]|\"[,][ ]?)?\\{0,4}[\"']?[^\s:\"'\\-][^\s:\"'\\]{0,64}:([^\s\"'\\]{4,200})"
"""``user:password`` after an option."""
COMMANDS = (
    Command(
        "mysql -p",
        ("mysql", "mariadb", "mycli"),
        pattern(
            r"\b(?:mysql\w{0,10}|mariadb[\w-]{0,10}|mycli)\b[^\n|;]{0,200}?[\s\"']-p(?:\"([^\"\n]{1,200})\"|'([^'\n]{1,200})'|([^\s\"'|;&<>,-][^\s\"'|;&<>]{1,200}))"
        ),
        "mysql -u root -phunter2!Zq9 shop",
        "mysql -u root -p shop",
        option="p",
    ),
    Command(
        "login -p",
        ("login",),
        pattern(rf"\blogin\b[^\n|;]{{0,200}}?\s-p[= ]{{0,2}}{WORD}"),
        "docker login -u ada -p hunter2!Zq9 registry.example.com",
        "docker login -u ada --password-stdin",
        option="p",
    ),
    Command(
        "ConvertTo-SecureString",
        ("securestring",),
        pattern(rf"(?i:ConvertTo-SecureString)\s{{1,3}}(?:-String\s{{1,3}})?{WORD}"),
        'ConvertTo-SecureString "hunter2!Zq9" -AsPlainText -Force',
        "ConvertTo-SecureString $password -AsPlainText",
        "as",
        begins=None,
    ),
    Command(
        "sshpass -p",
        ("sshpass",),
        pattern(rf"\bsshpass\s{{1,3}}-p\s?{WORD}"),
        "sshpass -p hunter2!Zq9 ssh host",
        "sshpass -f file ssh host",
        option="p",
    ),
    Command(
        "redis-cli -a",
        ("redis-cli",),
        pattern(rf"\bredis-cli\b[^\n|;]{{0,200}}?\s-a\s?{WORD}"),
        "redis-cli -h cache -a hunter2!Zq9 ping",
        "redis-cli -h cache ping",
        option="a",
    ),
    Command(
        "client -p",
        ("mongo", "cqlsh", "clickhouse", "7z", "rabbitmqadmin", "pg_dump", "psql"),
        pattern(
            rf"\b(?:mongo\w{{0,10}}|cqlsh|clickhouse[\w-]{{0,10}}|7z|rabbitmqadmin)\b[^\n|;]{{0,200}}?\s-p\s?{WORD}"
        ),
        "mongosh -u ada -p hunter2!Zq9",
        "mongosh --port 27017",
        option="p",
    ),
    Command(
        "client -P",
        ("sqlcmd", "mosquitto", "zip", "bcp"),
        pattern(rf"\b(?:sqlcmd|mosquitto_\w{{3}}|zip|unzip|bcp)\b[^\n|;]{{0,200}}?\s-P\s?{WORD}"),
        "sqlcmd -S db -U sa -P hunter2!Zq9",
        "unzip -d folder archive.zip",
        option="p",
        begins=("sqlcmd", "mosquitto", "zip", "unzip", "bcp"),
    ),
    Command(
        "ldap -w",
        ("ldap",),
        pattern(rf"\bldap\w{{3,10}}\b[^\n|;]{{0,200}}?\s-w\s?{WORD}"),
        "ldapsearch -D cn=ada -w hunter2!Zq9",
        "ldapsearch -x -b dc=example",
        option="w",
    ),
    Command(
        "user:password",
        (" -u", "--user", '"-u"', "-proxy-user", "curl", " -a"),
        pattern(rf"-(?:(?<=[ \t\"']-)[a-zA-Z]{{0,4}}[uU]|-(?:proxy-)?user){_LOGIN}"),
        "curl -uadmin:hunter2!Zq9 https://example.com",
        "docker run --user 1000:1000 img",
        "uapsfkxil",
        begins=None,
    ),
    Command(
        "http -a",
        ("-a",),
        pattern(rf"\b(?:https?|xhs?)\b[^\n|;]{{0,80}}?\s-a{_LOGIN}"),
        "http -a ada:hunter2!Zq9 https://example.com",
        "http -a ada https://example.com",
        "a",
        mark=":",
        begins=("http", "https", "xh", "xhs"),
    ),
    Command(
        "smbclient -U",
        ("smbclient",),
        pattern(r"\bsmbclient\b[^\n|;]{0,200}?\s-U\s?['\"]?[^\s%]{1,60}%([^\s\"']{3,200})"),
        "smbclient //h/s -U ada%hunter2!Zq9",
        "smbclient -L //h -U ada",
        option="u",
    ),
    Command(
        "pass:",
        ("pass:",),
        pattern(r"-pass(?:in|out)?[ =]pass:([^\s\"'<>`]{3,200})"),
        "openssl rsa -in k.pem -passin pass:hunter2!Zq9",
        "openssl rsa -in k.pem -passin env:PASS",
        option="p",
        begins=("-pass", "-passin", "-passout"),
    ),
    Command(
        "htpasswd",
        ("htpasswd",),
        pattern(
            rf"\bhtpasswd\s{{1,3}}(?:-(?=\w{{0,4}}n)(?=\w{{0,4}}b)\w{{2,6}}|(?:-\w{{1,4}}\s{{1,3}}){{0,2}}-\w{{0,4}}b\w{{0,4}}\s{{1,3}}(?:-\w{{1,4}}\s{{1,3}}){{0,2}}(?!-)\S{{1,100}})\s{{1,3}}\S{{1,60}}\s{{1,3}}{WORD}"
        ),
        "htpasswd -cb .htpasswd ada hunter2!Zq9",
        "htpasswd -c .htpasswd ada",
        option="bcn",
    ),
    Command(
        "echo into a command",
        (
            *("sudo -s", "password-stdin", "chpasswd", "--stdin", "with-token", "passphrase-fd", "cryptsetup", "kinit"),
            *("gcloud secrets", "secret put", "secret set", "env add", "smbpasswd"),
        ),
        pattern(
            rf"\b(?:echo|printf)\s{{1,3}}(?:-n\s)?(?:\\{{0,4}}[\"']%s(?:\\{{1,2}}n)?\\{{0,4}}[\"']\s)?(?:[\w.-]{{1,40}}:)?{WORD}\s{{0,3}}\|\s{{0,3}}(?:sudo\s-S|[^\n|]{{0,80}}--(?:password-stdin|stdin|with-token|passphrase-fd)|(?:sudo\s)?(?:chpasswd|cryptsetup|kinit|smbpasswd|gcloud\ssecrets|(?:npx\s)?wrangler\ssecret\sput|gh\ssecret\sset|vercel\senv\sadd))"
        ),
        "echo hunter2!Zq9 | sudo -S apt update",
        "echo done | tee log",
        mark="|",
        begins=("echo", "printf"),
    ),
    Command(
        "IDENTIFIED BY",
        ("identified",),
        pattern(
            r"(?i:\b(?:user|grant|role|link|login)\b)[^\n;]{0,200}?(?i:\bidentified(?:\s{1,3}with\s{1,3}[\w']{1,40})?\s{1,3}(?:by|as))\s{1,3}(?:password\s{1,3})?\\{0,4}(?:'([^'\n\\]{1,200})|\"([^\"\n\\]{1,200})|(?=[^\s]{0,40}[0-9])([^\s'\"\\;`]{6,200}))"
        ),
        "CREATE USER ada IDENTIFIED BY 'hunter2!Zq9'",
        "a file identified by its name",
        begins=("user", "grant", "role", "link", "login"),
    ),
    Command(
        "Oracle login",
        ("sqlplus", "jdbc:oracle"),
        pattern(r"(?:\bsqlplus\s{1,3}(?:-\w{1,3}\s{1,3}){0,3}|jdbc:oracle:\w{1,8}:)\w{1,40}/([^\s@\"']{3,100})@"),
        "sqlplus scott/hunter2!Zq9@orcl",
        "sqlplus /nolog",
        mark="@",
    ),
    Command(
        "net user",
        ("net user", "net use"),
        pattern(
            r"\bnet\s(?:user\s{1,3}[\w.-]{1,40}\s{1,3}([^\s/*]{4,100})\s{1,3}/add|use\b[^\n]{0,100}?\s([^\s/\\:*]{4,100})\s{1,3}/user:|use\b[^\n]{0,100}?/user:[\w.\\-]{1,60}\s{1,3}([^\s/]{4,100}))"
        ),
        "net user ada hunter2!Zq9 /add",
        "net user ada",
        mark="/",
        begins=("net",),
    ),
    *CLIENTS,
)
_INSERT = pattern(r"\((?P<names>[^()\n]{3,600})\)\s{0,10}(?:\\n)?\s{0,10}(?i:values)\s{0,10}(?:\\n)?\s{0,10}(?=\()")
_BEGUN = pattern(
    r"(?:\bsqlplus\s{1,3}\w{1,40}/|jdbc:oracle:\w{1,8}:\w{1,40}/|\b(?:echo|printf)\s{1,3}['\"]?|\bnet\suser\s{1,3}[\w.-]{1,40}\s{1,3}"
    r"|(?<![\w:/@.-])[A-Za-z_][\w.-]{0,40}:|\bhtpasswd\s[^\n]{0,100}\s)([^\s\"'@(]{3,200}+)\Z"
)
"""A command whose secret, were the text not cut, something after it would tell."""
_TUPLE = pattern(r"[\s,]{0,10}\(((?:\\{0,4}'(?:[^'\\\n]|'')*+\\{0,4}'|[^()'\n])*+)\)")
_SHOWN_ROW = pattern(r"\](?:\s|\\{1,4}n){1,4}\[parameters: \[?\(((?:\\{0,4}'(?:[^'\\\n]|'')*+\\{0,4}'|[^()'\n])*+)\)")
"""What SQLAlchemy's errors show of a statement: ``[parameters: ('ada', …)]``."""
_ITEM = pattern(r"\s{0,3}(?:\\{0,4}[NE]?'((?:[^'\\\n]|'')*+)\\{0,4}'|([^,'\n]*+))\s{0,3}")
_PARAMETER = pattern(r"[?&#;](?i:key|code|sid|k|hash|sas|skey)=(?!=)([^\s&#\"'<>\\`);]{8,400})")
_PARAMETERS = ("key=", "code=", "sid=", "k=", "hash=", "sas=", "skey=")
_BEFORE_A_PARAMETER = "?&#;"
_IN_PGPASS = (":5432:", ":*:")
_PGPASS = pattern(r"(?m:^)[\w.*-]{1,100}:(?:[0-9]{4,5}|\*):[\w*-]{1,60}:[\w*.-]{1,60}:([^\s:]{4,100})$", re.MULTILINE)
_BETWEEN_ARGUMENTS = re.compile(r"\[\^\\n\|?;\]\{0,\d+\}\?")
_CLIENT = re.compile(r"\\b(?:[^()|]+|\((?:[^()]|\([^()]*\))*\))(?:\\b)?|\(\?i:\\b\(\?:[^()]*\)\\b\)")
"""What a command's pattern begins with, up to what may stand between that and its option."""


def _at_least(command: Command) -> tuple[str, str]:
    """Return two patterns of what a command has, in a list of arguments too: its client, and its option.

    To look for both in one search would make that slow. Where they are not apart, or the option says enough, the two
    are the same.
    """
    shape, client = command.shape.pattern, ""
    between = _BETWEEN_ARGUMENTS.search(shape)
    if between and _CLIENT.fullmatch(shape, 0, between.start()):
        client, shape = shape[: between.start()], shape[between.end() :]
    function, bracket, _ = shape.partition(r"\(")
    piped = shape.partition(rf"{WORD}\s{{0,3}}\|\s{{0,3}}")[2].replace(r"[^\n|]{0,80}", "")
    option = loosened(function + bracket) if bracket else loosened(piped or shape.replace(WORD, ""), joined=True)
    return loosened(client, joined=True) if client and command.option and not command.mark else option, option


def _prefilter(which: int) -> Prefilter:
    def parts() -> Iterator[str]:
        yield from dict.fromkeys(_at_least(command)[which] for command in COMMANDS)
        yield loosened(_PARAMETER.pattern)
        yield rf"(?i:\)[\s\\n?]*values[\s\\n?]*\()|{'|'.join(map(re.escape, _IN_PGPASS))}"

    return Prefilter(parts)


_CLIENTS, _OPTIONS = _prefilter(0), _prefilter(1)


def commands(scan: Scan) -> Iterator[Span]:
    """Find what commands, statements and addresses hold."""
    text, low = scan.text, scan.low
    if _OPTIONS.may_match(scan.plain) and _CLIENTS.may_match(scan.plain):
        asked = _candidates(scan)
        yield from _found(asked, text, low)
        if asked and _has_arguments(text) and has_one(text, _BETWEEN):
            yield from _in_lists(asked, text)
        if "values" in low:
            yield from _inserted(scan)
        if has_one(text, _BEFORE_A_PARAMETER):
            yield from _parameters(text, low)
        if has_one(text, _IN_PGPASS):
            yield from ((*found.span(1), "line of .pgpass") for found in _PGPASS.finditer(text))
    if scan.open_end and (begun := _BEGUN.search(text, max(0, len(text) - _LONGEST))) and is_odd(begun[1], "password"):
        yield *begun.span(1), "beginning of a command"


_LETTERS = "".join(chr(code) if chr(code).islower() else " " for code in range(128))
_OPTION = pattern(r"-(?=[a-z])(?:(?<=[ \n\"'-]-)|(?<=\A-))")
"""What comes before the letter of what may be an option: ``--token``, ``-p``."""


def _candidates(scan: Scan) -> list[Command]:
    """Return the commands with which a word of the text may begin and whose options it has."""
    low = scan.plain.lower()
    options = {low[found.end()] for found in _OPTION.finditer(low)}
    by_word = (
        command for word in sorted(_BY_WORD.keys() & {*low.translate(_LETTERS).split()}) for command in _BY_WORD[word]
    )
    by_option = (command for letter in sorted(options & _OF_ANY_WORD.keys()) for command in _OF_ANY_WORD[letter])
    return [
        command
        for command in dict.fromkeys((*by_word, *by_option))
        if (not command.option or not options.isdisjoint(command.option)) and command.mark in scan.text
    ]


def _found(asked: Iterable[Command], text: str, low: str) -> Iterator[Span]:
    for command in asked:
        if has_one(low, command.words):
            for found in _matches(command, text, low):
                last = found.lastindex or 0
                value = found[last]
                is_address = command.name == "user:password" and _ADDRESS.match(value) is not None
                is_secret = is_odd if command.is_odd else is_secret_word
                if not value.isdigit() and not is_address and is_secret(value, "password"):
                    yield *found.span(last), command.name


_ADDRESS = pattern(r"//(?:\.|localhost|127\.|/[\w.-]{1,60}(?:/|\Z))|%\(\w{1,40}\)s(?:\.|\Z)")
"""What else a colon stands before: ``-u file://./folder``, ``-out:%(out)s.manifest``."""


def _matches(command: Command, text: str, low: str) -> Iterator[re.Match[str]]:
    """Return what ``finditer`` would: a command is looked for by what it begins with, which is much quicker."""
    if command.begins is None:
        yield from command.shape.finditer(text)
        return
    end = 0
    for at in sorted({at for begin in command.begins or command.words for at in places(low, begin)}):
        if at >= end and (found := command.shape.match(text, at)):
            yield found
            end = found.end()


_SHORT = 2_000
"""Characters of a text in which lists of arguments are looked for though no option begins a string."""
_BETWEEN = ('", "', "', '", '","', "','", '\\", \\"', '\\",\\"')
_ARGUMENTS = pattern(r"([\"']),\s{0,20}\\{0,8}\1")


def _in_lists(asked: Iterable[Command], text: str) -> Iterator[Span]:
    """Find them in lists of arguments too: ``["mysql", "-u", "root"]`` is read as ``mysql -u root``."""
    joints, last, parts = [], 0, []
    for found in _ARGUMENTS.finditer(text):
        start, end = found.span()
        while start > last and text[start - 1] == "\\":
            start -= 1
        joints.append((start, end))
        parts.append(text[last:start])
        last = end
    view = " ".join((*parts, text[last:]))
    removed = [0, *accumulate(end - start - 1 for start, end in joints)]
    at = [start - before for (start, _), before in zip(joints, removed, strict=False)]
    for start, end, name in _found(asked, view, view.lower()):
        yield start + removed[bisect_left(at, start)], end + removed[bisect_left(at, end)], name


def _has_arguments(text: str) -> bool:
    """Return whether a string may be an option: ``"-p"``; in a short text, whether there are strings."""
    return has_one(text, ('"', "'") if len(text) < _SHORT else ('"-', "'-"))


def _parameters(text: str, low: str) -> Iterator[Span]:
    """Find parameters of a URL by the marks before them."""
    begins = []
    for mark in _BEFORE_A_PARAMETER:
        if mark in low and any(part.startswith(_PARAMETERS) for part in low.split(mark)[1:]):
            begins += [at for at in places(low, mark) if low.startswith(_PARAMETERS, at + 1)]
    end = 0
    for begin in sorted(begins):
        found = _PARAMETER.match(text, begin) if begin >= end else None
        if found:
            end = found.end()
            if is_odd(found[1], "weak"):
                yield *found.span(1), "parameter of a URL"


_PREFIXES = ("mysql", "mariadb", "mongo", "clickhouse", "ldap", "snmp")
"""What words begin with that are commands."""
_BY_WORD: dict[str, list[Command]] = {}
_OF_ANY_WORD: dict[str, list[Command]] = {}
"""By the letters of their options, those that may begin with a longer word: ``mysqldump``."""
for _command in COMMANDS:
    _begins = (
        [begin.lstrip("-> :") for begin in _command.begins or _command.words] if _command.begins is not None else []
    )
    if not _begins or (not _command.begins and any(begin.startswith(_PREFIXES) for begin in _begins)):
        for _letter in _command.option:
            _OF_ANY_WORD.setdefault(_letter, []).append(_command)
    for _begin in _begins:
        _BY_WORD.setdefault(next(part for part in re.split("[^a-z]", _begin) if part), []).append(_command)


def _inserted(scan: Scan) -> Iterator[Span]:
    """Find the values of an SQL INSERT whose columns are secrets by name."""
    text = scan.text
    for found in _INSERT.finditer(text):
        columns = secret_columns(found["names"].split(","))
        row, last = (_TUPLE.match(text, found.end()) if columns else None), found.end()
        while row:
            at, column = row.start(1), 0
            while at <= row.end(1) and (item := _ITEM.match(text, at, row.end(1))):
                value = (item[1] or "").strip()
                if value and column in columns and is_secret_word(value, columns[column]):
                    yield *item.span(1), "INSERT"
                at, column = item.end() + 1, column + 1
            last = row.end()
            row = _TUPLE.match(text, last) or _SHOWN_ROW.match(text, last)
        if columns and scan.open_end and text[last:].lstrip(" ,\n").startswith("("):
            yield text.index("(", last) + 1, len(text), "INSERT"
