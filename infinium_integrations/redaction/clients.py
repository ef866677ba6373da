# ruff: noqa: E501  (patterns are read best in one piece)
"""How the usual clients take a secret: options, arguments and what is piped into them. ``CLIENTS`` is the table of them."""

import re
from typing import NamedTuple

from infinium_integrations.redaction.scan import pattern

__all__ = ["BLANK", "CLIENTS", "WORD", "Command"]


class Command(NamedTuple):
    """A command or statement, by a word that must occur, with its secret as the last group."""

    name: str
    words: tuple[str, ...]
    shape: re.Pattern[str]
    hidden: str
    stays: str
    option: str = ""
    """With which letters its option begins: in a text without such options it is not looked for."""
    is_odd: bool = False
    """Whether a plain word in the secret's place is none."""
    mark: str = ""
    """A rare letter, or a few, that must occur too: found sooner than a word."""
    begins: tuple[str, ...] | None = ()
    """With which of these it begins, in lower case, where that is none of its words; None where it is searched for."""


WORD = r"(?:\\{0,4}(?:\"([^\"\n\\]{1,200})(?:\\{0,4}\"|\Z)|'([^'\n]{1,200})(?:'|\Z))|([^\s\"'|;&<>\\]{2,200}))"
BLANK = r"\s{1,3}"
"""What stands between two arguments."""
_REST = r"[^\n|;]{0,200}?"


def _takes(client: str, options: str, *, glued: str = "") -> re.Pattern[str]:
    """Make a pattern of a client and the options that take its secret."""
    return pattern(rf"\b(?:{client})\b{_REST}{BLANK}(?:{options})(?:{BLANK}|={glued})(?!-){WORD}")


