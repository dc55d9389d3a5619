//! The template dependency structure: what each template of frame depends on, and which decode targets need it.

use super::bits::Reader;
use super::{Fdiffs, MAX_CHAINS, MAX_FDIFFS, MAX_TARGETS, MAX_TEMPLATES};

/// Spatial ids that a structure may use: libwebrtc's DependencyDescriptor::kMaxSpatialIds; VP9 and AV1 know 8, no encoder
/// in a browser makes more than three.
pub const MAX_SPATIAL: usize = 4;
/// Temporal ids: 3 bits in VP9 and AV1.
const MAX_TEMPORAL: u8 = 8;

/// One template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) spatial: u8,
    pub(super) temporal: u8,
    /// Decode targets that need the frame, as bits.
    pub(super) present: u32,
    /// Decode targets that may be begun with the frame, as bits.
    pub(super) switches: u32,
    pub(super) fdiffs: Fdiffs,
    pub(super) chains: [u8; MAX_CHAINS],
}

/// A structure, as a key frame attaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    offset: u8,
    template_count: u8,
    target_count: u8,
    chain_count: u8,
    templates: [Template; MAX_TEMPLATES],
    /// (spatial, temporal) of each decode target.
    targets: [(u8, u8); MAX_TARGETS],
    protected_by: [u8; MAX_TARGETS],
    /// Decode targets that need no frame that the target does not need, as bits.
    within: [u32; MAX_TARGETS],
    spatial_count: u8,
    resolutions: Option<[(u32, u32); MAX_SPATIAL]>,
}

impl Default for Structure {
    fn default() -> Self {
        Self {
            offset: 0,
            template_count: 0,
            target_count: 0,
            chain_count: 0,
            templates: [Template::default(); MAX_TEMPLATES],
            targets: [(0, 0); MAX_TARGETS],
            protected_by: [0; MAX_TARGETS],
            within: [0; MAX_TARGETS],
            spatial_count: 0,
            resolutions: None,
        }
    }
}

impl Structure {
    /// `template_dependency_structure()`; None if it ends early or is beyond the bounds.
    pub(super) fn read(bits: &mut Reader<'_>) -> Option<Structure> {
        let mut structure = Structure {
            offset: bits.take(6)? as u8,
            target_count: bits.take(5)? as u8 + 1,
            ..Default::default()
        };
        structure.read_layers(bits)?;
        let templates = &mut structure.templates[..usize::from(structure.template_count)];
        for template in templates.iter_mut() {
            (template.present, template.switches) = read_indications(bits, structure.target_count)?;
        }
        for template in templates.iter_mut() {
            while bits.flag()? {
                template.fdiffs.push(bits.take(4)? as u16 + 1)?;
            }
        }
        structure.chain_count = bits.below(u32::from(structure.target_count) + 1)? as u8;
        if structure.chain_count > 0 {
            for target in &mut structure.protected_by[..usize::from(structure.target_count)] {
                *target = bits.below(u32::from(structure.chain_count))? as u8;
            }
            for template in templates.iter_mut() {
                for chain in &mut template.chains[..usize::from(structure.chain_count)] {
                    *chain = bits.take(4)? as u8;
                }
            }
        }
        structure.derive_targets();
        if bits.flag()? {
            let mut resolutions = [(0, 0); MAX_SPATIAL];
            for size in &mut resolutions[..usize::from(structure.spatial_count)] {
                *size = (bits.take(16)? + 1, bits.take(16)? + 1);
            }
            structure.resolutions = Some(resolutions);
        }
        Some(structure)
    }

    fn read_layers(&mut self, bits: &mut Reader<'_>) -> Option<()> {
        let (mut spatial, mut temporal) = (0u8, 0u8);
        loop {
            if usize::from(spatial) >= MAX_SPATIAL || temporal >= MAX_TEMPORAL {
                return None;
            }
            let slot = self.templates.get_mut(usize::from(self.template_count))?;
            (slot.spatial, slot.temporal) = (spatial, temporal);
            self.template_count += 1;
            match bits.take(2)? {
                0 => {}
                1 => temporal += 1,
                2 => (spatial, temporal) = (spatial + 1, 0),
                _ => break,
            }
        }
        self.spatial_count = spatial + 1;
        Some(())
    }

