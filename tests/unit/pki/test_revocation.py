"""OCSP answers of our own and of others, CRLs, and the way out to those who give them."""

import asyncio
import contextlib
import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from sitecontroller.domain.certificates import CertificateState, HashAlgorithm
from sitecontroller.domain.errors import InvalidInput, OperatingError
from sitecontroller.pki import certificates, chains, keys
from sitecontroller.pki.keys import KeyKind
from sitecontroller.pki.ocsp import own_answer, question, read_answer
from sitecontroller.pki.reader import Reader
from sitecontroller.pki.sources import AllowedSources
from tests.unit.pki.hands import NOW, authority_of, ec_key, issued, made_authority

ROOT = authority_of()
SUB = certificates.issuing(keys.new_key(KeyKind.EC), "Mobility", ROOT, NOW - timedelta(days=30))
LEAF = issued(SUB, "DE8AA1A2B3C4D5")
ASKED = chains.certificate_hash(LEAF, SUB.certificate, HashAlgorithm.SHA256)


@pytest.mark.parametrize("algorithm", HashAlgorithm)
@pytest.mark.parametrize("revoked_at", [None, NOW - timedelta(days=1)])
def test_an_answer_of_the_issuer_is_read_and_believed(algorithm, revoked_at):
    asked = chains.certificate_hash(LEAF, SUB.certificate, algorithm)
    der = own_answer(asked, SUB, NOW, revoked_at)
    said = read_answer(der, asked, NOW, (SUB.certificate,))
    wanted = CertificateState.GOOD if revoked_at is None else CertificateState.REVOKED
    assert (said.state, said.proven) == (wanted, True)


def test_an_answer_signed_by_anyone_else_is_not_believed():
    der = own_answer(ASKED, authority_of(name="Rogue"), NOW, None)
    assert not read_answer(der, ASKED, NOW, (SUB.certificate,)).proven


def test_an_answer_whose_issuer_nobody_knows_is_not_believed():
    assert not read_answer(own_answer(ASKED, SUB, NOW, None), ASKED, NOW).proven


@pytest.mark.parametrize(
    ("certified", "believed"), [("for ocsp", True), ("for anything", False), ("by another", False)]
)
def test_a_responder_must_be_certified_by_the_issuer_for_it(certified, believed):
    key = ec_key()
    above = authority_of(name="Rogue") if certified == "by another" else SUB
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(above.certificate.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
    )
    if certified != "for anything":
        usage = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.OCSP_SIGNING])
        builder = builder.add_extension(usage, critical=False)
    responder = builder.sign(above.key, hashes.SHA256())
    answer = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            LEAF,
            SUB.certificate,
            hashes.SHA256(),
            ocsp.OCSPCertStatus.GOOD,
            NOW,
            NOW + timedelta(days=1),
            None,
            None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder)
        .certificates([responder])
        .sign(key, hashes.SHA256())
    )
    der = answer.public_bytes(Encoding.DER)
    assert read_answer(der, ASKED, NOW, (SUB.certificate,)).proven is believed


@pytest.mark.parametrize("hours", [-1, 24 * 7 + 1])
def test_an_answer_out_of_date_is_refused(hours):
    der = own_answer(ASKED, SUB, NOW, None)
    with pytest.raises(InvalidInput):
        read_answer(der, ASKED, NOW + timedelta(hours=hours), (SUB.certificate,))


def test_an_answer_about_another_certificate_is_refused():
    other = chains.certificate_hash(issued(SUB, "X"), SUB.certificate, HashAlgorithm.SHA256)
    with pytest.raises(InvalidInput):
        read_answer(own_answer(other, SUB, NOW, None), ASKED, NOW, (SUB.certificate,))


@given(st.integers(0, 2000), st.integers(0, 255))
def test_no_altered_byte_of_an_answer_turns_revoked_into_good(at, value):
    der = bytearray(REVOKED)
    der[at % len(der)] = value
    try:
        said = read_answer(bytes(der), ASKED, NOW, (SUB.certificate,))
    except InvalidInput:
        return
    assert not (said.proven and said.state is CertificateState.GOOD)


REVOKED = own_answer(ASKED, SUB, NOW, NOW - timedelta(days=1))


