"""An authority of one test: makes certificates of every good and bad kind."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; its own is in ``file``."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        made = _begun(self._name, self._key.public_key(), timedelta(days=1))
        made = made.issuer_name(self._name).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(_pem(made.sign(self._key, hashes.SHA256())))

    def pair(
        self,
        file: str,
        *,
        common_name: str = "somebody",
        dns: str | None = "localhost",
        uri: str | None = None,
        valid: timedelta = timedelta(days=1),
    ) -> Pair:
        """Make a certificate for servers and clients; expired if ``valid`` < 0."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _begun(_name(common_name), key.public_key(), valid)
        others: list[x509.GeneralName] = [x509.IPAddress(ip_address("127.0.0.1"))]
        if dns is None:
            others.clear()
        else:
            others.append(x509.DNSName(dns))
        if uri is not None:
            others.append(x509.UniformResourceIdentifier(uri))
        if others:
            made = made.add_extension(
                x509.SubjectAlternativeName(others), critical=False
            )
        signed = made.issuer_name(self._name).sign(self._key, hashes.SHA256())
        pair = Pair(self._folder / f"{file}.pem", self._folder / f"{file}.key")
        pair.certificate.write_bytes(_pem(signed))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return pair


def _begun(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, valid: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + valid)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
