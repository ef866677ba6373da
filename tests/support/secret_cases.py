# ruff: noqa: E501, RUF001
"""The generator of cases: vendors' shapes and secrets under a name, in many places, whole and cut."""

import json
import re
import time
from collections.abc import Iterator
from urllib.parse import quote

from infinium_integrations.redaction.redactor import spans
from infinium_integrations.redaction.rules import VENDORS, Vendor

PROSE = "The travellers went on through the hills, and nobody had thought of rain until the evening came. " * 15
PASSWORDS = (
    "hunter2!Zq9",
    "Tr0ub4dor&3x",
    "S3cr3tPassw0rd",
    "kX9#mP2$vL5w",
    "correct-horse-9-battery",
    "aQNXb7UHyJPU42",
)
TOKENS = ("aB3dE5gH7jK9mN1pQ4sT6vW8", "3f9a1c7e5b2d8046af13ce97bd205846", "wJalrXUtnFEMI7K3MDENGbPxRfiCYzQ8kLm3NvT")

EVERYDAY = {
    "JSON": (
        '{{"password": "{}"}}',
        '{{"user": "ada", "password":"{}","n":1}}',
        '{{"db": {{"password": "{}"}}}}',
        '{{"password": {{"value": "{}"}}}}',
        '{{"password": {{"type": "plain", "value": "{}"}}}}',
        '{{"args": "{{\\"password\\": \\"{}\\"}}"}}',
        '{{"a": "{{\\"b\\": \\"{{\\\\\\"password\\\\\\": \\\\\\"{}\\\\\\"}}\\"}}"}}',
        '{{\n  "password" : "{}"\n}}',
        "{{'password': '{}', 'user': 'ada'}}",
        "{{'db_password': b'{}'}}",
        '{{"credentials": {{"username": "ada", "password": "{}"}}}}',
        '{{"adminPassword": "{}"}}',
        '{{"passwordConfirmation": "{}", "a": 1}}',
    ),
    "name and value": (
        '{{"name": "DB_PASSWORD", "value": "{}"}}',
        '{{\n  "name": "DB_PASSWORD",\n  "value": "{}"\n}}',
        "- name: DB_PASSWORD\n  value: {}\n",
        '- name: DB_PASSWORD\n  value: "{}"\n',
        '[{{"name":"X-Api-Password","value":"{}"}}]',
        '{{"key": "password", "value": "{}", "enabled": true}}',
        '{{"key": "password", "type": "text", "value": "{}"}}',
        '{{"Name": "DbPassword", "Value": "{}"}}',
        '{{"text": "{{\\"name\\": \\"DB_PASSWORD\\", \\"value\\": \\"{}\\"}}"}}',
        '<add key="DbPassword" value="{}"/>',
        '<input type="password" name="password" value="{}">',
        '<property name="password" value="{}"/>',
        '<property name="password">{}</property>',
        '<string name="db_password">{}</string>',
        'environment {{ name = "DB_PASSWORD"\n value = "{}" }}',
    ),
    "YAML": (
        "db:\n  password: {}\n  host: x\n",
        'db:\n  password: "{}"\n',
        "password: '{}'\n",
        "{{host: db, password: {}, port: 5432}}",
        "password: |\n  {}\nhost: db\n",
        "password: >-\n  {}\nhost: db\n",
        "  password: |-\n    {}\n  host: db\n",
        "- password: {}\n- host: x",
        "password:   {}   # rotated\n",
        "password: !secret {}\n",
    ),
    "TOML, .env, ini": (
        'password = "{}"\n',
        "password='{}'\n",
        'password = """{}"""\n',
        "DB_PASSWORD={}\nDB_HOST=x\n",
        'export DB_PASSWORD="{}"\n',
        "PGPASSWORD={} psql -h db",
        "[db]\npassword = {}\nhost = x\n",
        "password: {}\n",
        "db.password={}\n",
        "spring.datasource.password={}\n",
        "$env:DB_PASSWORD = '{}'",
        "set DB_PASSWORD={}\r\n",
        "setx DB_PASSWORD {}",
        "set -gx DB_PASSWORD {}",
        "ENV DB_PASSWORD {}",
        "ENV DB_PASSWORD={}",
        "machine api.example.com login ada password {}",
        "db.example.com:5432:shop:ada:{}\n",
    ),
    "Terraform and code": (
        'variable "db_password" {{\n  type    = string\n  default = "{}"\n}}',
        'resource "x" "y" {{\n  master_password = "{}"\n}}',
        "const password = '{}';",
        'let dbPassword: string = "{}";',
        'String password = "{}";',
        '#define DB_PASSWORD "{}"',
        "'password' => '{}',",
        ':password => "{}"',
        'password := "{}"',
        'Login(user="ada", password="{}")',
        "connect('db', user='ada', passwd='{}')",
        'builder.setPassword("{}")',
        '.password("{}")',
        'keyring.set_password("svc", "ada", "{}")',
        'requests.get(url, auth=("ada", "{}"))',
        'HTTPBasicAuth("ada", "{}")',
        "Config{{User:ada Password:{} Host:db}}",
        "User(name='ada', password='{}')",
        "User(name=ada, password={})",
    ),
    "XML and HTML": (
        "<password>{}</password>",
        "<db:password>{}</db:password>",
        '<password type="plain">{}</password>',
        "<password><![CDATA[{}]]></password>",
        '<user name="ada" password="{}"/>',
        "<tr><td>Password</td><td>{}</td></tr>",
        "<dt>Password</dt>\n<dd>{}</dd>",
        "<li><b>Password:</b> {}</li>",
        "<p>Password: <code>{}</code></p>",
        "<key>password</key>\n<string>{}</string>",
    ),
    "tables": (
        "user,password\nada,{}\n",
        "id,user,password,role\n1,ada,{},admin\n2,bob,x,user\n",
        '"user","password"\n"ada","{}"\n',
        "user;password\nada;{}\n",
        "user\tpassword\nada\t{}\n",
        "| user | password |\n|------|----------|\n| ada | {} |\n",
        "| Password | {} |",
        "| **Password** | `{}` |",
        '{{"text": "user,password\\nada,{}\\n"}}',
        "user | password\n-----+---------\nada | {}\n",
    ),
    "SQL": (
        "CREATE USER ada IDENTIFIED BY '{}';",
        "ALTER USER 'ada'@'%' IDENTIFIED WITH mysql_native_password BY '{}'",
        "CREATE ROLE ada LOGIN PASSWORD '{}'",
        "ALTER ROLE ada WITH PASSWORD '{}';",
        "CREATE LOGIN ada WITH PASSWORD = '{}'",
        "UPDATE users SET password = '{}' WHERE id = 1",
        "UPDATE users SET password='{}'",
        "INSERT INTO users (name, password) VALUES ('ada', '{}')",
        "INSERT INTO users (id, name, password, role) VALUES (1, 'ada', '{}', 'x'), (2, 'b', 'y', 'z')",
        "SET PASSWORD FOR 'ada' = PASSWORD('{}')",
        "SELECT * FROM users WHERE password = '{}'",
    ),
    "commands": (
        "mysql -u root -p{} shop",
        "mysqldump --password={} shop",
        "mysql --user=root --password {}",
        "docker login -u ada -p {} registry.example.com",
        "docker login --username ada --password {}",
        "sshpass -p {} ssh ada@host",
        "sshpass -p '{}' ssh ada@host",
        "curl -u admin:{} https://example.com",
        "curl -uadmin:{} https://example.com",
        "curl --user admin:{} https://example.com",
        "curl -u 'admin:{}' https://example.com",
        "redis-cli -h cache -a {} ping",
        "mongosh -u ada -p {} --authenticationDatabase admin",
        "sqlcmd -S db -U sa -P {} -Q 'select 1'",
        "ldapsearch -D cn=ada -w {} -b dc=example",
        "openssl rsa -in k.pem -passin pass:{}",
        "htpasswd -cb .htpasswd ada {}",
        "echo {} | sudo -S apt update",
        "echo '{}' | docker login -u ada --password-stdin",
        "kubectl create secret generic db --from-literal=password={}",
        "az login -u ada -p {}",
        "helm registry login -u ada -p {} registry.example.com",
        "mosquitto_pub -u ada -P {} -t x",
        "net user ada {} /add",
        "wget --password={} https://example.com",
        "smbclient //h/s -U ada%{}",
        "['--password', '{}']",
        '["mysql", "--password", "{}"]',
        'subprocess.run(["mysql", "-u", "root", "-p{}"])',
        '["cmd", "--db-password={}"]',
        "tool -password {} -v",
        "keytool -storepass {} -list",
    ),
    "connections": (
        "postgresql://ada:{url}@db.example.com:5432/x",
        "mongodb+srv://ada:{url}@cluster.example.com/x",
        "amqp://ada:{url}@mq.example.com/v",
        "redis://:{url}@cache.example.com:6379/0",
        "Server=db;User Id=sa;Password={};Encrypt=true",
        "Server=db;Uid=sa;Pwd={};",
        "Data Source=db;User ID=sa;Password='{}'",
        "jdbc:postgresql://db/x?user=ada&password={url}",
        "jdbc:sqlserver://db;user=sa;password={};encrypt=true",
        "jdbc:oracle:thin:scott/{url}@//db:1521/x",
        "host=db user=ada password={} dbname=x",
        "ada:{url}@tcp(db:3306)/shop",
        "sqlplus scott/{url}@orcl",
        "smtp://ada:{url}@mail.example.com:587",
        "ftp://ada:{url}@files.example.com/x",
    ),
    "URLs": (
        "https://example.com/?user=ada&password={url}",
        "https://example.com/?pw={url}&x=1",
        "POST /login username=ada&password={url}&remember=1",
        "https://example.com/cb#password={url}",
        "https://example.com/%3Fpassword%3D{url}",
    ),
    "errors": (
        "1 validation error for Login\npassword\n  String should have at most 5 characters [type=string_too_long, input_value='{}', input_type=str]",
        "1 validation error for Login\nuser.password\n  Input should be a valid integer [type=int_parsing, input_value='{}', input_type=str]\n    For further information",
        "[{{'type': 'string_too_short', 'loc': ('password',), 'msg': 'String should have', 'input': '{}'}}]",
        "1 validation error for Login\nn\n  Field required [type=missing, input_value={{'password': '{}'}}, input_type=dict]",
        "ValueError: invalid password: '{}'",
        "login failed for ada (password={})",
        "Error: wrong password '{}' for user ada",
        "2026-01-31 ERROR login failed user=bob password='{}' ip=::1",
        'msg="login failed" user=ada password="{}"',
    ),
    "markdown": (
        "**Password:** {}",
        "**Password**: {}",
        "**Password:** `{}`",
        "Password: **{}**",
        "Password: `{}`",
        "- Password: {}\n- User: ada",
        "* *Password*: {}",
        "`password`: `{}`",
        "Password — {}",
        "__Password:__ {}",
        "> Password: {}",
        "1. **Username:** ada\n2. **Password:** {}\n",
    ),
    "sentences": (
        "The password is {}.",
        "The password for the staging server is {}.",
        "The password for ada@example.com is {}",
        "my password is {} and I can't log in",
        "Your new password is: {}",
        "Your temporary password: {}",
        "I changed the password to {} yesterday.",
        "The admin password was reset to {}.",
        'The password is "{}".',
        "The password is '{}'",
        "use the password {} to log in",
        "log in with user ada and password {}",
        "login: ada, password: {}",
        "user: ada\npassword: {}\n",
        "credentials: ada / {}",
        "Password → {}",
        "password - {}",
        "pw: {}",
        "The password of the database is now {}.",
    ),
    "languages": (
        "Passwort: {}",
        "Das Passwort ist {}.",
        "Das Passwort für den Server lautet {}",
        "Kennwort: {}",
        "Contraseña: {}",
        "La contraseña es {}",
        "Senha: {}",
        "A senha é {}",
        "Mot de passe : {}",
        "Le mot de passe est {}",
        "Wachtwoord: {}",
        "Hasło: {}",
        "Heslo: {}",
        "Пароль: {}",
        "пароль — {}",
        "密码：{}",
        "密码是{}",
        "パスワード：{}",
        "パスワードは{}です",
        "비밀번호: {}",
        "Şifre: {}",
        "Lösenord: {}",
        "Salasana: {}",
        "Parola: {}",
        "passwort = '{}'",
        '{{"passwort": "{}"}}',
        '{{"contraseña": "{}"}}',
        "mdp: {}",
    ),
}
"""Places of a password."""