def test_our_authority_answers_for_its_own_certificates_only(run, tmp_path):
    async def play() -> None:
        authority = await made_authority(tmp_path)
        assert authority.status(ASKED, {}) is None
        root, issuing = (
            chains.read_root(authority.roots()[0]),
            x509.load_pem_x509_certificate((tmp_path / "pki/ec-issuing.pem").read_bytes()),
        )
        asked = chains.certificate_hash(issuing, root, HashAlgorithm.SHA384)
        der = authority.status(asked, {})
        assert der is not None
        assert read_answer(der, asked, NOW, (root,)).state is CertificateState.GOOD
        der = authority.status(asked, {asked.serial_number: NOW})
        assert der is not None
        assert read_answer(der, asked, NOW, (root,)).state is CertificateState.REVOKED

    run(play())


def crl(issuer, *serials):
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(NOW)
        .next_update(NOW + timedelta(days=3))
    )
    for serial in serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW).build()
        )
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_a_list_of_revocations_is_read_and_believed_when_its_issuer_is_trusted():
    reader, leaf = Reader(), issued(ROOT, "DE8AA")
    asked = chains.certificate_hash(leaf, ROOT.certificate, HashAlgorithm.SHA256)
    trusted = (certificates.pem(ROOT.certificate),)
    good = reader.revocations(crl(ROOT), asked, NOW, trusted)
    assert (good.state, good.proven) == (CertificateState.GOOD, True)
    revoked = reader.revocations(crl(ROOT, leaf.serial_number), asked, NOW, trusted)
    assert (revoked.state, revoked.proven) == (CertificateState.REVOKED, True)
    assert not reader.revocations(crl(authority_of()), asked, NOW, trusted).proven


# the way out


@contextlib.asynccontextmanager
async def responder(answer: bytes, head: bytes = b"HTTP/1.1 200 OK\r\n"):
    """A web server that gives one answer to everything, and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(head + b"Content-Length: %d\r\n\r\n" % len(answer) + answer)
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocsp", asked
    finally:
        server.close()
        await server.wait_closed()


def test_a_listed_responder_is_asked(run):
    async def play() -> None:
        async with responder(b"answer") as (url, asked):
            assert await AllowedSources([url]).ocsp(url, question(ASKED)) == b"answer"
            assert await AllowedSources([url]).crl(url + "/list.crl") == b"answer"
            assert asked[0].startswith(b"POST /ocsp ")
            assert asked[1].startswith(b"GET /ocsp/list.crl ")

    run(play())


def test_nobody_else_is_asked(run):
    async def play() -> None:
        async with responder(b"answer") as (url, asked):
            for allowed in ([], ["http://127.0.0.1:1/ocsp"], [url + "/deeper"], ["http://x.test/"]):
                with pytest.raises(OperatingError):
                    await AllowedSources(allowed).ocsp(url, b"")
            for wrong in (
                url.replace("http://", "http://user@"),
                url + "/../admin",
                "http://127.0.0.1:99999/",
                "file:///etc/passwd",
                "x" * 3000,
                "http://[::1",
                "",
            ):
                with pytest.raises(OperatingError):
                    await AllowedSources([url]).ocsp(wrong, b"")
            assert not asked

    run(play())


@pytest.mark.parametrize("host", ["localhost", "ip6-localhost"])
def test_a_listed_name_that_leads_into_the_lan_is_not_asked(run, host):
    async def play() -> None:
        async with responder(b"answer") as (url, asked):
            named = url.replace("127.0.0.1", host)
            with pytest.raises(OperatingError):
                await AllowedSources([named]).ocsp(named, b"")
            assert not asked

    run(play())


def test_no_redirect_is_followed_and_no_flood_is_read(run):
    async def play() -> None:
        async with responder(b"", b"HTTP/1.1 302 Found\r\nLocation: /x\r\n") as (url, asked):
            with pytest.raises(OperatingError):
                await AllowedSources([url]).ocsp(url, b"")
            assert len(asked) == 1
        async with responder(json.dumps("x" * 100_000).encode()) as (url, _):
            with pytest.raises(OperatingError):
                await AllowedSources([url]).ocsp(url, b"")

    run(play())


def test_a_silent_responder_costs_three_seconds_at_most(run):
    async def play() -> None:
        done = asyncio.Event()

        async def silent(reader, writer):
            await done.wait()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        with pytest.raises(OperatingError):
            await AllowedSources([url]).ocsp(url, b"")
        assert loop.time() - began_s < 4
        done.set()
        server.close()
        await server.wait_closed()

    run(play())
