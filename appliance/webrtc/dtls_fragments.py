"""A bound on what a client may have OpenSSL set aside for its handshake messages. Pure.

A handshake message comes in fragments, each of which tells the length of the whole (RFC 6347 §4.2.3). OpenSSL sets that
length aside when the first fragment comes, up to 100 kB, for the message that is next and for each of ten that come out
of order: a datagram of 300 bytes took a megabyte. Whatever else is wrong with a fragment (of no length, overlapping,
out of order) OpenSSL bears. Rejected: SSL_CTX_set_max_cert_list, which bounds the same; pyOpenSSL does not have it.
"""

# Of a client's handshake messages its certificate is the longest, 300 to 1500 bytes, or its ClientHello with a
# post-quantum key share, below 2 kB.
MAX_MESSAGE_BYTES = 8192

_RECORD_HEADER = 13  # RFC 6347 §4.1: type, version, epoch, sequence number, length
_FRAGMENT_HEADER = 12  # §4.2.2: type, length, message number, fragment's offset, fragment's length
_HANDSHAKE = 22


def is_bounded_untrusted(datagram: bytes) -> bool:
    """Whether every fragment in clear text lies inside a message of at most `MAX_MESSAGE_BYTES`.

    What is encrypted (epoch 1) is the client's Finished and no business of ours.
    """
    at = 0
    while at + _RECORD_HEADER <= len(datagram):
        body = at + _RECORD_HEADER
        end = body + int.from_bytes(datagram[at + 11 : body])
        clear = datagram[at + 3 : at + 5] == b"\0\0"
        if datagram[at] == _HANDSHAKE and clear and not _fragments_are_bounded(datagram[body:end]):
            return False
        at = end
    return True


def _fragments_are_bounded(record: bytes) -> bool:
    at = 0
    while at + _FRAGMENT_HEADER <= len(record):
        message = int.from_bytes(record[at + 1 : at + 4])
        offset = int.from_bytes(record[at + 6 : at + 9])
        length = int.from_bytes(record[at + 9 : at + 12])
        if message > MAX_MESSAGE_BYTES or offset + length > message:
            return False
        at += _FRAGMENT_HEADER + length
    return True
