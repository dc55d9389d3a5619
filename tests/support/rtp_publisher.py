"""A client that sends RTP into a data plane, packet by packet as it is told: STUN by aioice, SRTP by libsrtp, no DTLS.

Owns its socket, its session and its one producer. Refuses to know codecs: payloads come from who cuts frames.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable

from aioice import stun
from pylibsrtp import Policy, Session

from appliance._dataplane import DataPlane, Extensions, Payload, Tap

ROOM, SESSION, PRODUCER, TAP = 1, 2, 3, 4
PAYLOAD_TYPE, MID_ID = 98, 4
_PROFILE = "SRTP_AES128_CM_SHA1_80"
_KEY_BYTES = 30  # RFC 3711 §8.2: key and salt
_SSRC = 0x1234_5678
_WITHIN_S = 5.0


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Look each millisecond; AssertionError says what did not come."""
    deadline = time.monotonic() + _WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {_WITHIN_S} s: {what}"
        time.sleep(0.001)


class RtpPublisher:
    """One picture of one client. Sequence numbers and timestamps begin near their ends, so that they wrap."""

    def __init__(self, plane: DataPlane, format_: str) -> None:
        """``format_``: as `_dataplane.Payload` has it. Connected when this returns."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", plane.ports[0]))
        self._socket.settimeout(_WITHIN_S)
        self._sequence = 65_500
        self.timestamp = 2**32 - 30_000
        password, own, theirs = "p" * 24, os.urandom(_KEY_BYTES), os.urandom(_KEY_BYTES)
        plane.add_room(ROOM, worker=0)
        plane.add_session(SESSION, room=ROOM, ufrag="server", password=password)
        plane.set_keys(SESSION, profile=_PROFILE, tx=theirs, rx=own)
        payload = Payload(PAYLOAD_TYPE, format=format_, clock_rate=90_000)
        plane.set_formats(SESSION, payloads=[payload], extensions=Extensions(mid=MID_ID))
        plane.add_producer(PRODUCER, session=SESSION, kind="video", mid="0")
        policy = Policy(own, Policy.SSRC_ANY_OUTBOUND, srtp_profile=Policy.SRTP_PROFILE_AES128_CM_SHA1_80)
        self._srtp = Session(policy)
        self._plane = plane
        self._connect(password)

    def _connect(self, password: str) -> None:
        """ICE of the controlling side, for the only pair that there is (RFC 8445 §7.2.2, §8.1.1)."""
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        request.attributes["USERNAME"] = "server:client"
        request.attributes["PRIORITY"] = 1
        request.attributes["ICE-CONTROLLING"] = 7
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(password.encode())
        self._socket.send(bytes(request))
        answer = stun.parse_message(self._socket.recv(1500))
        assert answer.message_class == stun.Class.RESPONSE, answer

    def open_tap(self, max_bytes: int = 64 << 20) -> Tap:
        return self._plane.open_tap(TAP, PRODUCER, max_bytes)

    def packets(self, payloads: list[bytes], *, ticks: int = 3000) -> list[bytes]:
        """The packets of the next picture, ``ticks`` of 90 kHz after the one before; not sent yet."""
        self.timestamp = (self.timestamp + ticks) % 2**32
        made = []
        for number, payload in enumerate(payloads):
            marker = 0x80 if number + 1 == len(payloads) else 0
            header = struct.pack("!BBHII", 0x90, marker | PAYLOAD_TYPE, self._sequence, self.timestamp, _SSRC)
            mid = struct.pack("!HHBBH", 0xBEDE, 1, MID_ID << 4, ord("0"), 0)  # RFC 8285 §4.2: one byte of it
            made.append(header + mid + payload)
            self._sequence = (self._sequence + 1) % 2**16
        return made

    def send(self, packet: bytes) -> None:
        self._socket.send(self._srtp.protect(packet))

    def close(self) -> None:
        self._socket.close()
