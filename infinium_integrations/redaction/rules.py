# ruff: noqa: E501  (patterns are read best in one piece)
"""The shapes of vendors' secrets: one readable table. The forms in which a name gives a secret away are in ``forms``.

The facts (prefix, alphabet, length) are from the vendors' documentation and public rule sets. To add a vendor, add a
line. ``hidden`` is made up; ``stays`` begins alike and is none.
"""

from typing import NamedTuple

__all__ = ["ESCAPES", "VENDORS", "Vendor", "at_start"]

_ALNUM = (
    "aB3dE5gH7jK9mN1pQ4sT6vW8xZ0bC2eF4hJ6kL8nP0rS2uV4yA6cD8fG1iM3oR5tU7wX9zB1dE3f"
    "G5hJ7kL9mN1pQ3rS5tU7vW9xY1zA3bC5dF7gH9jK1"
)
_HEX = "3f9a1c7e5b2d8046af13ce97bd205846e1f7a9c3d5b08264917f3e5a0c8b6d24f1a97c3e5d0b8264"
_UPPER = "Q3EGRVZLT7WX5N2BK4JMP6HCY3DAQ7FESU5TZ2XWVR4N6KLJ3HG5PM7CBYD2AE4FQ6SUTZ3"
_UUID = "3f9a1c7e-5b2d-4046-af13-ce97bd205846"

ESCAPES = (
    *("\\\\[nrtbfv0]", "%[0-9A-Fa-f]{2}", "\\\\u[0-9A-Fa-f]{4}", "\\\\x[0-9A-Fa-f]{2}"),
    *("\\[[0-9]m", "\\[[0-9]{2}m"),
)
"""What may stand right before a secret though it ends in a letter: escapes of JSON, URLs and terminals."""


def at_start(first: str, before: str = "") -> str:
    """Return a pattern of a first letter or literal that begins a word; a search for it is quick.

    With ``before``, of as many characters always, the word begins with that: what is matched is the literal after it.
    """
    escapes = "|".join(f"(?<={escape}{before}{first})" for escape in ESCAPES)
    behind = f"(?<={before}{first})" if before else ""
    return f"{first}{behind}(?:(?<![A-Za-z0-9]{before}{first})|{escapes})"


_A, _H, _W = "[A-Za-z0-9]", "[a-f0-9]", "[A-Za-z0-9_-]"
_ID = f"{_H}{{8}}(?:-{_H}{{4}}){{3}}-{_H}{{12}}"


class Vendor(NamedTuple):
    """One shape.

    ``where``: ``any``, the start says enough wherever it stands; ``word``, a word must begin with it; ``inside``, it
    stands in the middle. Then ``before`` is what the word begins with, always of as many characters; where there is
    none, ``body`` is the whole.
    """

    name: str
    family: str
    start: str
    body: str
    where: str
    hidden: str
    stays: str
    before: str = ""


_Row = tuple[str, str, str, str] | tuple[str, str, str, str, str] | tuple[str, str, str, str, str, str]


def _family(name: str, *rows: _Row) -> list[Vendor]:
    """Make a family's rules of rows: vendor, starts (by blanks), body, the rest of an example, ``where``, ``before``."""
    rules = []
    for vendor, starts, body, rest, *more in rows:
        place, before = (*more, *("word", "")[len(more) :])
        for start in starts.split():
            hidden = rest if place == "inside" or rest.startswith("https:") else start + rest
            rules.append(Vendor(vendor, name, start, body, place, hidden, f"{start}example", before))
    return rules


