"""Secrets in source code and in what programs print of their values."""

import pytest
from secret_cases import PROSE

from infinium_integrations.redaction.redactor import Redactor

PASSWORD, TOKEN = "hunter2!Zq9", "aB3dE5gH7jK9mN1pQ4sT6vW8"


def assert_hidden(text):
    """Neither the password nor the token of a text is shown."""
    shown = Redactor().text(text.format(X=PASSWORD, T=TOKEN))
    assert PASSWORD not in shown
    assert TOKEN not in shown


@pytest.mark.parametrize(
    "text",
    [
        "if (password === '{X}') {{",
        "if (password !== '{X}') {{",
        'if x_api_key != "{T}":',
        'password: Optional[str] = "{X}"',
        'api_key: str | None = "{T}"',
        'password: Annotated[str, Secret] | None = "{X}"',
        "password: SecretStr = SecretStr('{X}')",
        'password: str = Field("{X}", min_length=8)',
        'password: str = Field(default="{X}")',
        'String password = new String("{X}");',
        'process.env.DB_PASSWORD || "{X}"',
        "process.env['JWT_SECRET'] ?? '{T}'",
        'os.environ.get("DB_PASSWORD") or "{X}"',
        'getenv("DB_PASSWORD") ?: "{X}"',
        "env('DB_PASSWORD', default='{X}')",
        'parser.add_argument("--password", type=str, default="{X}")',
        "pw             = '{X}'",
        "Password:           {X}",
        "    [password] => {X}",
        '["password"]=>\n  string(11) "{X}"',
        's:8:"password";s:11:"{X}";',
        "password ==> {X}",
        'config.setPassword( "{X}" );',
        'if (!password.equals("{X}"))',
        'assert user.check_password("{X}")',
        'headers: "Basic " + btoa("ada:{X}")',
        "$ gh auth token\n{T}\n$ ls",
        "$ kubectl get secret db -o jsonpath='{{.data.password}}' | base64 -d\n{X}",
        '"output": "$ op read op://v/db/password\\n{X}"',
        "credentials for staging: ada / {X}",
        "Here are the creds: demo@example.com {X}",
        "pswd={X}",
        '"passCode": "{X}"',
        '"hmac_key": "{T}"',
        "DriverManager.getConnection(url, 'ada', '{X}')",
        "new PDO('mysql:host=h;dbname=d', 'ada', '{X}')",
        'new mysqli("h", "ada", "{X}", "d");',
        'new NetworkCredential("ada", "{X}")',
        'new PasswordAuthentication("ada", "{X}".toCharArray())',
        'imap.login("ada@example.com", "{X}")',
        'new BasicAWSCredentials("an-id", "{T}")',
        "jwt.sign(payload, '{T}', {{expiresIn: 1}})",
        "crypto.createHmac('sha256', '{T}')",
        'bcrypt.hashpw(b"{X}", salt)',
        'new AzureKeyCredential("{T}")',
        "SELECT pgp_sym_encrypt('x', '{X}')",
        "NAME      TOKEN                       AGE\nci-bot    {T}    3d",
        "USER   PASSWORD     TOKEN\nada    {X}  {T}",
        "   user     password  role\n0   ada  {X}  admin\n1   bob          a2b3c  user",
        "DETAIL:  Key (api_key)=({T}) already exists.",
        "Key (user_id, token)=(1, {T}) already exists.",
        'env[DB_PASSWORD] = "{X}"',
        "os.environ[API_KEY] = '{T}'",
        "| Name | Required | Default |\n|---|---|---|\n| `API_KEY` | yes | `{T}` |",
        "| DB_PASSWORD | string | yes | {X} | of the database |",
        '~ password = "old1pass" -> "{X}"',
        'args:\n  - "--password"\n  - "{X}"',
        'variable "db_password" {{\n  type      = string\n  sensitive = true\n  default   = "{X}"\n}}',
        "key                  value\n---                  -----\nclient_token         {T}",
    ],
)
def test_a_secret_in_code_is_hidden(text):
    assert_hidden(text)


