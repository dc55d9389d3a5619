//! Inputs for fuzzing: mutations of valid ones, from a seed that a failure prints.

#[path = "random.rs"]
#[allow(dead_code)] // each user takes its part
mod random;

use std::time::Duration;

pub use random::Random;

/// Inputs per target when nobody asks for more: a fraction of a second without optimisation.
const INPUTS: u64 = 4000;
/// Longest input: the largest datagram that the worker receives.
pub const LONGEST: usize = 1500;

impl Random {
    /// Numbers at which parsers break, half of the time.
    pub fn byte(&mut self) -> u8 {
        const EDGES: [u8; 10] = [0, 1, 0x0F, 0x10, 0x7F, 0x80, 0x8F, 0xBE, 0xDE, 0xFF];
        if self.next() & 1 == 0 { EDGES[self.below(EDGES.len())] } else { self.next() as u8 }
    }

    /// A few mutations of `seed`, or of nothing.
    pub fn mutate(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut input = if self.below(20) == 0 { Vec::new() } else { seed.to_vec() };
        for _ in 0..=self.below(6) {
            let at = self.below(input.len());
            match self.below(7) {
                0 if !input.is_empty() => input[at] = self.byte(),
                1 if !input.is_empty() => input[at] ^= 1 << self.below(8),
                2 => input.truncate(at),
                3 => input.insert(at, self.byte()),
                4 if !input.is_empty() => drop(input.remove(at)),
                5 => (0..self.below(40)).for_each(|_| input.push(self.byte())),
                _ => input.splice(at.., other[self.below(other.len())..].iter().copied()).for_each(drop),
            }
        }
        input.truncate(LONGEST);
        input
    }
}

/// Says how to repeat a failure.
struct Repeat<'a>(u64, &'a [u8]);

impl Drop for Repeat<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let input: String = self.1.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("PARLEY_FUZZ_SEED={} input {input}", self.0);
        }
    }
}

/// Processor time of this thread (proc_pid_schedstat: the first number, in nanoseconds). A machine that does other work
/// beside makes a run longer, not shallower.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let spent = text.split_whitespace().next().and_then(|number| number.parse().ok());
    Duration::from_nanos(spent.expect("nanoseconds"))
}

/// Feeds mutations of `corpus` to `target`.
pub fn fuzz(corpus: &[Vec<u8>], mut target: impl FnMut(&[u8])) {
    let number =
        |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    let end = number("PARLEY_FUZZ_SECONDS").map(|seconds| processor_time() + Duration::from_secs(seconds));
    let fixed = number("PARLEY_FUZZ_SEED");
    let nanos = || std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
    let mut seed = fixed.unwrap_or_else(|| if end.is_some() { nanos() } else { 1 });
    let mut inputs = 0;
    corpus.iter().for_each(|input| target(input));
    loop {
        let mut random = Random(seed);
        for _ in 0..INPUTS {
            let (one, other) = (random.below(corpus.len()), random.below(corpus.len()));
            let input = random.mutate(&corpus[one], &corpus[other]);
            let _repeat = Repeat(seed, &input);
            target(&input);
        }
        inputs += INPUTS;
        if fixed.is_some() || end.is_none_or(|end| processor_time() >= end) {
            println!("{inputs} inputs in {:.0?} of processor time", processor_time());
            return;
        }
        seed += 1;
    }
}
