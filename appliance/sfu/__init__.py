"""The SFU's shell: rooms on workers, sessions of clients, what a receive seat shows. Bytes belong to the data plane.

::

    media       open_sfu: the data plane, the DTLS endpoint, the event pump; Sfu   I/O
    room        one room on one worker, its channel of events                      I/O
    session     one client: negotiate, bind seats, mute, quality                   I/O
    transport   our ICE credentials and the SSRCs of seats                         I/O (randomness)
    events      what a room tells its owner                                        pure
    layers      wanted picture size → simulcast layer                              pure
    readings    the data plane's numbers, typed                                    pure
    addresses   which addresses the candidates name                                I/O

live/ owns a Room and reads its events; it decides who sits where. Nothing here knows users, roles or messages other
than Offer, whose lines say what each m-line is for.
"""
