"""SIP, SDP, digest and RTP as the test phone reads and writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.stack.phone_rtp import EVENTS, event_payload, key_ticks, parse_rtp
from callcenter.stack.phone_sip import (
    BadSip,
    Login,
    Request,
    Response,
    Sdp,
    branch,
    contact_uri,
    cseq,
    digest_answer,
    header,
    parse,
    parse_sdp,
    render,
    render_sdp,
    tag_of,
    user_of,
)

INVITE = (
    b"INVITE sip:600@127.0.0.3:5080 SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bKabc\r\n"
    b'f: "x" <sip:12345@127.0.0.1>;tag=77\r\n'
    b"To: <sip:600@127.0.0.3>\r\n"
    b"i: one@host\r\n"
    b"CSeq: 4 INVITE\r\n"
    b"Subject: folded\r\n over two lines\r\n"
    b"m: <sip:asterisk@127.0.0.1:5060>\r\n"
    b"l: 0\r\n\r\n"
)


def test_a_request_in_compact_form_is_understood() -> None:
    message = parse(INVITE)
    assert isinstance(message, Request)
    assert (message.method, user_of(message.uri), branch(message)) == ("INVITE", "600", "z9hG4bKabc")
    assert (user_of(header(message, "from")), tag_of(header(message, "from"))) == ("12345", "77")
    assert cseq(message) == (4, "INVITE")
    assert contact_uri(message) == "sip:asterisk@127.0.0.1:5060"
    assert header(message, "subject") == "folded over two lines"


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"INVITE sip:a SIP/2.0\r\n",
        b"INVITE SIP/2.0\r\n\r\n",
        b"SIP/2.0 999 Odd\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nno colon here\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 10\r\n\r\nshort",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: many\r\n\r\n",
    ],
)
def test_what_is_not_sip_is_refused(datagram: bytes) -> None:
    with pytest.raises(BadSip):
        parse(datagram)


@given(st.binary(max_size=400))
def test_noise_is_refused_and_never_breaks_the_parser(datagram: bytes) -> None:
    try:
        parse(datagram)
    except BadSip:
        return


_name = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=2, max_size=12).filter(
    lambda n: n != "content-length" and n.strip("-")
)
_value = st.text("abc <>:;=@0123456789中", max_size=30).map(str.strip)
_headers = st.lists(st.tuples(_name, _value), max_size=6).map(
    lambda pairs: (*pairs, ("via", "SIP/2.0/UDP h;branch=z9hG4bK1"))
)


@given(_headers, st.text("v=0\r\na中", max_size=40))
def test_rendered_messages_parse_to_themselves(headers: tuple[tuple[str, str], ...], body: str) -> None:
    for message in (Request("OPTIONS", "sip:a@b", headers, body), Response(200, "OK", headers, body)):
        parsed = parse(render(message))
        assert [h for h in parsed.headers if h[0] != "content-length"] == list(headers)
        assert parsed.body == body


@given(st.integers(1, 65535), st.sampled_from(["sendrecv", "sendonly", "recvonly", "inactive"]))
def test_rendered_sdp_parses_to_itself(port: int, direction: str) -> None:
    sdp = Sdp("127.0.0.2", port, direction)
    assert parse_sdp(render_sdp(sdp, 1)) == sdp


@pytest.mark.parametrize(
    "body", ["", "v=0", "c=IN IP4 1.2.3.4\r\nm=audio 10 RTP/AVP 0 101", "c=IN IP6 ::1\r\nm=audio 10 RTP/AVP 8"]
)
def test_sdp_without_pcma_over_ipv4_is_refused(body: str) -> None:
    with pytest.raises(BadSip):
        parse_sdp(body)


def test_digest_answers_are_those_of_the_rfcs() -> None:
    # RFC 2617 3.5 with its cnonce; RFC 7616 3.9.1 for SHA-256.
    old = digest_answer(
        'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"',
        Login("Mufasa", "Circle Of Life"),
        "GET",
        "/dir/index.html",
        "0a4f113b",
    )
    assert 'response="6629fae49393a05397450978507c4ef1"' in old
    new = digest_answer(
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
        Login("Mufasa", "Circle of Life"),
        "GET",
        "/dir/index.html",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert 'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"' in new
    assert 'opaque="FQhe' in new


def test_a_password_is_never_printed() -> None:
    assert "geheim" not in repr(Login("8001", "geheim"))


@pytest.mark.parametrize("challenge", ["", "Digest realm=x", 'Digest realm="a", nonce="b", algorithm=SHA-512'])
def test_a_challenge_that_cannot_be_answered_is_refused(challenge: str) -> None:
    with pytest.raises(BadSip):
        digest_answer(challenge, Login("a", "b"), "REGISTER", "sip:x", "c")


def test_a_key_is_sent_with_three_end_packets_and_a_pause() -> None:
    steps = key_ticks("5", 100)
    ends = [step for step in steps if step.digit is not None and step.ticks >= step.total_ticks]
    assert (len(ends), steps[0].digit, steps[-1].digit) == (3, 5, None)
    assert event_payload(5, end=True, samples=800) == bytes([5, 0x8A, 0x03, 0x20])


def test_a_key_that_no_telephone_has_is_refused() -> None:
    with pytest.raises(ValueError):
        key_ticks("1x", 100)


def test_rtp_is_told_from_noise() -> None:
    packet = parse_rtp(bytes.fromhex("80e5000100000002deadbeef") + b"\x05\x8a\x03\x20")
    assert packet is not None
    assert (packet.payload_type, packet.sequence, packet.timestamp) == (EVENTS, 1, 2)
    assert parse_rtp(bytes.fromhex("80c8000100000002deadbeef")) is None  # RTCP sender report
    assert parse_rtp(b"\x00\x01short") is None


@given(st.binary(max_size=60))
def test_any_datagram_is_a_packet_or_nothing(datagram: bytes) -> None:
    packet = parse_rtp(datagram)
    assert packet is None or len(packet.payload) <= len(datagram)
