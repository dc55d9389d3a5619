//! Frames cut into packets as encoders' RTP senders do it, with sizes drawn at random; and what a file is to have of them.

use super::Random;

/// A frame of some codec: payloads of its packets, and its bytes in a file.
pub struct Cut {
    pub payloads: Vec<Vec<u8>>,
    pub file: Vec<u8>,
}

fn noise(random: &mut Random, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.next() as u8).collect()
}

/// Pieces of 1 to 900 bytes.
fn pieces(random: &mut Random, mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at((1 + random.below(900)).min(bytes.len()));
        pieces.push(piece.to_vec());
        bytes = rest;
    }
    pieces
}

/// RFC 7741, with and without a picture id.
pub fn vp8(random: &mut Random, key: bool) -> Cut {
    let length = 1 + random.below(4000);
    let mut file = noise(random, length);
    file[0] = (file[0] & !1) | u8::from(!key);
    let wide = random.chance(0.5);
    let describe = |(index, piece): (usize, Vec<u8>)| {
        let start = if index == 0 { 0x10 } else { 0 };
        let head: &[u8] = if wide { &[0x80 | start, 0x80, 0x81, 7] } else { &[start] };
        [head, &piece].concat()
    };
    let payloads = pieces(random, &file).into_iter().enumerate().map(describe).collect();
    Cut { payloads, file }
}

/// RFC 9628, flexible mode, one to three spatial layers.
pub fn vp9(random: &mut Random, key: bool) -> Cut {
    let layers = 1 + random.below(3);
    let (mut payloads, mut file, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for layer in 0..layers {
        let length = 1 + random.below(3000);
        let frame = noise(random, length);
        let cut = pieces(random, &frame);
        for (index, piece) in cut.iter().enumerate() {
            let (begins, ends) = (u8::from(index == 0), u8::from(index + 1 == cut.len()));
            let mut payload = vec![0xB0 | u8::from(!key) << 6 | begins << 3 | ends << 2, 0x85, 7];
            payload.push((layer as u8) << 1 | u8::from(layer > 0));
            if !key {
                payload.extend([3, 4]); // two references
            }
            payloads.push([&payload[..], piece].concat());
        }
        sizes.push(frame.len());
        file.extend(frame);
    }
    if layers > 1 {
        let width = if sizes.iter().max() > Some(&255) { 2 } else { 1 };
        let marker = 0xC0 | (width as u8 - 1) << 3 | (layers as u8 - 1);
        file.push(marker);
        sizes.iter().for_each(|size| file.extend(&size.to_le_bytes()[..width]));
        file.push(marker);
    }
    Cut { payloads, file }
}

/// RFC 6184: parameter sets aggregated or alone, slices alone or in fragments.
pub fn h264(random: &mut Random, key: bool) -> Cut {
    let unit = |random: &mut Random, header: u8, most: usize| {
        let length = 1 + random.below(most);
        [&[header][..], &noise(random, length)].concat()
    };
    let (mut payloads, mut file) = (Vec::new(), Vec::new());
    let mut put = |unit: &[u8]| {
        file.extend([0, 0, 0, 1]);
        file.extend(unit);
    };
    if key {
        let sets = [unit(random, 0x67, 30), unit(random, 0x68, 10)];
        sets.iter().for_each(|set| put(set));
        if random.chance(0.5) {
            payloads.extend(sets);
        } else {
            let aggregate = sets.iter().flat_map(|set| [&(set.len() as u16).to_be_bytes()[..], set].concat());
            payloads.push([24].into_iter().chain(aggregate).collect());
        }
    }
    for _ in 0..=random.below(3) {
        let slice = unit(random, if key { 0x65 } else { 0x41 }, 4000);
        put(&slice);
        let cut = pieces(random, &slice[1..]);
        if cut.len() == 1 {
            payloads.push(slice);
            continue;
        }
        for (index, piece) in cut.iter().enumerate() {
            let (first, last) = (u8::from(index == 0), u8::from(index + 1 == cut.len()));
            let header = first << 7 | last << 6 | slice[0] & 0x1f;
            payloads.push([&[slice[0] & 0xe0 | 28, header][..], piece].concat());
        }
    }
    Cut { payloads, file }
}

fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A part of an OBU.
struct Element {
    begins: bool,
    ends: bool,
    bytes: Vec<u8>,
}

/// RTP payload format for AV1: OBUs over packets, several in one, with and without a count.
pub fn av1(random: &mut Random, key: bool) -> Cut {
    let mut obus = vec![vec![0x10]]; // a delimiter, which does not belong there and is known to come
    if key {
        obus.push([&[0x08, 0][..], &noise(random, 10)].concat());
    }
    let tag = if key { 0x10 } else { 0x30 };
    let length = random.below(3000);
    obus.push([&[0x30, tag][..], &noise(random, length)].concat());
    for _ in 0..random.below(3) {
        let length = 1 + random.below(2000);
        obus.push([&[0x20][..], &noise(random, length)].concat());
    }
    let mut file = Vec::new();
    for obu in &obus[1..] {
        file.push(obu[0] | 2);
        file.extend(leb128(obu.len() - 1));
        file.extend(&obu[1..]);
    }
    let mut packets: Vec<Vec<Element>> = vec![Vec::new()];
    for obu in &obus {
        let cut = pieces(random, obu);
        for (index, piece) in cut.iter().enumerate() {
            let (begins, ends) = (index == 0, index + 1 == cut.len());
            let element = Element { begins, ends, bytes: piece.clone() };
            let open = packets.last().unwrap();
            let goes_on =
                index > 0 || open.iter().map(|e| e.bytes.len()).sum::<usize>() > 600 || open.len() == 3;
            if goes_on && !open.is_empty() {
                packets.push(Vec::new());
            }
            packets.last_mut().unwrap().push(element);
        }
    }
    let counted = random.chance(0.5);
    let payload = |(index, elements): (usize, &Vec<Element>)| {
        let continues = u8::from(!elements[0].begins) << 7;
        let goes_on = u8::from(!elements.last().unwrap().ends) << 6;
        let new = u8::from(index == 0 && key) << 3;
        let count = if counted { elements.len() as u8 } else { 0 };
        let mut payload = vec![continues | goes_on | count << 4 | new];
        for (place, element) in elements.iter().enumerate() {
            if !counted || place + 1 < elements.len() {
                payload.extend(leb128(element.bytes.len()));
            }
            payload.extend(&element.bytes);
        }
        payload
    };
    let payloads = packets.iter().enumerate().map(payload).collect();
    Cut { payloads, file }
}
