"""The site's own authority: made once, never replaced, renewed in time, kept to its owner."""

import os
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sitecontroller.domain.errors import InvalidInput, OperatingError
from sitecontroller.pki import chains
from sitecontroller.pki.authority import LocalAuthority
from sitecontroller.pki.certificates import ServerNames, names_of
from sitecontroller.pki.chains import ChainVerdict
from sitecontroller.pki.keys import KeyKind
from tests.unit.pki.hands import (
    NAMES,
    NOW,
    ORGANIZATION,
    QuickWorkshop,
    StandingClock,
    authority_of,
    csr,
    ec_key,
    issued,
    made_authority,
    rsa_key,
)


def certificates_of(authority):
    return {shown.name: shown.fingerprint for shown in authority.own_certificates()}


def test_a_restart_takes_up_the_same_authority(run, tmp_path):
    async def play() -> None:
        first = await made_authority(tmp_path)
        second = await made_authority(tmp_path)
        assert certificates_of(first) == certificates_of(second)
        assert set(certificates_of(first)) == {
            f"{kind}-{role}" for kind in KeyKind for role in ("root", "issuing", "server")
        }

    run(play())


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_every_file_is_readable_by_its_owner_alone(run, tmp_path):
    async def play() -> None:
        await made_authority(tmp_path)
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "pki").iterdir()}
        assert set(modes.values()) == {0o600}
        assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700

    run(play())


def test_a_crash_while_it_is_made_leaves_no_half_authority(run, tmp_path):
    async def play() -> None:
        half = tmp_path / "pki.new"
        half.mkdir()
        (half / "ec-root.key").write_text("half")
        authority = await made_authority(tmp_path)
        assert authority.ready
        assert not half.exists()

    run(play())


@pytest.mark.parametrize("damage", ["empty", "missing", "key of another"])
def test_a_damaged_authority_is_told_and_never_replaced(run, tmp_path, damage):
    async def play() -> None:
        await made_authority(tmp_path)
        key = tmp_path / "pki/ec-issuing.key"
        if damage == "empty":
            key.write_text("")
        elif damage == "missing":
            key.unlink()
        else:
            key.write_text((tmp_path / "pki/ec-root.key").read_text())
        before = (tmp_path / "pki/ec-root.pem").read_bytes()
        with pytest.raises(OperatingError) as caught:
            await made_authority(tmp_path)
        assert "backup" in caught.value.remedy
        assert (tmp_path / "pki/ec-root.pem").read_bytes() == before

    run(play())


def test_nothing_is_made_while_the_clock_is_wrong(run, tmp_path):
    async def play() -> None:
        with pytest.raises(OperatingError) as caught:
            await made_authority(tmp_path, StandingClock(datetime(1970, 1, 2, tzinfo=UTC)))
        assert caught.value.remedy == "Set the clock"
        assert not (tmp_path / "pki").exists()

    run(play())


def test_what_it_shows_is_renewed_after_two_thirds_of_its_life(run, tmp_path):
    async def play() -> None:
        clock = StandingClock()
        authority = await made_authority(tmp_path, clock)
        before, context = certificates_of(authority), authority.context()
        clock.at = NOW + timedelta(days=59)
        assert not await authority.renew()
        assert authority.context() is context
        clock.at = NOW + timedelta(days=61)
        assert await authority.renew()
        after = certificates_of(authority)
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {"ec-server", "rsa-server"}
        assert authority.context() is not context

    run(play())


def test_an_expired_certificate_is_renewed_at_the_next_start(run, tmp_path):
    async def play() -> None:
        before = certificates_of(await made_authority(tmp_path))
        clock = StandingClock(NOW + timedelta(days=7 * 365))
        authority = await made_authority(tmp_path, clock)
        after = certificates_of(authority)
        assert {name for name in before if before[name] == after[name]} == {"ec-root", "rsa-root"}
        signed = authority.sign(csr(ec_key()), frozenset({"SN-1"}))
        assert check(authority, signed.chain, clock.at) is ChainVerdict.VALID

    run(play())


def test_a_new_address_of_the_pc_comes_into_its_certificate(run, tmp_path):
    async def play() -> None:
        names = NAMES
        authority = await made_authority(tmp_path, names=lambda: names)
        assert not await authority.renew()
        names = ServerNames(("csms.test",), ("127.0.0.1", "10.9.8.7"))
        assert await authority.renew()
        shown = x509.load_pem_x509_certificates((tmp_path / "pki/ec-server.pem").read_bytes())
        assert "10.9.8.7" in names_of(shown[0]).addresses

    run(play())


def check(authority, chain, at):
    roots = [chains.read_root(root) for root in authority.roots()]
    return chains.check_chain(chains.read_certificates(chain), roots, at).verdict


@pytest.mark.parametrize("key", [ec_key(), rsa_key()])
def test_a_station_gets_a_chain_of_its_own_kind_in_our_name(run, tmp_path, key):
    async def play() -> None:
        authority = await made_authority(tmp_path)
        request = csr(key, organization="Somebody else")
        signed = authority.sign(request, frozenset({"SN-1"}))
        leaf, issuing = chains.read_certificates(signed.chain)
        assert check(authority, signed.chain, NOW) is ChainVerdict.VALID
        assert type(leaf.public_key()) is type(issuing.public_key())
        assert leaf.subject.rfc4514_string() == f"CN=SN-1,O={ORGANIZATION}"
        assert authority.peer(leaf.public_bytes(Encoding.DER)) == signed.certificate

    run(play())


def test_a_name_of_another_station_is_not_signed(run, tmp_path):
    async def play() -> None:
        authority = await made_authority(tmp_path)
        with pytest.raises(InvalidInput):
            authority.sign(csr(ec_key(), "SN-2"), frozenset({"SN-1"}))

    run(play())


def test_before_it_is_ready_it_says_so(tmp_path):
    authority = LocalAuthority(
        tmp_path / "pki", ORGANIZATION, lambda: NAMES, StandingClock(), QuickWorkshop()
    )
    assert authority.context() is None
    with pytest.raises(OperatingError):
        authority.sign(csr(ec_key()), frozenset({"SN-1"}))


@pytest.mark.parametrize("version", [3, 62])
def test_a_certificate_of_no_known_version_can_t_be_read(run, tmp_path, version):
    """An installer's authority may have signed it, so that the handshake lets it through."""
    authority = run(made_authority(tmp_path))
    der = issued(authority_of(), "SN-1").public_bytes(Encoding.DER)
    with pytest.raises(ValueError, match="can't be read"):
        authority.peer(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01" + bytes([version])))
