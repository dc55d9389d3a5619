"""WebRTC towards one client: what the SDP says and how DTLS and SCTP are ended here.

::

    codecs          which payload types we take, and their canonical names           pure
    sdp             text → sections, bounded, one error type                         pure
    answer          offer + publish/receive lines → answer text, NegotiatedSession   pure
    sctp_guard      what an SCTP packet must look like before aiortc may see it      pure
    dtls            DTLS of every session in the asyncio thread, SRTP keys out       I/O
    data_channels   SCTP over it, the two negotiated channels                        I/O

Refuses to know rooms, participants and permissions. ICE, SRTP and RTP live in the Rust data plane.
"""