@pytest.mark.parametrize(
    "text",
    [
        'let o = "password"===t.field_name || x',
        "if (password !== passwordConfirmation) {",
        "password: Optional[str] = None",
        "password: str = Field(..., min_length=8)",
        'password = PasswordField("Password")',
        'process.env.DB_PASSWORD || ""',
        'parser.add_argument("--token-limit", type=int, default=4096)',
        'parser.add_argument("--password", help="used by v2", default=None)',
        "[tokens] => 12",
        "creds for the demo: demo@example.com",
        'get_password("user_2")',
        "$ kubectl get secret\nNAME      TYPE     DATA2\n",
        "auth token\nexpired",
        "jwt.verify(token, process.env.KEY2)",
        "crypto.createHmac('sha256', 'secret')",
        'login("ada", password2)',
        'new PDO("mysql:host=h;dbname=d", $user, $pass2)',
        "NAME      TOKEN    AGE\nci-bot    enabled2    3d\n",
        "   user  password\n0   ada  required\n",
        "Key (token_id)=(123456789) already exists.",
        'd[secret] == "abc123def"',
        "vocab[token] = len(vocab)",
        "seen[password] = value",
        "row[x + xpos - pw] = char2",
        "| password | required | v2.1-rc1 |",
        "| token | string | The token, see RFC7519 | yes |",
        "| password | minLength | 8 | since 2.1 |",
        'args:\n  - "username"\n  - "password"\n  - "address2"',
        'variable "db_password" {\n  type = string\n}\nvariable "kind" {\n  default = "t3.micro2"\n}',
    ],
)
def test_code_without_a_secret_stays(text):
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        'browser_type(ref="e12", element="Password textbox", text="{X}")',
        '{{"name":"browser_type","arguments":{{"element":"Password field","ref":"e12","text":"{X}"}}}}',
        '"arguments": "{{\\"element\\": \\"Password\\", \\"ref\\": \\"e12\\", \\"text\\": \\"{X}\\"}}"',
        '{{"tool":"fill","selector":"#password","value":"{X}"}}',
        '{{"selector": "input[name=\\"password\\"]", "text": "{X}"}}',
        '{{"question": "What is your password?", "answer": "{X}"}}',
        "page.fill('input[type=password]', '{X}')",
        "cy.get('#password').type('{X}')",
        'await page.getByLabel("Password").first().fill("{X}")',
        'driver.find_element(By.NAME, "password").send_keys("{X}")',
        'driver.findElement(By.name("password")).sendKeys("{X}")',
        '- textbox "Password" [ref=e12] [cursor=pointer]: {X}',
        "<input type=password value={X}>",
        'Typed "{X}" into the password field.',
        "I entered {X} in the Password box, then pressed Enter.",
        "Fill the password field with {X}",
        "log in as ada with {X} as password",
        "{X} is the password",
        "try {X} for the root password",
    ],
)
def test_a_password_that_an_agent_types_is_hidden(text):
    assert PASSWORD not in Redactor().text(text.format(X=PASSWORD))


@pytest.mark.parametrize(
    "text",
    [
        'page.getByLabel("Password").fill(process.env.PASSWORD)',
        "cy.get('#password').type('{enter}')",
        '- textbox "Password" [ref=e12]: Enter password',
        '{"element":"Password field","ref":"e12"}',
        "I typed the password into the field of step2.html",
        "enter an address in the password form",
        "use OAuth2 for the password flow",
        "mail ada2@example.com for the password",
        "Fill the password field with text",
    ],
)
def test_what_an_agent_does_without_a_password_stays(text):
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        'curl -b "session={T}" https://example.com',
        "xh -a ada:{X} example.com",
        "beeline -u jdbc:hive2://h -n ada -p {X}",
        'printf "{X}" | gcloud secrets versions add db --data-file=-',
        'echo "{T}" | wrangler secret put API_KEY',
        'vercel env add API_KEY production <<< "{T}"',
        "smbpasswd -a ada <<< {X}",
        "bw login ada@example.com {X}",
        "wandb login {T}",
        "cloudflared service install {T}",
        "security add-generic-password -a ada -s db -w {X}",
        "security unlock-keychain -p {X} login.keychain",
        "htpasswd -b -c .htpasswd ada {X}",
        "composer config http-basic.repo.example.com ada {X}",
        'drush user:password ada "{X}"',
        "dotnet nuget add source x -u ada -p {X}",
        "[SQL: INSERT INTO users (name, password) VALUES (?, ?)]\n[parameters: ('ada', '{X}')]",
    ],
)
def test_a_secret_given_to_a_command_is_hidden(text):
    assert_hidden(text)


@pytest.mark.parametrize(
    "text",
    [
        "curl -b cookies2.txt https://example.com",
        "wandb login --relogin",
        "bw login ada@example.com",
        'echo "v1.2.3" | gcloud builds submit',
        "htpasswd -c .htpasswd ada2",
        "[SQL: INSERT INTO users (name, age) VALUES (?, ?)]\n[parameters: ('ada2', 'x17y')]",
    ],
)
def test_a_command_without_a_secret_stays(text):
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    "text", ["vault login {T}", "rabbitmqctl add_user ada {X}", "mc alias set m https://h ada {X}", 'btoa("ada:{X}")']
)
def test_a_command_in_a_paragraph_of_its_own_is_found_in_long_prose(text):
    shown = Redactor().text(f"{PROSE}\n\n{text.format(X=PASSWORD, T=TOKEN)}\n\n{PROSE}")
    assert PASSWORD not in shown
    assert TOKEN not in shown
