use super::*;

/// Descriptors as a sender writes them.
struct Builder {
    bits: String,
}

impl Builder {
    fn new(flags: &str, template: u8, number: u16) -> Self {
        Self { bits: format!("{flags}{template:06b}{number:016b}") }
    }

    fn add(mut self, bits: &str) -> Self {
        self.bits.extend(bits.chars().filter(|c| *c != ' '));
        self
    }

    fn bytes(mut self) -> Vec<u8> {
        while !self.bits.len().is_multiple_of(8) {
            self.bits.push('0');
        }
        let byte = |i: usize| u8::from_str_radix(&self.bits[i..i + 8], 2).expect("bits");
        (0..self.bits.len()).step_by(8).map(byte).collect()
    }
}

/// Structure of three temporal layers: templates T0 key, T0, T1, T2 with offset 60; targets T0, T1, T2; one chain.
fn l1t3() -> String {
    let layers = "00 01 01 11";
    let indications = "10 10 10  10 10 10  00 01 10  00 00 01"; // - D S R are 0 to 3
    let fdiffs = "0  1 0011 0  1 0001 0  1 0000 0";
    let chains = "01 0000 0100 0010 0001"; // ns(4) of 1; ns(1) takes no bits
    ["111100 00010", layers, indications, fdiffs, chains].concat()
}

fn l1t3_key(number: u16) -> Vec<u8> {
    Builder::new("11", 60, number)
        .add("10000")
        .add(&l1t3())
        .add("1 0000001001111111 0000000101100111")
        .bytes()
}

fn numbers(fdiffs: &Fdiffs) -> Vec<u16> {
    fdiffs.iter().collect()
}

#[test]
fn a_structure_is_read_whole() {
    let mut structure = Structure::default();
    let bytes = l1t3_key(0x0102);
    let read = parse_untrusted(&bytes, &mut structure).expect("well-formed");
    assert!(read.head.start_of_frame && read.head.end_of_frame && read.head.has_structure);
    assert_eq!((read.frame.number, read.frame.spatial, read.frame.temporal), (0x0102, 0, 0));
    assert_eq!((read.frame.present, read.frame.switches, read.active_targets), (0b111, 0b111, None));
    assert_eq!((structure.target_count(), structure.chain_count(), structure.spatial_count()), (3, 1, 1));
    assert_eq!([0, 1, 2].map(|t| structure.layers(t)), [(0, 0), (0, 1), (0, 2)]);
    assert_eq!([0, 1, 2].map(|t| structure.within(t)), [0b001, 0b011, 0b111]);
    assert_eq!([0, 1, 2].map(|t| structure.chain(t)), [Some(0); 3]);
    assert_eq!((structure.resolution(0), structure.resolution(1)), (Some((640, 360)), None));
    assert_eq!(structure.best_target(0, 1, 0b111), Some(1));
    assert_eq!(structure.best_target(0, 1, 0b100), Some(2), "nothing lower is made");
    assert_eq!(structure.best_target(3, 7, 0b111), Some(2));
    // templates wrap around at 64: 60 + 3 is T2
    let delta = Builder::new("10", 63, 0x0103).bytes();
    let frame = parse_untrusted(&delta, &mut structure).expect("known template").frame;
    assert_eq!((frame.temporal, frame.present, frame.switches), (2, 0b100, 0));
    assert_eq!((numbers(&frame.fdiffs), frame.chains[0]), (vec![1], 1));
    for cut in 0..bytes.len() {
        let mut other = structure.clone();
        let ends = parse_untrusted(&bytes[..cut], &mut other);
        assert!(ends.is_none() || cut == 3, "cut at {cut}");
        assert_eq!(other, structure);
    }
}