    /// `decode_target_layers()`, and which targets lie within which.
    fn derive_targets(&mut self) {
        let templates = &self.templates[..usize::from(self.template_count)];
        for index in 0..usize::from(self.target_count) {
            let bit = 1u32 << index;
            let (mut layers, mut beyond) = ((0, 0), 0);
            for template in templates {
                if template.present & bit != 0 {
                    layers = (template.spatial.max(layers.0), template.temporal.max(layers.1));
                } else {
                    beyond |= template.present;
                }
            }
            self.targets[index] = layers;
            self.within[index] = !beyond & all(self.target_count);
        }
    }

    pub(super) fn template(&self, template_id: u8) -> Option<&Template> {
        let index = (template_id + 64 - self.offset) % 64;
        self.templates[..usize::from(self.template_count)].get(usize::from(index))
    }

    /// Number of decode targets; 0 before there is a structure.
    pub fn target_count(&self) -> u8 {
        self.target_count
    }

    /// Number of chains.
    pub fn chain_count(&self) -> u8 {
        self.chain_count
    }

    /// Number of spatial layers.
    pub fn spatial_count(&self) -> u8 {
        self.spatial_count
    }

    /// All decode targets, as bits.
    pub fn all_targets(&self) -> u32 {
        all(self.target_count)
    }

    /// (spatial, temporal) of a decode target.
    pub fn layers(&self, target: u8) -> (u8, u8) {
        self.targets[usize::from(target) % MAX_TARGETS]
    }

    /// Decode targets that can be decoded by whoever gets the frames of `target`, as bits.
    pub fn within(&self, target: u8) -> u32 {
        self.within[usize::from(target) % MAX_TARGETS]
    }

    /// The chain that protects a decode target.
    pub fn chain(&self, target: u8) -> Option<u8> {
        (self.chain_count > 0).then(|| self.protected_by[usize::from(target) % MAX_TARGETS])
    }

    /// Width and height of a spatial layer, if told.
    pub fn resolution(&self, spatial: u8) -> Option<(u32, u32)> {
        self.resolutions.filter(|_| spatial < self.spatial_count).map(|sizes| sizes[usize::from(spatial)])
    }

    /// The best of the decode targets `among` whose layers are not above these.
    pub fn fitting_target(&self, spatial: u8, temporal: u8, among: u32) -> Option<u8> {
        let fits = |target: &u8| {
            let (s, t) = self.layers(*target);
            s <= spatial && t <= temporal
        };
        self.targets_of(among).filter(fits).max_by_key(|target| self.layers(*target))
    }

    /// The same, but the lowest of them if all are above.
    pub fn best_target(&self, spatial: u8, temporal: u8, among: u32) -> Option<u8> {
        let lowest = || self.targets_of(among).min_by_key(|target| self.layers(*target));
        self.fitting_target(spatial, temporal, among).or_else(lowest)
    }

    fn targets_of(&self, among: u32) -> impl Iterator<Item = u8> {
        (0..self.target_count).filter(move |target| among & 1 << target != 0)
    }
}

/// Decode target indications: two bits for each target: not present, discardable, switch, required.
pub(super) fn read_indications(bits: &mut Reader<'_>, targets: u8) -> Option<(u32, u32)> {
    let (mut present, mut switches) = (0, 0);
    for target in 0..targets {
        let indication = bits.take(2)?;
        present |= u32::from(indication != 0) << target;
        switches |= u32::from(indication == 2) << target;
    }
    Some((present, switches))
}

fn all(targets: u8) -> u32 {
    ((1u64 << targets) - 1) as u32
}

const _: () = assert!(MAX_FDIFFS <= 16 && MAX_CHAINS == MAX_TARGETS);