TELLING = {
    "headers": (
        "Authorization: Bearer {}",
        "Authorization: {}",
        "authorization: Token {}\r\nAccept: */*",
        "X-Api-Key: {}\r\n",
        "x-auth-token: {}",
        "PRIVATE-TOKEN: {}",
        "X-Vault-Token: {}",
        "Ocp-Apim-Subscription-Key: {}",
        "Cookie: session={}; theme=dark",
        "Set-Cookie: sid={}; Path=/; HttpOnly",
        "curl -H 'X-Api-Key: {}' https://example.com",
        '{{"headers": {{"Authorization": "Bearer {}"}}}}',
        "{{'authorization': 'Bearer {}'}}",
        '{{"name": "Authorization", "value": "Bearer {}"}}',
        '[["x-api-key", "{}"]]',
        "[('x-api-key', '{}')]",
    ),
    "keys": (
        "OPENAI_API_KEY={}",
        "api_key: {}",
        'api_key="{}"',
        "API key: {}",
        "**API key:** {}",
        "| API key | {} |",
        "The API key is {}.",
        "Incorrect API key provided: {}.",
        "Invalid API key: {}",
        "Your API key '{}' is invalid",
        "client_secret={}&grant_type=client_credentials",
        '{{"client_secret": "{}"}}',
        "the client secret is {}",
        '{{"token": "{}"}}',
        "--token {}",
        "['--token', '{}']",
        "token: {}\n",
        "https://example.com/v1?key={}",
        "https://example.com/cb?code={}&state=1",
        "https://example.com/cb#access_token={}&token_type=bearer",
        "https://example.com/?api_key={}",
        "aws_secret_access_key = {}",
        "aws configure set aws_secret_access_key {}",
        "AccountName=x;AccountKey={};EndpointSuffix=core.windows.net",
        "Endpoint=sb://x/;SharedAccessKeyName=a;SharedAccessKey={}",
        "//registry.npmjs.org/:_authToken={}",
        '<add key="ApiKey" value="{}"/>',
        "- name: API_TOKEN\n  value: {}\n",
        "name,api_key\nada,{}\n",
        '{{"apiKey": {{"value": "{}"}}}}',
        'variable "api_key" {{\n  default = "{}"\n}}',
        "refreshToken={}",
        "os.environ['OPENAI_API_KEY'] = '{}'",
        'os.environ.setdefault("OPENAI_API_KEY", "{}")',
        'Client(api_key="{}")',
        "localStorage.setItem('token', '{}')",
        "api_key\n  Value error [type=value_error, input_value='{}', input_type=str]",
    ),
}
"""Places of a token."""