#[test]
fn a_frame_may_differ_from_its_template() {
    let mut structure = Structure::default();
    parse_untrusted(&l1t3_key(1), &mut structure).expect("well-formed");
    let own = Builder::new("11", 61, 9)
        .add("01111 010") // active targets: only T1
        .add("00 10 01") // own indications
        .add("01 0010 10 00000100 11 000000000111 00") // fdiffs 3, 5, 8
        .add("00001001") // chain: 9 back
        .bytes();
    let read = parse_untrusted(&own, &mut structure).expect("well-formed");
    assert_eq!((read.active_targets, read.frame.present, read.frame.switches), (Some(0b010), 0b110, 0b010));
    assert_eq!((numbers(&read.frame.fdiffs), read.frame.chains[0]), (vec![3, 5, 8], 9));
    assert_eq!(parse_untrusted(&Builder::new("11", 0, 9).bytes(), &mut structure), None, "unknown template");
    let nine = Builder::new("11", 61, 9).add("00010").add(&"01 0000".repeat(9)).add("00").bytes();
    assert_eq!(parse_untrusted(&nine, &mut structure), None, "more references than any codec has");
}

#[test]
fn targets_of_a_key_dependent_structure_do_not_contain_each_other() {
    // S0: key, T0; S1: key, T0. Targets: 0 is S0, 1 is S1.
    let bytes = Builder::new("11", 0, 7)
        .add("10000 000000 00001 00 10 00 11")
        .add("10 10  10 00  00 10  00 10") // S0 delta frames are not there for S1
        .add("0  1 0001 0  1 0000 0  1 0001 0")
        .add("11 0 1  0000 0000  0010 0001  0001 0001  0001 0010") // ns(3) of 2; chain of each target
        .add("0")
        .bytes();
    let mut structure = Structure::default();
    parse_untrusted(&bytes, &mut structure).expect("well-formed");
    assert_eq!((structure.target_count(), structure.spatial_count(), structure.chain_count()), (2, 2, 2));
    assert_eq!([0, 1].map(|t| (structure.layers(t), structure.within(t))), [((0, 0), 0b01), ((1, 0), 0b10)]);
    assert_eq!([0, 1].map(|t| structure.chain(t)), [Some(0), Some(1)]);
}

#[test]
fn what_is_rewritten_reads_the_same_but_for_number_and_targets() {
    let mut structure = Structure::default();
    let key = l1t3_key(500);
    parse_untrusted(&key, &mut structure).expect("well-formed");
    let custom = Builder::new("10", 61, 501).add("01110 011 00 10 01 01 0010 00").bytes();
    let plain = Builder::new("01", 62, 502).bytes();
    for bytes in [&key, &custom, &plain] {
        let before = parse_untrusted(bytes, &mut structure.clone()).expect("well-formed");
        for active in [None, Some((0b001, 3))] {
            let mut out = [0xff; MAX_LENGTH];
            let length = rewrite(bytes, 65_000, active, &mut out).expect("room");
            let mut again = if bytes == &key { Structure::default() } else { structure.clone() };
            let after = parse_untrusted(&out[..length], &mut again).expect("well-formed");
            assert_eq!(again, structure);
            assert_eq!(after.active_targets, active.map_or(before.active_targets, |(mask, _)| Some(mask)));
            assert_eq!(after.frame, Frame { number: 65_000, ..before.frame });
            let same = |d: &Descriptor| (d.head.start_of_frame, d.head.end_of_frame, d.head.template_id);
            assert_eq!(same(&after), same(&before));
        }
        assert_eq!(rewrite(bytes, 1, None, &mut [0; 2]), None, "no room");
    }
}

#[test]
fn spatial_layers_and_templates_are_bounded() {
    let mut structure = Structure::default();
    let many = |layers: &str| {
        Builder::new("11", 0, 7).add("10000 000000 00000").add(layers).add(&"0".repeat(900)).bytes()
    };
    assert!(parse_untrusted(&many("10 10 10 11"), &mut structure).is_some());
    assert_eq!(parse_untrusted(&many("10 10 10 10 11"), &mut structure), None, "five spatial layers");
    assert!(parse_untrusted(&many(&("00".repeat(63) + "11")), &mut structure).is_some());
    assert_eq!(parse_untrusted(&many(&"00".repeat(64)), &mut structure), None, "more than 64 templates");
    assert!(parse_untrusted(&many(&("01".repeat(7) + "11")), &mut structure).is_some());
    assert_eq!(parse_untrusted(&many(&"01".repeat(8)), &mut structure), None, "nine temporal layers");
}
