"""Secrets in source code and in what programs print of their values."""

import pytest

from infinium_integrations.redaction.redactor import Redactor

PASSWORD, TOKEN = "hunter2!Zq9", "aB3dE5gH7jK9mN1pQ4sT6vW8"


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
    ],
)
def test_a_secret_in_code_is_hidden(text):
    shown = Redactor().text(text.format(X=PASSWORD, T=TOKEN))
    assert PASSWORD not in shown
    assert TOKEN not in shown


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
    ],
)
def test_code_without_a_secret_stays(text):
    assert Redactor().text(text) == text
