//! RFC 2198, redundant audio data: one packet with the newest block of sound behind older ones.
//!
//! ```text
//! F=1 | block PT (7)   timestamp offset (14)   block length (10)      for each older block
//! F=0 | block PT (7)                                                   for the primary one
//! older blocks, oldest first, then the primary one to the end
//! ```
//!
//! All blocks are of one payload type here: that is what browsers offer (`a=fmtp:63 111/111`) and what is answered.

/// The headers of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// Payload type that every block names.
    pub payload_type: u8,
    /// Where the primary block begins; it goes to the end.
    pub primary: usize,
}

impl Headers {
    /// Reads the headers. None if they run past the payload, disagree on the payload type, or leave no primary block.
    pub fn parse_untrusted(payload: &[u8]) -> Option<Self> {
        let (mut at, mut older) = (0, 0);
        let payload_type = payload.first()? & 0x7f;
        loop {
            let first = *payload.get(at)?;
            if first & 0x7f != payload_type {
                return None;
            }
            if first & 0x80 == 0 {
                let primary = at + 1 + older;
                return (primary < payload.len()).then_some(Self { payload_type, primary });
            }
            let length = payload.get(at + 2..at + 4)?;
            older += usize::from(u16::from_be_bytes([length[0] & 0x03, length[1]]));
            at += 4;
        }
    }

    /// Names another payload type in every block's header of the payload that was read.
    pub fn rename(&self, payload: &mut [u8], payload_type: u8) {
        let mut at = 0;
        while let Some(first) = payload.get_mut(at) {
            *first = (*first & 0x80) | (payload_type & 0x7f);
            if *first & 0x80 == 0 {
                return;
            }
            at += 4;
        }
    }

    /// The blocks before the primary one of the payload that was read: how far back in time each is, and its bytes.
    pub fn older<'a>(&self, payload: &'a [u8]) -> impl Iterator<Item = (u32, &'a [u8])> {
        let headers = payload.chunks_exact(4).take_while(|header| header[0] & 0x80 != 0);
        let count = headers.clone().count();
        let mut at = 4 * count + 1;
        headers.map_while(move |header| {
            let back = u32::from(header[1]) << 6 | u32::from(header[2] >> 2);
            let length = usize::from(u16::from_be_bytes([header[2] & 0x03, header[3]]));
            let block = payload.get(at..at + length)?;
            at += length;
            Some((back, block))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two older blocks of 3 and 2 bytes, 960 and 480 ticks back, and a primary one of 4.
    const PACKET: [u8; 18] = [
        0x80 | 111,
        (960u16 >> 6) as u8,
        ((960u16 & 0x3f) << 2) as u8,
        3,
        0x80 | 111,
        (480u16 >> 6) as u8,
        ((480u16 & 0x3f) << 2) as u8,
        2,
        111,
        1,
        1,
        1,
        2,
        2,
        3,
        3,
        3,
        3,
    ];

    #[test]
    fn the_primary_block_is_found_and_blocks_are_renamed() {
        let headers = Headers::parse_untrusted(&PACKET).unwrap();
        assert_eq!((headers.payload_type, &PACKET[headers.primary..]), (111, &[3, 3, 3, 3][..]));
        let mut renamed = PACKET;
        headers.rename(&mut renamed, 109);
        assert_eq!(Headers::parse_untrusted(&renamed), Some(Headers { payload_type: 109, ..headers }));
        assert_eq!(renamed[9..], PACKET[9..]);
        let older: Vec<_> = headers.older(&PACKET).collect();
        assert_eq!(older, [(960, &[1, 1, 1][..]), (480, &[2, 2][..])]);
        assert_eq!(Headers::parse_untrusted(&[111, 7]), Some(Headers { payload_type: 111, primary: 1 }));
    }

    #[test]
    fn headers_that_lie_are_refused() {
        for cut in 0..=14 {
            assert_eq!(Headers::parse_untrusted(&PACKET[..cut]), None, "cut to {cut}");
        }
        let mut other_type = PACKET;
        other_type[4] = 0x80 | 110;
        let mut too_long = PACKET;
        too_long[2] |= 3; // 771 bytes
        for packet in [&other_type[..], &too_long, &[0x80 | 111; 40], &[111]] {
            assert_eq!(Headers::parse_untrusted(packet), None);
        }
    }
}
