"""Certificates for localhost, trusted by this process meanwhile."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@contextmanager
def certificate(days: float, *, trusted: bool = True) -> Iterator[Path]:
    """Give the file, key and certificate in one, of a server whose certificate ends in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    ends = datetime.now(UTC) + timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=90))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "certificate.pem"
        public = made.public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (Path(folder) / "authorities.pem").write_bytes(public)
        file.write_bytes(private + public)
        before = os.environ.get("SSL_CERT_FILE")
        if trusted:
            os.environ["SSL_CERT_FILE"] = str(Path(folder) / "authorities.pem")
        try:
            yield file
        finally:
            os.environ.pop("SSL_CERT_FILE", None)
            if before is not None:
                os.environ["SSL_CERT_FILE"] = before