DIGITS = (
    "PIN: 4711",
    "pin_code=4711",
    "the PIN is 4711",
    '{"pin": "4711"}',
    "OTP: 482913",
    '{"otp": "482913"}',
    "cvv=123",
    "verification code: 482913",
    "Your verification code is 482913",
)

ANYWHERE = (
    *(
        "{}",
        "use {} now",
        'say "{}".',
        "('{}',)",
        "`{}`",
        "**{}**",
        "<b>{}</b>",
        "| {} |",
        "<{}>",
        "[{}]",
        "({})",
        "{{{}}}",
    ),
    *(
        '{{"text": "key:\\n{}\\nend"}}',
        "first line\n{}\nlast line",
        "kwargs: f(x={}, y=2)",
        "ValueError: cannot log in with {}",
    ),
    *(
        "übergroß {} 漢字",
        "x" * 3_000 + " {} " + "y" * 3_000,
        "\x1b[1m{}\x1b[0m",
        "a\\n{}\\tb",
        "key={}&x=1",
        "x: {}\n",
        "- {}\n- b",
    ),
    *(
        "a,{},b",
        "a;{};b",
        "a\t{}\tb",
        "a|{}|b",
        "{}\r\n",
        "'{}'",
        '"{}"',
        "“{}”",
        "«{}»",
        "{}.",
        "{},",
        "{}!",
        "{};",
        "{}:",
        "#{}",
        "/{}",
    ),
    *(
        '\\"{}\\"',
        '\\\\\\"{}\\\\\\"',
        "```\n{}\n```",
        "$ echo {}",
        "# {}",
        "<!-- {} -->",
        "//{}",
        "/* {} */",
        "%0A{}",
        "a%20{}",
    ),
    *(
        "export X={}",
        "X: '{}'",
        "value is {}",
        "sent {} to ada",
        "{} {}",
        "Traceback: KeyError: '{}'",
        "[INFO] {} ok",
        "<td>{}</td>",
    ),
    *("print('{}')", 'log.info("%s", "{}")', "{{'a': '{}'}}", '["{}", 1]', "=={}==", "~{}", "({}, 1)"),
)
"""Places of a vendor's secret."""


