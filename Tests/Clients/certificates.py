# SPDX-License-Identifier: Apache-2.0
"""A certificate authority for one test run, and leaves under it."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Authority:
    """Writes `ca.pem` at once, and `<name>.pem` with `<name>.key` for each leaf."""

    def __init__(self, directory: Path, name: str = "Gatehouse test authority") -> None:
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        authority = self._builder(self._name, self._key.public_key(), days=30).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        authority = authority.add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        self.certificate = directory / "ca.pem"
        self.certificate.write_bytes(
            authority.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )

    def leaf(
        self,
        name: str,
        names: list[str] | None = None,
        days: int = 7,
        revocations: str | None = None,
        vouches_for_itself: bool = False,
    ) -> tuple[str, str]:
        """A certificate for these host names and addresses; its file and its key's. Negative days: it has expired.
        `revocations`: where a list of the revoked ones is said to be."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternatives: list[x509.GeneralName] = []
        for host in names or ["localhost", "127.0.0.1", "::1"]:
            try:
                alternatives.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                alternatives.append(x509.DNSName(host))
        builder = self._builder(subject, key.public_key(), days, subject if vouches_for_itself else None)
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        if revocations:
            place = x509.DistributionPoint([x509.UniformResourceIdentifier(revocations)], None, None, None)
            builder = builder.add_extension(x509.CRLDistributionPoints([place]), critical=False)
        certificate, private = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        signer = key if vouches_for_itself else self._key
        certificate.write_bytes(builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return str(certificate), str(private)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, days: int, issuer: x509.Name | None = None
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        start = now - datetime.timedelta(days=30 if days < 0 else 1)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