_GLUED = "|"
_ARGUMENT = r"(?:[\w$.\[\]]{1,40}|[bru]?\\{0,4}[\"'][^\"'\n]{0,100}[\"']),\s{0,20}"
_BY_POSITION = (
    (
        *("hashpw", "checkpw", "bcrypt.hash", "bcrypt.hashsync", "bcrypt.compare"),
        *("hmac.new", "fernet", "azurekeycredential"),
    ),
    (
        *("networkcredential", "usernamepasswordcredentials", "passwordauthentication", "jwt.encode"),
        *("basicawscredentials", "newstaticcredentials", "storagesharedkeycredential", "jwt.sign", "jwt.verify"),
        *("createhmac", "pgp_sym_encrypt", "pgp_sym_decrypt", "aes_encrypt", "aes_decrypt", "cx_oracle.connect"),
        *("boto3.session", "basicauth", "authenticationheadervalue", "twilio.init"),
    ),
    ("getconnection", "mysqli", "mysqli_connect", "pdo", "mysqldb.connect", "pymysql.connect", "create_user"),
)
"""Functions that take a secret as their first, second and third argument."""
CLIENTS = (
    Command(
        "login at a host",
        ("ssh", "sftp", "scp", "rsync", "pserver"),
        pattern(
            rf"\b(?:ssh|sftp|scp|rsync|mosh|pserver|nc)\b{_REST}[\s\"':][A-Za-z_][\w.-]{{0,40}}:([^\s:/@\"'|;]{{3,100}})@(?=[A-Za-z0-9\[])"
        ),
        "ssh ada:hunter2!Zq9@host.example.com",
        "scp ada@host:file.txt .",
        mark="@",
        begins=("ssh", "sftp", "scp", "rsync", "mosh", "pserver", "nc"),
    ),
    Command(
        "certificate's password",
        ("curl",),
        pattern(rf"\bcurl\b{_REST}\s(?:-E|--cert)[ =]?[\"']?[^\s:\"']{{1,100}}:([^\s\"'|;]{{3,200}})"),
        "curl -E client.pem:hunter2!Zq9 https://example.com",
        "curl -E client.pem https://example.com",
        "ec",
    ),
    Command(
        "cookie of curl",
        ("curl",),
        pattern(rf"\bcurl\b{_REST}\s-b\s?[\"']?[\w.-]{{1,40}}=([^\s\"';|]{{8,400}})"),
        'curl -b "sid=hunter2!Zq9" https://example.com',
        "curl -b cookies.txt https://example.com",
        "b",
        is_odd=True,
    ),
    Command(
        "user,password",
        ("open -u", "lftp"),
        pattern(rf"(?:\blftp\b{_REST}\s-u\s?|\bopen\s{{1,3}}-u\s?)[\"']?[^\s,\"']{{1,100}},([^\s\"'|;]{{3,200}})"),
        "lftp -u ada,hunter2!Zq9 sftp://example.com",
        "lftp -u ada sftp://example.com",
        "u",
        begins=("lftp", "open"),
    ),
    Command(
        ".logon",
        (".logon",),
        pattern(r"\.logon\s{1,3}[\"']?[^\s,\"']{1,100},([^\s\"'|;]{3,200})"),
        ".logon db/ada,hunter2!Zq9",
        ".logon db/ada",
    ),
    Command(
        "AUTH",
        ("auth ",),
        pattern(
            r"(?:(?m:^)|(?<=[\"'`n>])|(?<=> ))(?:> ?|C: ?)?AUTH\s(?:PLAIN\s|LOGIN\s|[\w.-]{1,40}\s)?([^\s\\\"'`]{6,200})(?=\\|[\"'`]|\s{0,2}(?m:$))"
        ),
        "AUTH hunter2!Zq9",
        "AUTH LOGIN",
        is_odd=True,
        begins=("auth", "> auth", ">auth", "c: auth", "c:auth"),
    ),
    Command(
        "client -p of its own",
        (
            *(
                "az ad sp login",
                "mycli",
                "rdesktop",
                "psexec",
                "winrm",
                "racadm",
                "fab",
                "twine",
                "poetry",
                "youtube-dl",
                "yt-dlp",
            ),
            *(
                "usermod",
                "useradd",
                "crackmapexec",
                "nxc",
                "beeline",
                "hydra",
                "veracrypt",
                "unlock-keychain",
                "nuget add",
            ),
        ),
        _takes(
            r"beeline|hydra|veracrypt|unlock-keychain|nuget\s{1,3}add|az\s{1,3}ad\s{1,3}sp\s{1,3}login|mycli|rdesktop|psexec|evil-winrm|racadm|fab|fabric|twine|poetry\s{1,3}publish|youtube-dl|yt-dlp|usermod|useradd|crackmapexec|nxc",
            "-p",
        ),
        "twine upload -u ada -p hunter2!Zq9 dist/*",
        "twine upload dist/*",
        "p",
        begins=(
            "az",
            "mycli",
            "rdesktop",
            "psexec",
            "evil-winrm",
            "racadm",
            "fab",
            "fabric",
            "twine",
            "poetry",
            "youtube-dl",
            "yt-dlp",
            "usermod",
            "useradd",
            "crackmapexec",
            "nxc",
            "beeline",
            "hydra",
            "veracrypt",
            "unlock-keychain",
            "nuget",
        ),
    ),
    Command(
        "archive -p",
        ("rar ", "7za", "7zr"),
        _takes(r"(?:un)?rar|7z[ar]", "-h?p", glued=_GLUED),
        "unrar x -phunter2!Zq9 a.rar",
        "unrar x a.rar",
        "ph",
        begins=("rar", "unrar", "7za", "7zr"),
    ),
    Command(
        "client -P of its own",
        ("isql", "tsql", "p4 ", "ipmitool", "mariadb-backup"),
        _takes(r"f?isql|tsql|p4|ipmitool", "-P", glued=_GLUED),
        "ipmitool -H h -U ada -P hunter2!Zq9 power",
        "ipmitool -H h power",
        "p",
        begins=("isql", "fisql", "tsql", "p4", "ipmitool"),
    ),
    Command(
        "passphrase of a key",
        ("ssh-keygen",),
        _takes("ssh-keygen", "-N"),
        "ssh-keygen -t rsa -N hunter2!Zq9 -f k",
        "ssh-keygen -t rsa -f k",
        "n",
    ),
    Command(
        "former passphrase of a key",
        ("ssh-keygen",),
        _takes("ssh-keygen", "-P"),
        "ssh-keygen -p -P hunter2!Zq9 -f k",
        "ssh-keygen -p -f k",
        "p",
    ),
    Command(
        "snmp -A",
        ("snmp",),
        _takes(r"snmp\w{2,10}", "-A"),
        "snmpwalk -v3 -u ada -A hunter2!Zq9 h",
        "snmpwalk -v3 -u ada h",
        "a",
    ),
    Command(
        "snmp -X",
        ("snmp",),
        _takes(r"snmp\w{2,10}", "-X"),
        "snmpwalk -v3 -u ada -X hunter2!Zq9 h",
        "snmpwalk -v3 -u ada h",
        "x",
    ),
    Command(
        "snmp -c",
        ("snmp",),
        _takes(r"snmp\w{2,10}", "-c"),
        "snmpget -v2c -c hunter2Zq9 h sysName",
        "snmpget -v2c -c public h sysName",
        "c",
        is_odd=True,
    ),
    Command(
        "openssl -k",
        ("openssl",),
        pattern(
            rf"\bopenssl{BLANK}(?:enc\b{_REST}{BLANK}-k{BLANK}|passwd{BLANK}(?:-\w{{1,8}}{BLANK}){{0,3}})(?!-){WORD}"
        ),
        "openssl enc -aes-256-cbc -k hunter2!Zq9 -in f",
        "openssl enc -aes-256-cbc -kfile f -in f",
    ),
    Command(
        "here-string",
        ("<<<",),
        pattern(
            rf"\b(?:kinit|su|sudo|cryptsetup|passwd|login|openssl|docker|gpg|mysql|chpasswd|smbpasswd|vncpasswd|secret-tool|vercel|wrangler|gh)\b{_REST}<<<\s?(?:\w{{1,40}}:)?{WORD}"
        ),
        'cryptsetup open disk <<< "hunter2!Zq9"',
        "cat <<< hunter2!Zq8",
        mark="<<<",
        begins=(
            "kinit",
            "su",
            "sudo",
            "cryptsetup",
            "passwd",
            "login",
            "openssl",
            "docker",
            "gpg",
            "mysql",
            "chpasswd",
            "smbpasswd",
            "vncpasswd",
            "secret-tool",
            "vercel",
            "wrangler",
            "gh",
        ),
    ),
    Command(
        "Oracle tool",
        ("expdp", "impdp", "sqlldr", "rman "),
        pattern(rf"\b(?:expdp|impdp|sqlldr|rman{BLANK}target){BLANK}[A-Za-z_]\w{{0,40}}/([^\s@\"'/]{{3,100}})"),
        "expdp ada/hunter2!Zq9@db tables=x",
        "expdp / tables=x",
        mark="/",
        begins=("expdp", "impdp", "sqlldr", "rman"),
    ),
    Command(
        "smb",
        ("rpcclient", "smbmap", "smbget", "smbclient"),
        pattern(
            rf"\b(?:(?:rpcclient|smbget|smbmap)\b{_REST}\s-U\s?[\"']?[^\s%]{{1,60}}%([^\s\"']{{3,200}})|smbclient\s{{1,3}}[\"']?(?://|\\\\)\S{{1,80}}\s{{1,3}}([^\s-]\S{{3,100}}))"
        ),
        "rpcclient -U ada%hunter2!Zq9 host",
        "smbclient //host/share -U ada",
        "u",
    ),
    Command(
        "/p:",
        ("freerdp", "cmdkey", "schtasks", "mstsc", "wmic"),
        pattern(
            rf"\b(?:[xw]?freerdp\w{{0,5}}|cmdkey|schtasks|mstsc|wmic)\b{_REST}\s/(?:p|pass|rp|password)(?::|\s){WORD}"
        ),
        "xfreerdp /u:ada /p:hunter2!Zq9 /v:host",
        "xfreerdp /u:ada /v:host",
        mark="/",
        begins=("freerdp", "xfreerdp", "wfreerdp", "cmdkey", "schtasks", "mstsc", "wmic"),
    ),
    Command(
        "arguments in a row",
        (
            "rabbitmqctl",
            "wpa_passphrase",
            "poetry config",
            "rclone",
            "mc alias",
            "mc config",
            "user-secrets",
            "iwconfig",
            "http-basic.",
            "drush",
        ),
        pattern(
            rf"\b(?:rabbitmqctl{BLANK}(?:-\S{{1,40}}{BLANK})?(?:add_user|change_password|authenticate_user){BLANK}[^\s\"',]{{1,60}}"
            rf"|wpa_passphrase{BLANK}[^\s\"',]{{1,60}}|(?:poetry|composer){BLANK}config{BLANK}(?:--global{BLANK}|-g{BLANK})?(?:pypi-token\.[\w-]{{1,40}}|http-basic\.[\w.-]{{1,60}}{BLANK}[^\s\"']{{1,60}})"
            rf"|drush{BLANK}(?:upwd|user:password|user-password){BLANK}[^\s\"']{{1,60}}"
            rf"|rclone\b{_REST}{BLANK}pass|mc{BLANK}(?:alias{BLANK}set|config{BLANK}host{BLANK}add){BLANK}\S{{1,40}}{BLANK}\S{{1,100}}{BLANK}\S{{1,60}}"
            rf"|user-secrets\sset\s[\"']?[\w:.-]{{1,80}}[\"']?){BLANK}(?!-){WORD}|\biwconfig\b{_REST}key\s{{1,2}}s:(\S{{3,80}})"
        ),
        "rabbitmqctl add_user ada hunter2!Zq9",
        "rabbitmqctl list_users",
        begins=(
            "rabbitmqctl",
            "wpa_passphrase",
            "poetry",
            "composer",
            "drush",
            "rclone",
            "mc",
            "user-secrets",
            "iwconfig",
        ),
    ),
    Command(
        "login with a token",
        ("vault login", "cargo login", "nuget setapikey", "wandb login", "bw unlock", "bw login", "service install"),
        pattern(
            rf"\b(?:(?:vault|cargo|wandb){BLANK}login|nuget{BLANK}setapikey|bw{BLANK}(?:unlock|login{BLANK}\S{{1,80}})|cloudflared{BLANK}service{BLANK}install){BLANK}(?!-){WORD}"
        ),
        "cargo login aB3dE5gH7jK9mN1pQ4sT6vZq9",
        "cargo login crates",
        is_odd=True,
        begins=("vault", "cargo", "nuget", "wandb", "bw", "cloudflared"),
    ),
    Command(
        "expect",
        ("send ",),
        pattern(r"\bsend\s{1,3}(?:--\s)?\\{0,4}[\"{]([^\"\\\s{}]{4,100})\\{1,4}[rn]"),
        'send "hunter2!Zq9\\r"',
        'send "yes\\r"',
        is_odd=True,
        mark="\\",
        begins=("send",),
    ),
    Command(
        "value that a store keeps",
        ("put-parameter", "secret set", "variable set", "secrets set"),
        pattern(
            rf"\b(?:put-parameter|(?:secrets?|variable){BLANK}set)\b{_REST}{BLANK}(?:--value|--body|-b|-v|--secret-string)(?:{BLANK}|=)(?!-){WORD}"
        ),
        "aws ssm put-parameter --name /db --value hunter2!Zq9 --type SecureString",
        "aws ssm put-parameter --name /db --type SecureString",
        "vb",
        is_odd=True,
        begins=("put-parameter", "secret", "secrets", "variable"),
    ),
    Command(
        "push with a key",
        ("gem push", "nuget push", "sonar."),
        pattern(rf"(?:\b(?:gem|nuget){BLANK}push\b{_REST}{BLANK}(?:-k|--key)(?:{BLANK}|=)|-Dsonar\.login=)(?!-){WORD}"),
        "gem push --key aB3dE5gH7jK9mN1pQ4sT6vZq9 a.gem",
        "gem push a.gem",
        "kd",
        is_odd=True,
        begins=("gem", "nuget", "-dsonar.login="),
    ),
    Command(
        "sendemail -xp",
        ("sendemail",),
        _takes("sendemail|sendEmail", "-xp"),
        "sendemail -xu ada -xp hunter2!Zq9",
        "sendemail -xu ada",
        "x",
    ),
    Command(
        "keychain -w",
        ("add-generic-password", "add-internet-password"),
        _takes("add-(?:generic|internet)-password", "-w"),
        "security add-generic-password -a ada -s db -w hunter2!Zq9",
        "security add-generic-password -a ada -s db",
        "w",
    ),
    Command(
        "login to encode",
        ("btoa", "b64encode"),
        pattern(r"\b(?:btoa|b64encode)\(b?\\{0,4}[\"'][\w.@+-]{1,60}:([^\"'\n\\]{3,100})\\{0,4}[\"']"),
        'btoa("ada:hunter2!Zq9")',
        'btoa("text:plain")',
        is_odd=True,
    ),
    Command(
        "what a command reads",
        (
            "secretsmanager",
            "gcloud",
            "kubectl",
            "vault kv",
            "gh auth",
            "az account",
            "op read",
            "pwgen",
            "openssl rand",
        ),
        pattern(
            rf"\b(?:secretsmanager{BLANK}get-secret-value|gcloud{BLANK}(?:secrets{BLANK}versions{BLANK}access|auth{BLANK}print-\w{{6,8}}-token)"
            rf"|kubectl{_REST}get{BLANK}secrets?|vault{BLANK}kv{BLANK}get|gh{BLANK}auth{BLANK}token|az{BLANK}account{BLANK}get-access-token"
            rf"|op{BLANK}read|pwgen|openssl{BLANK}rand)\b[^\n\\]{{0,200}}(?:\r?\n|\\{{1,4}}n)([^\s\"'\\{{}}:]{{8,400}})(?=\s{{0,4}}(?:\n|\Z|\\|\"))"
        ),
        "$ vault kv get -field=password secret/db\nhunter2!Zq9",
        "$ vault kv get secret/db\nrequired",
        is_odd=True,
        begins=("secretsmanager", "gcloud", "kubectl", "vault", "gh", "az", "op", "pwgen", "openssl"),
    ),
    Command(
        "token of a client",
        ("vercel", "netlify", "railway", "caddy", "http ", "https ", "xh ", "xhs "),
        pattern(
            rf"\b(?:(?:vercel|netlify|railway)\b{_REST}{BLANK}-[at]|caddy\b{_REST}{BLANK}--plaintext|(?:https?|xhs?)\b{_REST}{BLANK}-A{BLANK}bearer{BLANK}-a)(?:{BLANK}|=)(?!-){WORD}"
        ),
        "http -A bearer -a aB3dE5gH7jK9mN1pQ4sT6vZq9 https://example.com",
        "vercel -t production deploy",
        "atp",
        is_odd=True,
    ),
    Command(
        "user and secret in a row",
        ("net user", "isql", "bundle config", "rclone obscure", "setairportnetwork"),
        pattern(
            rf"\b(?:net{BLANK}user{BLANK}[\w.-]{{1,40}}|isql{BLANK}[\w.-]{{1,40}}{BLANK}[\w.-]{{1,40}}|rclone{BLANK}obscure|setairportnetwork{BLANK}\w{{1,10}}{BLANK}(?:\"[^\"\n]{{1,60}}\"|'[^'\n]{{1,60}}'|\S{{1,60}})){BLANK}(?![-/]){WORD}"
            rf"|\bbundle{BLANK}config{BLANK}(?:set{BLANK})?(?:--\w{{1,10}}{BLANK})?[\w./:-]{{3,80}}{BLANK}[\w.-]{{1,60}}:([^\s\"'|;]{{4,200}})"
        ),
        "net user ada hunter2!Zq9",
        "net user ada guest",
        is_odd=True,
    ),
    Command(
        "user using a secret",
        ("connect to",),
        pattern(rf"(?i:connect{BLANK}to{BLANK}\S{{1,60}}{BLANK}user{BLANK}\S{{1,60}}{BLANK}using){BLANK}{WORD}"),
        "db2 connect to shop user ada using hunter2!Zq9",
        "connect to shop user ada using ssl",
        is_odd=True,
    ),
    Command(
        "network device",
        ("enable secret", "enable password", "username ", "snmp-server community", "rocommunity", "rwcommunity"),
        pattern(
            rf"\b(?:enable{BLANK}(?:secret|password){BLANK}(?:\d{BLANK})?|username{BLANK}[\w.-]{{1,40}}{BLANK}(?:privilege{BLANK}\d{{1,2}}{BLANK})?(?:algorithm-type{BLANK}\w{{4,10}}{BLANK})?(?:secret|password){BLANK}(?:\d{BLANK})?|snmp-server{BLANK}community{BLANK}|r[ow]community6?{BLANK}){WORD}(?=\s{{0,3}}(?:\n|\\|\Z|[\"'])|\s(?:RO|RW|default)\b)"
        ),
        "username admin privilege 15 secret hunter2!Zq9",
        "snmp-server community public RO",
        is_odd=True,
    ),
    Command(
        "user of Redis",
        ("setuser", "user "),
        pattern(
            r"\b(?:(?i:acl\s{1,3}setuser)\s{1,3}[\w.-]{1,40}|user\s{1,3}[\w.-]{1,40}\s{1,3}(?:on|off))\s{1,3}(?:[^\s\"'>]{1,40}\s{1,3}){0,6}[\"']?>([^\s\"'>=]{4,200})"
        ),
        "ACL SETUSER ada on >hunter2!Zq9 ~* +@all",
        "ACL SETUSER ada on nopass",
        is_odd=True,
        mark=">",
        begins=("acl", "user"),
    ),
    Command(
        "login of a remote tool",
        ("impacket", "secretsdump", "psexec.py", "wmiexec", "smbexec", "getnpusers", "getuserspns", "mssqlclient"),
        pattern(
            rf"\b(?:impacket-\w{{3,20}}|secretsdump|psexec|wmiexec|smbexec|GetNPUsers|GetUserSPNs|mssqlclient)(?:\.py)?\b{_REST}[\s\"'][\w.\\/-]{{1,60}}:([^\s\"'@]{{3,100}})@"
        ),
        "secretsdump.py acme.example/ada:hunter2!Zq9@10.0.0.1",
        "secretsdump.py acme.example/ada@10.0.0.1",
        mark="@",
        begins=("impacket", "secretsdump", "psexec", "wmiexec", "smbexec", "getnpusers", "getuserspns", "mssqlclient"),
    ),
    Command(
        "code of a wireless network",
        ("wifi:",),
        pattern(r"\bWIFI:(?:[^;\n]{0,60};){0,4}?P:([^;\n\"]{3,100});"),
        "WIFI:S:home;T:WPA;P:hunter2!Zq9;;",
        "WIFI:S:home;T:nopass;;",
    ),
    Command(
        "chpasswd, here-document",
        ("chpasswd",),
        pattern(r"\bchpasswd\b[^\n]{0,40}<<-?\s?[\"']?\w{1,20}[\"']?(?:\n|\\n)[\w.-]{1,40}:([^\s:\\]{3,200})"),
        "chpasswd <<EOF\nada:hunter2!Zq9\nEOF",
        "chpasswd < users.txt",
        mark="<<",
    ),
    Command(
        "login by a call",
        ("login(",),
        pattern(r"\blogin\(\s?\\{0,4}[\"'][^\"'\n]{1,80}[\"'],\s?\\{0,4}[\"']([^\"'\n\\]{4,200})\\{0,4}[\"']"),
        'smtp.login("ada", "hunter2!Zq9")',
        'login(page, "ada2@example.com")',
        is_odd=True,
    ),
    *(
        Command(
            f"argument {number} of a call",
            names,
            pattern(
                rf"\b(?i:{'|'.join(map(re.escape, names))})\(\s{{0,20}}(?:{_ARGUMENT}){{{number - 1}}}[bru]?\\{{0,4}}[\"']([^\"'\n\\]{{4,200}})\\{{0,4}}[\"']"
            ),
            hidden,
            stays,
            is_odd=True,
        )
        for number, names, hidden, stays in zip(
            (1, 2, 3),
            _BY_POSITION,
            (
                'hashpw(b"hunter2!Zq9", salt)',
                'NetworkCredential("ada", "hunter2!Zq9")',
                'PDO($dsn, "ada", "hunter2!Zq9")',
            ),
            ("hashpw(value, salt)", 'NetworkCredential("ada", "main")', 'PDO($dsn, "ada", "shop")'),
            strict=True,
        )
    ),
)