_AI = _family(
    "AI",
    ("OpenAI", "sk-proj- sk-svcacct- sk-admin-", f"{_W}{{10,}}+", f"{_ALNUM[:20]}_{_ALNUM[20:60]}", "any"),
    ("OpenAI session", "sess-", f"{_A}{{32,}}+", _ALNUM[:40]),
    (
        "OpenAI, DeepSeek and alike",
        "sk-",
        f"(?:{_A}{{16,}}+|(?:{_A}{{1,12}}-){{1,3}}(?=[A-Za-z_]{{0,80}}[0-9])[A-Za-z0-9_]{{16,}}+)[\\w-]*+",
        _ALNUM[:48],
    ),
    (
        "OpenAI by its mark",
        "T3BlbkFJ",
        f"{_W}{{20,100}}T3BlbkFJ{_W}{{20,}}+",
        f"{_ALNUM[:24]}T3BlbkFJ{_ALNUM[:20]}",
        "inside",
    ),
    ("Anthropic", "sk-ant-", f"{_W}{{10,}}+", f"api03-{_ALNUM[:90]}AA", "any"),
    ("OpenRouter", "sk-or-v1-", f"{_W}{{10,}}+", _HEX[:64], "any"),
    ("Langfuse", "sk-lf-", f"{_W}{{10,}}+", _UUID, "any"),
    ("LangSmith", "lsv2_", "(?:pt|sk)_[A-Za-z0-9_]{16,}+", f"pt_{_HEX[:32]}_{_HEX[:10]}", "any"),
    ("LangSmith, old", "ls__", f"{_H}{{32}}", _HEX[:32]),
    ("Hugging Face", "hf_ api_org_", f"{_A}{{16,}}+", _ALNUM[:34]),
    ("Groq", "gsk_", f"{_A}{{16,}}+", _ALNUM[:52]),
    ("xAI", "xai-", f"{_A}{{16,}}+", _ALNUM[:80]),
    ("NVIDIA", "nvapi-", f"{_W}{{20,}}+", _ALNUM[:64], "any"),
    ("Perplexity", "pplx-", f"{_A}{{30,}}+", _ALNUM[:48]),
    ("Cerebras", "csk-", f"{_A}{{30,}}+", _ALNUM[:48].lower()),
    ("Voyage AI", "pa- al-", f"(?=[A-Za-z_-]{{0,60}}[0-9]){_W}{{40,}}+", _ALNUM[:43]),
    ("Replicate", "r8_", f"{_A}{{30,}}+", _ALNUM[:37]),
    ("Tavily", "tvly-", f"{_W}{{20,}}+", f"dev-{_ALNUM[:32]}"),
    ("Fireworks", "fw_ fpk_", f"{_A}{{20,}}+", _ALNUM[:24]),
    ("Together AI", "tgp_v1_", f"{_W}{{30,}}+", _ALNUM[:43]),
    ("ElevenLabs", "sk_", f"{_H}{{48}}", _HEX[:48]),
    ("Pinecone", "pcsk_", "[A-Za-z0-9_]{16,}+", f"{_ALNUM[:6]}_{_ALNUM[:60]}", "any"),
    ("LlamaCloud", "llx-", f"{_A}{{30,}}+", _ALNUM[:48]),
    ("Jina AI", "jina_", f"{_A}{{40,}}+", f"{_HEX[:32]}{_ALNUM[:32]}"),
    ("Firecrawl", "fc-", f"{_H}{{32}}", _HEX[:32]),
    ("E2B", "e2b_", f"{_H}{{40}}", _HEX[:40]),
    ("RunPod", "rpa_", f"{_A}{{30,}}+", _UPPER[:46]),
    ("Anyscale", "esecret_", f"{_A}{{20,}}+", _ALNUM[:26]),
    ("Mem0", "m0-", f"{_A}{{36,}}+", _ALNUM[:40]),
    ("Weights & Biases", "wandb_v1_", f"{_W}{{30,}}+", _ALNUM[:77]),
    ("Modal", "as- ak-", f"(?=[A-Za-z]{{0,21}}[0-9]){_A}{{22}}(?!{_W})", _ALNUM[:22]),
    ("Zhipu", ".", f"{_A}{{16}}(?!{_A})", f"{_HEX[:32]}.{_ALNUM[:16]}", "inside", f"{_H}{{32}}"),
    ("Cursor", "key_", f"{_H}{{64}}", _HEX[:64]),
)
_CLOUD = _family(
    "cloud",
    ("AWS", "AKIA ASIA ABIA ACCA", "[A-Z0-9]{16,}+", _UPPER[:16]),
    ("AWS Bedrock", "ABSK", "[A-Za-z0-9+/]{60,}+={0,2}", _ALNUM[:100]),
    ("AWS Bedrock, short-lived", "bedrock-api-key-", "[A-Za-z0-9+/]{20,}+={0,2}", _ALNUM[:100], "any"),
    ("Google", "AIza", f"{_W}{{30,}}+", f"Sy{_ALNUM[:33]}", "any"),
    ("Google client secret", "GOCSPX-", f"{_W}{{16,}}+", _ALNUM[:28], "any"),
    ("Google access token", "ya29.", f"{_W}{{16,}}+", _ALNUM[:60], "any"),
    ("Google refresh token", "1//0", f"{_W}{{30,}}+", _ALNUM[:50]),
    (
        "Azure client secret",
        "Q~",
        "[A-Za-z0-9_~.-]{28,40}+",
        f"aB38Q~{_ALNUM[:34]}",
        "inside",
        "[A-Za-z0-9_~.]{3}[0-9]",
    ),
    ("Azure DevOps", "AZDO", f"{_A}{{4}}", f"{_ALNUM[:76]}AZDO{_ALNUM[:4]}", "inside", f"{_A}{{76}}"),
    ("Azure AI", "JQQJ99", f"{_A}{{16,}}+", f"{_ALNUM[:52]}JQQJ99{_ALNUM[:26]}", "inside", f"{_A}{{52}}"),
    (
        "Azure storage",
        "+ASt",
        "[A-Za-z0-9+/]{5,}+={0,2}",
        f"{_ALNUM[:76]}+ASt{_ALNUM[:6]}==",
        "inside",
        "[A-Za-z0-9+/]{76}",
    ),
    (
        "Azure shared access signature",
        "sig=",
        "(?<=[?&;]sig=)([A-Za-z0-9%+/=_-]{16,}+)",
        f"https://x.blob.core.windows.net/c?sv=2024-11-04&sig={_ALNUM[:43]}%3D",
        "any",
    ),
    (
        "Presigned URL",
        "ignature=",
        "((?=[A-Za-z%+/=_-]{0,60}[0-9]|[A-Za-z%+/]{16,60}=)[A-Za-z0-9%+/=_-]{16,}+)",
        _HEX[:64],
        "any",
    ),
    ("Alibaba Cloud", "LTAI", f"(?=[A-Za-z]{{0,20}}[0-9]){_A}{{12,}}+", _ALNUM[:20]),
    ("Yandex", "AQVN", f"{_W}{{30,}}+", _ALNUM[:36]),
    ("Yandex IAM", "t1.", f"{_W}{{8,}}+={{0,2}}\\.{_W}{{60,}}+={{0,2}}", f"{_ALNUM[:20]}.{_ALNUM[:86]}"),
    ("Yandex OAuth", "y0_", f"{_W}{{40,}}+", _ALNUM[:55]),
    ("Scaleway", "SCW", "(?=[A-Z]{0,16}[0-9])[A-Z0-9]{17}(?![A-Z0-9])", _UPPER[:17]),
    ("DigitalOcean", "dop_v1_ doo_v1_ dor_v1_", f"{_H}{{32,}}+", _HEX[:64], "any"),
    ("Heroku", "HRKU-AA", f"{_W}{{40,}}+", _ALNUM[:58]),
    ("Fly.io", "fm1a_ fm1r_ fm2_", "[A-Za-z0-9+/]{60,}+={0,3}", _ALNUM[:110]),
    ("Fly.io organisation", "fo1_", f"{_W}{{40,}}+", _ALNUM[:43]),
    ("Cloudflare origin", "v1.0-", f"{_H}{{24}}-{_H}{{60,}}+", f"{_HEX[:24]}-{_HEX}{_HEX[:66]}"),
    ("Cloudflare", "cfut_ cfat_ cfk_", f"{_A}{{36,}}+", _ALNUM[:48]),
    ("Vercel", "vcp_ vci_ vca_ vcr_ vck_", f"{_A}{{20,}}+", _ALNUM[:56]),
    ("Netlify", "nfp_ nfc_ nfo_ nfu_ nfb_", f"{_A}{{30,}}+", _ALNUM[:36]),
    ("Render", "rnd_", f"(?=[A-Za-z]{{0,30}}[0-9]){_A}{{24,}}+", _ALNUM[:32]),
    ("Scalingo", "tk-us-", f"{_W}{{40,}}+", _ALNUM[:48]),
    ("Octopus Deploy", "API-", "[A-Z0-9]{25,27}(?![A-Za-z0-9])", _UPPER[:26]),
    ("OpenShift", "sha256~", f"{_W}{{43}}", _ALNUM[:43]),
)
_DATA = _family(
    "data",
    ("Databricks", "dapi", f"{_H}{{32}}(?:-[0-9])?", _HEX[:32]),
    ("PlanetScale", "pscale_tkn_ pscale_oauth_ pscale_pw_", "[A-Za-z0-9_=.-]{30,}+", _ALNUM[:43], "any"),
    ("Supabase", "sbp_", f"(?:oauth_|v0_)?{_H}{{40}}", _HEX[:40]),
    ("Supabase secret key", "sb_secret_", f"{_W}{{20,}}+", _ALNUM[:31], "any"),
    ("Neon", "napi_", f"{_A}{{40,}}+", _ALNUM[:64].lower()),
    ("ClickHouse", "4b1d", f"{_A}{{38}}(?!{_A})", _ALNUM[:38]),
    ("Airtable", "pat", f"{_A}{{14}}\\.{_H}{{64}}", f"{_ALNUM[:14]}.{_HEX[:64]}"),
    ("Aiven", "aivenv1_", f"{_A}{{40,}}+", _ALNUM[:64]),
    ("Artifactory", "AKCp", f"{_A}{{60,}}+", _ALNUM[:69]),
    ("Artifactory reference", "cmVmd", f"{_A}{{50,}}+", _ALNUM[:59]),
    ("Contentful", "CFPAT-", f"{_W}{{40,}}+", _ALNUM[:43]),
    ("Dropbox", "sl.", f"(?:u\\.)?{_W}{{100,}}+", _ALNUM[:112]),
    (
        "Dropbox, long-lived",
        "AAAAAAAAAA",
        "[A-Za-z0-9_=-]{43}",
        f"{_HEX[:11]}AAAAAAAAAA{_ALNUM[:43]}",
        "inside",
        "[a-z0-9]{11}",
    ),
    ("MaxMind", "_mmk", "", f"{_ALNUM[:6]}_{_ALNUM[:29]}_mmk", "inside", f"{_A}{{6}}_{_A}{{29}}"),
    ("Prefect", "pnu_ pnb_", f"{_A}{{30,}}+", _ALNUM[:36]),
    ("Amplitude and alike, Duffel", "duffel_", "(?:test|live)_[A-Za-z0-9_=-]{30,}+", f"live_{_ALNUM[:43]}", "any"),
)
_CODE = _family(
    "code",
    ("GitHub", "ghp_ gho_ ghu_ ghs_ ghr_", f"{_A}{{16,}}+", _ALNUM[:36], "any"),
    ("GitHub fine-grained", "github_pat_", "[A-Za-z0-9_]{16,}+", f"11ABCDEFG0{_ALNUM[:12]}_{_ALNUM[:59]}", "any"),
    (
        "GitLab",
        "glpat- gldt- glrt- glcbt- glptt- glsoat- glffct- glft- glimt- glagent- gloas-",
        f"{_W}{{16,}}+(?:\\.[0-9a-z]{{2,9}}+)*+",
        _ALNUM[:20],
        "any",
    ),
    ("GitLab runner", "GR1348941", f"{_W}{{16,}}+", _ALNUM[:20]),
    ("GitLab session", "_gitlab_session=", "([A-Za-z0-9%=-]{16,}+)", _HEX[:32], "any"),
    ("Bitbucket", "ATBB", f"{_A}{{24,}}+", _ALNUM[:32]),
    ("Atlassian", "ATATT3 ATCTT3 ATSTT3", "[A-Za-z0-9_=-]{40,}+", _ALNUM[:112]),
    ("Trello", "ATTA", f"{_H}{{60,}}+", _HEX[:64]),
    ("npm", "npm_", f"{_A}{{30,}}+", _ALNUM[:36], "any"),
    ("PyPI", "pypi-", f"A{_W}{{15,}}+", f"AgEIcHlwaS5vcmc{_ALNUM[:60]}"),
    ("RubyGems", "rubygems_", f"{_H}{{40,}}+", _HEX[:48], "any"),
    ("NuGet", "oy2", "(?=[a-z]{0,42}[0-9])[a-z0-9]{43}(?![a-z0-9])", _ALNUM[:43].lower()),
    ("crates.io", "cio", f"(?=[A-Za-z]{{0,30}}[0-9]){_A}{{32}}(?!{_W})", _ALNUM[:32]),
    ("Clojars", "CLOJARS_", f"{_A}{{40,}}+", _HEX[:60], "any"),
    ("Docker Hub", "dckr_pat_ dckr_oat_", f"{_W}{{20,}}+", _ALNUM[:27], "any"),
    (
        "Terraform",
        ".atlasv1.",
        "[A-Za-z0-9_=-]{40,}+",
        f"{_ALNUM[:14]}.atlasv1.{_ALNUM[:67]}",
        "inside",
        f"{_A}{{14}}",
    ),
    ("Vault", "hvs. hvb. hvr.", f"{_W}{{20,}}+", _ALNUM[:90], "any"),
    ("Vault, old", "s.", f"(?=[A-Za-z]{{0,23}}[0-9])(?=[a-z0-9]{{0,23}}[A-Z]){_A}{{24}}(?!{_A})", _ALNUM[:24]),
    ("Pulumi", "pul-", f"{_H}{{40}}", _HEX[:40]),
    ("Doppler", "dp.", f"(?:pt|ct|scim|audit|sa|st(?:\\.[a-z0-9_-]{{1,40}}+)?)\\.{_A}{{36,}}+", f"pt.{_ALNUM[:43]}"),
    ("1Password", "ops_eyJ", "[A-Za-z0-9+/_-]{40,}+={0,3}", _ALNUM[:110], "any"),
    (
        "1Password secret key",
        "A3-",
        "[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}",
        f"{_UPPER[:6]}-{_UPPER[6:17]}-{_UPPER[17:22]}-{_UPPER[22:27]}-{_UPPER[27:32]}",
    ),
    ("age", "AGE-SECRET-KEY-1", "[A-Z0-9]{20,}+", _UPPER[:58], "any"),
    ("Infracost", "ico-", f"(?=[A-Za-z]{{0,31}}[0-9]){_A}{{32}}(?!{_A})", _ALNUM[:32]),
    ("Sourcegraph", "sgp_", f"(?:(?:{_H}{{16}}|local)_)?{_H}{{40}}", f"{_HEX[:16]}_{_HEX[:40]}"),
    ("SonarQube", "squ_ sqp_ sqa_", f"{_H}{{40}}", _HEX[:40]),
    ("Snyk", "snyk_", "(?:uat|sat)\\.[A-Za-z0-9_.-]{20,}+", f"uat.{_HEX[:8]}.{_ALNUM[:60]}"),
    ("Postman", "PMAK- PMAT-", f"{_H}{{24}}-{_H}{{34}}|[A-Z0-9]{{26}}", f"{_HEX[:24]}-{_HEX[:34]}"),
    ("ReadMe", "rdme_", "[a-z0-9]{50,}+", _HEX[:70]),
    ("Buildkite", "bkua_ bkaa_ bkct_", f"{_H}{{40}}", _HEX[:40]),
    ("CircleCI", "CCIPAT_ CCIPRJ_", f"{_A}{{10,}}+_{_H}{{40}}", f"{_ALNUM[:22]}_{_HEX[:40]}", "any"),
    (
        "JetBrains",
        "perm-",
        "[A-Za-z0-9=+/_-]{8,400}+\\.[A-Za-z0-9=+/_-]{4,400}+\\.[A-Za-z0-9]{20,}+",
        f"{_ALNUM[:12]}.{_ALNUM[:8]}.{_ALNUM[:32]}",
    ),
    ("Harness", "pat. sat.", f"{_W}{{22}}\\.{_A}{{24}}\\.{_A}{{20}}", f"{_ALNUM[:22]}.{_HEX[:24]}.{_ALNUM[:20]}"),
    ("LaunchDarkly", "sdk- api- mob-", _ID, _UUID),
    (
        "Authress",
        ".acc",
        at_start("[sea]")
        + "(?:c|xt|cauth|uthress)_[A-Za-z0-9]{5,30}\\.[A-Za-z0-9]{4,6}\\.acc[_-][A-Za-z0-9-]{10,32}\\.[A-Za-z0-9+/_=-]{30,}+",
        f"sc_{_ALNUM[:10]}.{_ALNUM[:5]}.acc_{_ALNUM[:14]}.{_ALNUM[:43]}",
        "inside",
    ),
    ("Defined Networking", "dnkey-", "[A-Za-z0-9=_-]{40,}+", f"{_ALNUM[:26]}-{_ALNUM[:52]}"),
    (
        "Tailscale",
        "tskey-",
        f"(?:(?:auth|api|client|scim|webhook)-)?{_W}{{16,}}+",
        f"auth-{_ALNUM[:17]}-{_ALNUM[:32]}",
        "any",
    ),
    ("Settlemint", "sm_aat_ sm_pat_ sm_sat_", f"{_A}{{16}}", _ALNUM[:16]),
    ("Intra 42", "s-s4t2ud- s-s4t2af-", f"{_H}{{40,}}+", _HEX[:64]),
)
_OBSERVING = _family(
    "observability",
    ("Grafana", "glsa_", "[A-Za-z0-9_]{20,}+", f"{_ALNUM[:32]}_{_HEX[:8]}", "any"),
    ("Grafana Cloud", "glc_", "[A-Za-z0-9+/]{32,}+={0,3}", f"eyJvIjoi{_ALNUM[:80]}"),
    ("Grafana, old", "eyJrIjoi", "[A-Za-z0-9+/]{40,}+={0,3}", _ALNUM[:90]),
    ("Sentry organisation", "sntrys_", "[A-Za-z0-9+/=_]{40,}+", f"eyJpYXQiO{_ALNUM[:90]}_{_ALNUM[:43]}", "any"),
    ("Sentry user", "sntryu_ sntrya_", f"{_H}{{60,}}+", _HEX[:64], "any"),
    ("New Relic", "NRAK- NRII- NRRA- NRBR-", "[A-Za-z0-9-]{24,}+", _UPPER[:27]),
    ("New Relic browser", "NRJS-", f"{_H}{{19}}", _HEX[:19]),
    ("New Relic licence", "NRAL", "", f"{_HEX[:36]}NRAL", "inside", f"{_H}{{36}}"),
    (
        "Dynatrace",
        "dt0c01. dt0s01. dt0s02. dt0s16.",
        f"{_A}{{8,24}}\\.{_A}{{40,}}+",
        f"{_UPPER[:24]}.{_UPPER[:64]}",
        "any",
    ),
    ("PostHog", "phx_", f"{_A}{{30,}}+", _ALNUM[:43]),
    ("Honeycomb", "hcaik_ hcxik_ hcalk_", f"{_A}{{30,}}+", _ALNUM[:58].lower()),
    ("Axiom", "xaat- xapt-", _ID, _UUID),
)
_TALKING = _family(
    "messages",
    (
        "Slack",
        "xox",
        "(?:[a-eoprs]|e\\.xox[bp])-[A-Za-z0-9%+/=-]{10,}+",
        f"b-123456789012-1234567890123-{_ALNUM[:24]}",
        "any",
    ),
    ("Slack app", "xapp-", "[A-Za-z0-9-]{10,}+", f"1-A0123456789-1234567890123-{_HEX[:64]}", "any"),
    ("Slack webhook", "hooks.slack.com/services/", "([A-Za-z0-9/]{16,}+)", f"T0AB1CD2E/B0FG3HI4J/{_ALNUM[:24]}", "any"),
    (
        "Slack workflow",
        "hooks.slack.com/workflows/ hooks.slack.com/triggers/",
        "([A-Za-z0-9/]{16,}+)",
        f"T0AB1CD2E/{_ALNUM[:40]}",
        "any",
    ),
    ("Discord webhook", "/api/webhooks/", f"[0-9]{{10,24}}/({_W}{{30,}}+)", f"123456789012345678/{_ALNUM[:68]}", "any"),
    (
        "Discord bot",
        ".",
        f"{at_start('[MNO]')}{_W}{{23,27}}\\.{_W}{{6}}\\.{_W}{{27,40}}+(?!\\.[A-Za-z0-9_-])",
        f"MTA{_ALNUM[:21]}.GaB3dE.{_ALNUM[:38]}",
        "inside",
    ),
    ("Discord with two factors", "mfa.", f"{_W}{{60,}}+", _ALNUM[:84]),
    (
        "Microsoft Teams",
        ".webhook.office.com/webhookb2/",
        "([A-Za-z0-9@/-]{40,}+)",
        f"{_UUID}@{_UUID}/IncomingWebhook/{_HEX[:32]}/{_UUID}",
        "any",
    ),
    ("Zapier", "hooks.zapier.com/hooks/catch/", "([0-9]{4,}+/[A-Za-z0-9]{5,}+)", "12345678/b3dE5gH", "any"),
    ("Telegram", "bot", f"([0-9]{{6,12}}:{_W}{{30,}}+)", f"1234567890:{_ALNUM[:35]}"),
    ("Twilio", "SK AC", f"{_H}{{32}}", _HEX[:32]),
    ("SendGrid", "SG.", f"{_W}{{10,64}}+\\.{_W}{{10,128}}+", f"{_ALNUM[:22]}.{_ALNUM[:43]}"),
    ("Mailgun", "key-", f"{_H}{{32}}", _HEX[:32]),
    (
        "Mailgun signing key",
        "-",
        f"{_H}{{8}}-{_H}{{8}}(?![A-Za-z0-9-])",
        f"{_HEX[:32]}-{_HEX[:8]}-{_HEX[8:16]}",
        "inside",
        f"{_H}{{32}}",
    ),
    ("Mailchimp", "-us", "[0-9]{1,2}", f"{_HEX[:32]}-us12", "inside", f"{_H}{{32}}"),
    ("Brevo", "xkeysib- xsmtpsib-", f"{_H}{{40,}}+-[A-Za-z0-9]{{16}}", f"{_HEX[:64]}-{_ALNUM[:16]}", "any"),
    ("Resend", "re_", f"{_A}{{8}}_{_A}{{20,}}+", f"{_ALNUM[:8]}_{_ALNUM[:24]}"),
    (
        "Facebook",
        "EAA",
        "(?=[A-Za-z]{0,80}[0-9])(?!(?:[A-Za-z0-9]{0,12}?AA){4})[A-Za-z0-9_-]{60,}+",
        f"C{_ALNUM[:110]}",
    ),
    ("X", "AAAAAAAAAAAAAAAAAAAAA", "(?=(?:A{0,9}[B-Za-z0-9%]){16})[A-Za-z0-9%]{40,}+", _ALNUM[:80]),
    ("LinkedIn", "WPL_AP1.", "[A-Za-z0-9]{10,}+\\.?[A-Za-z0-9+/=]*+", f"{_ALNUM[:16]}.{_ALNUM[:8]}", "any"),
    ("Intercom", "dG9rO", "[A-Za-z0-9+/]{40,}+={0,2}", _ALNUM[:60]),
)
_MONEY = _family(
    "payments",
    ("Stripe", "sk_live_ sk_test_ sk_prod_ rk_live_ rk_test_ rk_prod_ whsec_", f"{_A}{{10,}}+", _ALNUM[:24], "any"),
    ("Square", "sq0atp- sq0csp- sq0idp-", f"{_W}{{16,}}+", _ALNUM[:22], "any"),
    ("Shopify", "shp", "(?:at|ca|pa|ss|ua|tka)_[A-Fa-f0-9]{32}", f"at_{_HEX[:32]}", "any"),
    ("Flutterwave", "FLWSECK_TEST- FLWSECK-", "[A-Za-z0-9]{12,}+(?:-X)?", f"{_HEX[:32]}-X", "any"),
    (
        "PayPal and Braintree",
        "access_token$",
        f"(?:production|sandbox)\\$[a-z0-9]{{16}}\\${_H}{{32}}",
        f"production$abcdefgh12345678${_HEX[:32]}",
        "any",
    ),
    ("Plaid", "access-sandbox- access-development- access-production-", _ID, _UUID),
    ("GoCardless and Mollie", "live_ sandbox_", f"(?=[A-Za-z_-]{{0,40}}[0-9]){_W}{{30,}}+", _ALNUM[:40]),
    ("Lob", "test_", f"{_H}{{35}}", _HEX[:35]),
    ("Paddle", "pdl_", "(?:live|sdbx)_(?:apikey_)?[A-Za-z0-9_]{24,}+", f"live_apikey_{_ALNUM[:40]}"),
    ("EasyPost", "EZAK EZTK", f"{_A}{{50,}}+", _ALNUM[:54]),
    ("Shippo", "shippo_", "(?:live|test)_[a-fA-F0-9]{40}", f"live_{_HEX[:40]}"),
    ("Brex", "bxt_", f"{_A}{{30,}}+", _ALNUM[:40]),
)
_WORK = _family(
    "work",
    ("Notion", "ntn_", f"{_A}{{30,}}+", f"12345678901{_ALNUM[:35]}"),
    ("Notion, old", "secret_", f"{_A}{{40,}}+", _ALNUM[:43]),
    ("Linear", "lin_api_ lin_oauth_", f"{_A}{{20,}}+", _ALNUM[:40], "any"),
    ("Figma", "figd_ figu_ figo_ figr_", f"{_W}{{30,}}+", _ALNUM[:40]),
    (
        "Asana",
        ":",
        f"{at_start('[12]')}/[0-9]{{13,18}}(?:/[0-9]{{13,18}})?:{_H}{{32}}",
        f"2/1200123456789012/1200987654321098:{_HEX[:32]}",
        "inside",
    ),
    ("HubSpot", "pat-", f"[a-z]{{2,4}}[0-9]-{_ID}", f"na1-{_UUID}"),
    ("Typeform", "tfp_", "[A-Za-z0-9_.=-]{40,}+", _ALNUM[:59]),
    ("Okta", "00", f"(?=[a-z0-9_-]{{0,39}}[A-Z])(?=[A-Z0-9_-]{{0,39}}[a-z]){_W}{{40}}(?!{_W})", _ALNUM[:40]),
    ("Adobe", "p8e-", f"{_W}{{32}}", _ALNUM[:32]),
    ("Frame.io", "fio-u-", f"{_W}{{40,}}+", _ALNUM[:64]),
    ("Stytch", "secret-live- secret-test-", f"{_W}{{30,}}+=?", f"{_ALNUM[:36]}="),
    (
        "JSON Web Token",
        "eyJ",
        f"{_W}{{8,2000}}+\\.\\.?{_W}{{4,}}+(?:\\.{_W}*+){{0,3}}+",
        f"hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{_ALNUM[:43]}",
    ),
    (
        "JSON Web Token with certificates",
        "eyJ",
        f"{at_start('eyJ')}(?<![_-]eyJ){_W}{{2000,}}+\\.\\.?{_W}{{4,}}+(?:\\.{_W}*+){{0,3}}+",
        f"eyJ{_ALNUM * 20}.eyJzdWIiOiIxMjM0In0.{_ALNUM[:43]}",
        "inside",
    ),
    (
        "JSON Web Token in base64",
        "ZXlK",
        "(?=[A-Za-z+/]{0,60}[0-9])[A-Za-z0-9+/]{60,}+={0,2}",
        f"aGJHY2lPaUpJVXpJ{_ALNUM[:80]}",
    ),
)

VENDORS = (*_AI, *_CLOUD, *_DATA, *_CODE, *_OBSERVING, *_TALKING, *_MONEY, *_WORK)