def everyday() -> Iterator[tuple[str, str, str]]:
    """Give family, text and the secret in it."""
    for places, secrets in ((EVERYDAY, PASSWORDS), (TELLING, TOKENS)):
        for family, templates in places.items():
            for template in templates:
                for secret in secrets:
                    inner = quote(secret, safe="") if "{url}" in template else secret
                    if template.startswith("{{") and '"' in template:
                        inner = json.dumps(inner)[1:-1]
                    text = template.replace("{url}", "{}").format(inner)
                    yield family, text, inner
                    yield family, f"Dear all,\n{text}\nBest, Bob", inner


def shapes() -> Iterator[tuple[Vendor, str, str]]:
    """Give vendor, text and the secret in it: the example of each, and another with other letters."""
    for vendor in VENDORS:
        other = _another(vendor.hidden)
        for secret in dict.fromkeys((vendor.hidden, other if vendor.start in other else vendor.hidden)):
            for place in ANYWHERE:
                yield vendor, place.format(secret, secret), secret


def _another(secret: str) -> str:
    """Return a secret with the second half of its longest run of letters and digits in reverse."""
    run = max(re.findall("[A-Za-z0-9]+", secret), key=len)
    half = len(run) // 2
    return secret.replace(run, run[:half] + run[half:][::-1])


def left(secret: str, text: str, least: int = 6) -> bool:
    """Return whether a part of a secret still stands in a text."""
    return any(secret[at : at + least] in text for at in range(max(1, len(secret) - least + 1)))


def cpu_seconds(text, *, open_end=False):
    """Seconds of CPU that looking for secrets in a text takes."""
    start = time.process_time()
    list(spans(text, open_end=open_end))
    return time.process_time() - start


def grows_with_its_length(piece):
    """Whether a text of pieces costs hardly more than four times as much where it is four times as long."""
    long, short = (min(cpu_seconds((piece * size)[:size]) for _ in range(3)) for size in (80_000, 20_000))
    return long < 9 * short
