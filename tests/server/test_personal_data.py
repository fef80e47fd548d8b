"""The example that CITESIDE_SCRUB may name: finds what it promises, and leaves the numbers of technical docs alone."""

import pytest

from server.personal_data import scrub

# Joined here, so that no scanner of this repository takes them for secrets that got out.
JWT = ".".join(("eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTYifQ", "dozjgNryP4J3jVmN"))
PEM = "\n".join(("-----BEGIN RSA PRIVATE " + "KEY-----", "MIIEpAIBAAKCAQEA" * 4, "-----END RSA PRIVATE " + "KEY-----"))


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    {
        "an address": ("Mail jo.doe+docs@mail.example.co.uk, please.", "Mail [email], please."),
        "addresses in a list": ("a@b.example,c_d@e-f.example;", "[email],[email];"),
        "international": ("Call +49 (0)30 1234567 or +1 555-123-4567.", "Call [phone] or [phone]."),
        "American": ("(555) 123-4567 and 555-123-4567", "[phone] and [phone]"),
        "national": ("030 1234567, 0171/12345678.", "[phone], [phone]."),
        "cards": ("4111 1111 1111 1111, 5555-5555-5555-4444, 378282246310005", "[card], [card], [card]"),
        "accounts": (
            "DE89 3704 0044 0532 0130 00 NOW, GB82WEST12345698765432, NL91ABNA0417164300.",
            "[iban] NOW, [iban], [iban].",
        ),
        "keys": (
            f"sk-proj-{'Ab3d' * 5} ghp_{'a1B2' * 9} xoxb-{'12345-abc' * 2} AKIA{'ABCD' * 4} AIza{'Sy_' * 11}ab",
            "[key] [key] [key] [key] [key]",
        ),
        "a web token": (f"It says {JWT}.", "It says [key]."),
        "a private key": (f"My key:\n{PEM}\nis it?", "My key:\n[key]\nis it?"),
        "a header": (f"Authorization: Bearer {'3q2w7XyZ' * 4}", "Authorization: Bearer [key]"),
        "a password in an address": ("postgresql://jo:secret@db.example/x", "postgresql://[key]@db.example/x"),
        "several": ("Jo <jo@a.example> +49 30 1234567", "Jo <[email]> [phone]"),
    }.values(),
)
def test_what_may_name_a_person_or_open_a_door_is_replaced(text: str, scrubbed: str) -> None:
    assert scrub(text) == scrubbed
    assert scrub(scrubbed) == scrubbed


@pytest.mark.parametrize(
    "text",
    [
        "Upgrade from v1.2.3 to 2.0.0-rc.1+20261128.abc, or 10.15.7.",
        "npm install @docusaurus/core@3.10.1 react@18.2.0 some@2.0.0-alpha.beta",
        "git clone git@github.com:citeside/citeside.git && ssh git@gitlab.com",
        "It listens on 127.0.0.1:8000, [::1]:3000 and ports 8000-8010, 443, 65535.",
        "turn 019abf42-2b9c-7b66-8d1e-6f1c0d3e4a55 or 12345678-1234-1234-1234-123456789012",
        "commit ef2ed5143b4f9d1a2b3c4d5e6f70819293a4b5c6, sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
        "2026-11-28T10:00:00.000Z, 28.11.2026 10:00, epoch 1764355200, 1764355200000, 1764355200123456789",
        "10,000,000 rows, 4096 bytes, 0.30 s, 3.141592653589793, 1e-10, 0x7ffdeadbeef, 0644, chmod 0755",
        "192.168.100.200/24, fe80::1ff:fe23:4567:890a, 00:1A:2B:3C:4D:5E",
        "RFC 9457, ISO 8601, CVE-2024-123456, GPT-4.1-mini, text-embedding-3-small, UTF-8, x86_64",
        "Bearer $TOKEN, Bearer <token>, OPENAI_API_KEY=sk-..., task-force-1234567890, disk-usage-report-2026-11-28",
        "4111 1111 1111 1112 fails the check; so does DE88 3704 0044 0532 0130 00; order 1234567890123456",
        "user@localhost, @mention, foo@bar, a @ b.example, https://docs.example/@scope/page?x=1#y",
        "| 200 | 404 | 5000 | 10000 |, 100 200 3000, Python 3.11.4 (main, Jun 2023)",
        "postgresql://db.example:5432/docs?sslmode=require, http://localhost:3000/citeside/",
        "Was kostet das? Größe 5 × 10³ – 🚀 “quoted”",
    ],
)
def test_what_technical_docs_are_full_of_stays(text: str) -> None:
    assert scrub(text) == text
