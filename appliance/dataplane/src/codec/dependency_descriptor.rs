//! Dependency descriptor header extension (AV1 RTP payload format, appendix A): the fixed fields, and of the template
//! structure the layers. Chains and decode targets are not read.

/// Templates that a structure may hold: their ids have 6 bits.
const MAX_TEMPLATES: usize = 64;

/// The layers of each template of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateLayers {
    offset: u8,
    count: u8,
    layers: [(u8, u8); MAX_TEMPLATES],
}

impl TemplateLayers {
    /// (spatial, temporal) of a template id, if the structure has it.
    pub fn of(&self, template_id: u8) -> Option<(u8, u8)> {
        let index = (template_id + 64 - self.offset) % 64;
        (index < self.count).then(|| self.layers[usize::from(index)])
    }
}

/// One packet's descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DependencyDescriptor {
    /// First packet of its frame.
    pub start_of_frame: bool,
    /// Last packet of its frame.
    pub end_of_frame: bool,
    /// Template of the frame, to be looked up in the newest structure.
    pub template_id: u8,
    /// Frame number modulo 2^16.
    pub frame_number: u16,
    /// Attached to key frames.
    pub structure: Option<TemplateLayers>,
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u8> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            value = value << 1 | (byte >> (7 - self.at % 8)) & 1;
            self.at += 1;
        }
        Some(value)
    }
}

impl DependencyDescriptor {
    /// Read the extension's bytes; None if they end inside a field that is read, or the layers run over.
    pub fn parse_untrusted(bytes: &[u8]) -> Option<DependencyDescriptor> {
        let &[flags, high, low, ..] = bytes else { return None };
        let mut descriptor = DependencyDescriptor {
            start_of_frame: flags & 0x80 != 0,
            end_of_frame: flags & 0x40 != 0,
            template_id: flags & 0x3f,
            frame_number: u16::from_be_bytes([high, low]),
            structure: None,
        };
        if bytes.len() > 3 {
            let mut bits = Bits { bytes, at: 24 };
            let has_structure = bits.take(1)? == 1;
            bits.take(4)?; // active decode targets, custom dtis, fdiffs, chains
            if has_structure {
                descriptor.structure = Some(template_layers(&mut bits)?);
            }
        }
        Some(descriptor)
    }
}

fn template_layers(bits: &mut Bits) -> Option<TemplateLayers> {
    let offset = bits.take(6)?;
    bits.take(5)?; // dt_cnt_minus_one
    let mut structure = TemplateLayers { offset, count: 0, layers: [(0, 0); MAX_TEMPLATES] };
    let (mut spatial, mut temporal) = (0u8, 0u8);
    loop {
        let slot = structure.layers.get_mut(usize::from(structure.count))?;
        *slot = (spatial, temporal);
        structure.count += 1;
        match bits.take(2)? {
            0 => {}
            1 => temporal += 1,
            2 => (spatial, temporal) = (spatial + 1, 0),
            _ => return Some(structure),
        }
    }
}
