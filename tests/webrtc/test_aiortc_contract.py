"""The private names of aiortc that appliance/webrtc uses, pinned: an upgrade fails here first, by name."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version

import aiortc
from aiortc.rtcdatachannel import RTCDataChannel
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    RTCCertificate,
    RTCDtlsTransport,
    SRTPProtectionProfile,
    State,
)
from aiortc.rtcsctptransport import InboundStream, RTCSctpTransport

from appliance.webrtc.dtls_records import Records


def test_the_version_is_the_one_that_was_read() -> None:
    assert aiortc.__version__ == version("aiortc") == "1.16.0"


def test_dtls_calls_what_we_override_and_in_this_order() -> None:
    source = inspect.getsource(RTCDtlsTransport.start)
    order = ["_do_handshake()", "_validate_peer_identity(", "_setup_srtp()", "State.CONNECTED", "self._task ="]
    places = [source.index(name) for name in order]
    assert places == sorted(places)
    assert list(inspect.signature(RTCDtlsTransport._validate_peer_identity).parameters) == ["self", "remoteParameters"]
    assert list(inspect.signature(RTCDtlsTransport._setup_srtp).parameters) == ["self"]
    assert inspect.iscoroutinefunction(RTCDtlsTransport._send_data)
    assert {"NEW", "CONNECTED", "FAILED", "CLOSED"} <= set(State.__members__)


def test_dtls_asks_its_transport_for_no_more_than_we_give() -> None:
    source = inspect.getsource(RTCDtlsTransport)
    for name in ("self.transport._recv()", "self.transport._send(", "self.transport.role"):
        assert name in source
    used = {part.split("(")[0].split(")")[0].split(",")[0].split(" ")[0].split("\n")[0]
            for part in source.split("self.transport.")[1:]}  # fmt: skip
    assert used == {"_recv", "_send", "role", "role ==", "role,"} & used
    for name in ("_srtp_profiles", "_ssl", "_task", "_state", "_role"):
        assert f"self.{name}" in source


def test_after_the_handshake_dtls_calls_what_records_have() -> None:
    source = inspect.getsource(RTCDtlsTransport)
    used = set(re.findall(r"self\._ssl\.(\w+)\(", source))
    handshake = {"do_handshake", "set_accept_state", "set_connect_state", "get_peer_certificate",
                 "get_selected_srtp_profile", "export_keying_material", "DTLSv1_handle_timeout"}  # fmt: skip
    assert {name for name in used - handshake if not hasattr(Records, name)} == set()
    assert used > {"bio_write", "recv", "send", "bio_read", "shutdown", "DTLSv1_get_timeout"}
    assert source.index("State.CONNECTED)") < source.index("self._task = asyncio.ensure_future(self.__run())")


def test_profiles_split_keys_as_rfc_5764_says() -> None:
    """client key, server key, client salt, server salt (RFC 5764 §4.2)."""
    material = bytes(range(56))
    assert isinstance(SRTP_AEAD_AES_128_GCM, SRTPProtectionProfile)
    assert SRTP_AEAD_AES_128_GCM.get_key_and_salt(material, 0) == material[0:16] + material[32:44]
    assert SRTP_AEAD_AES_128_GCM.get_key_and_salt(material, 1) == material[16:32] + material[44:56]


def test_certificates_make_their_context_in_one_method() -> None:
    assert list(inspect.signature(RTCCertificate._create_ssl_context).parameters) == ["self", "srtp_profiles"]
    assert list(inspect.signature(RTCCertificate.__init__).parameters) == ["self", "key", "cert"]


def test_sctp_has_the_hooks_that_bound_it() -> None:
    source = inspect.getsource(RTCSctpTransport)
    for method in ("_handle_data", "_receive_data_chunk", "_receive"):
        assert inspect.iscoroutinefunction(getattr(RTCSctpTransport, method))
        assert f"await self.{method}(" in source or method == "_handle_data"
    for name in (
        "_advertised_rwnd",
        "_inbound_streams_max",
        "_outbound_streams_count",
        "_inbound_streams",
        "_last_received_tsn",
    ):
        assert f"self.{name}" in inspect.getsource(RTCSctpTransport.__init__)
    assert "reassembly" in vars(InboundStream())
    assert list(inspect.signature(RTCSctpTransport._receive).parameters) == ["self", "stream_id", "pp_id", "data"]
    assert "bufferedAmount" in vars(RTCDataChannel)
