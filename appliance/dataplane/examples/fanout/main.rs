//! What forwarding costs on this machine: one publisher, N subscribers, real UDP sockets on loopback, real SRTP.
//!
//! ```text
//! cargo run --release --example fanout -- [--subscribers 10,50,100,200,500] [--seconds 2] [--fps 30] [--packets 10]
//!                                         [--size 1200] [--profile gcm|cm] [--no-gso] [--no-batch] [--floor]
//! ```
//! Without `--fps` it saturates: four frames are always on their way. The worker is the one that ships, whole; its CPU
//! time, kernel work included, is its thread's. The packets are the publisher's by its key and each subscriber's by its
//! own; those of subscriber 0 are decrypted and compared byte by byte, the others counted.
//!
//! With `--floor` each line is followed by the least that it could cost here: the same packets decrypted, encrypted and
//! given to the kernel, and nothing else done (`floor.rs`).
//!
//! A figure of one run says little: compare two switches, or two commits, in turns on an idle machine.
//!
//! The publisher is policed as any client is (`engine::police`): below some 60 subscribers it sends more than 64 Mbit/s, and
//! what is dropped of it reads as lost. Give `--fps` there.

mod figures;
mod floor;
mod meeting;

use std::process::exit;
use std::time::Duration;

use _dataplane::srtp::Profile;
use _dataplane::worker::Sending;
use figures::Load;
use meeting::Meeting;

struct Options {
    subscribers: Vec<usize>,
    seconds: f64,
    load: Load,
    floor: bool,
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let load = Load {
        fps: None,
        packets: 10,
        size: 1200,
        profile: Profile::AeadAes128Gcm,
        sending: Sending::default(),
    };
    let mut options = Options { subscribers: vec![10, 50, 100, 200, 500], seconds: 2.0, load, floor: false };
    fn number<T: std::str::FromStr>(name: &str, value: Option<String>) -> Result<T, String> {
        let value = value.ok_or_else(|| format!("{name} needs a value"))?;
        value.parse().map_err(|_| format!("{name}: not a number: {value:?}"))
    }
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--subscribers" => {
                let list = arguments.next().ok_or("--subscribers needs a value")?;
                let each = list.split(',').map(|n| number(&name, Some(n.into())));
                options.subscribers = each.collect::<Result<_, _>>()?;
            }
            "--seconds" => options.seconds = number(&name, arguments.next())?,
            "--fps" => options.load.fps = Some(number(&name, arguments.next())?),
            "--packets" => options.load.packets = number(&name, arguments.next())?,
            "--size" => options.load.size = number(&name, arguments.next())?,
            "--profile" => {
                options.load.profile = match arguments.next().as_deref() {
                    Some("gcm") => Profile::AeadAes128Gcm,
                    Some("cm") => Profile::Aes128CmSha1_80,
                    other => return Err(format!("--profile: neither gcm nor cm: {other:?}")),
                }
            }
            "--no-gso" => options.load.sending.segment = false,
            "--floor" => options.floor = true,
            "--no-batch" => options.load.sending.hold = false,
            other => return Err(format!("unknown switch {other:?}")),
        }
    }
    // the frame's own bytes; 20,000 subscribers have an address each
    if !(64..=1300).contains(&options.load.size) || !(1..=64).contains(&options.load.packets) {
        return Err("--size is 64 to 1300, --packets 1 to 64".into());
    }
    if options.subscribers.iter().any(|n| !(1..=20_000).contains(n))
        || !(0.1..=20.0).contains(&options.seconds)
    {
        return Err("--subscribers are 1 to 20000, --seconds 0.1 to 20".into());
    }
    Ok(options)
}

fn main() {
    let options = parse(std::env::args().skip(1)).unwrap_or_else(|error| {
        eprintln!("fanout: {error}");
        exit(2);
    });
    println!(
        "{:>11} {:>7} {:>9} {:>7} {:>14} {:>8} {:>8} {:>11} {:>11} {:>11}",
        "subscribers", "by", "kpps", "CPU", "CPU-s/million", "ns/pkt", "lost", "p50", "p99", "kB/subscr."
    );
    let by: &[bool] = if options.floor { &[false, true] } else { &[false] };
    for (&subscribers, &floor) in options.subscribers.iter().flat_map(|n| by.iter().map(move |f| (n, f))) {
        let outcome = Meeting::open(subscribers, options.load, floor)
            .and_then(|mut meeting| meeting.measure(Duration::from_secs_f64(options.seconds)));
        match outcome {
            Ok(figures) => println!(
                "{subscribers:>11} {:>7} {:>9.0} {:>6.0}% {:>14.2} {:>8.0} {:>7.2}% {:>8} µs {:>8} µs {:>11.1}",
                if floor { "floor" } else { "worker" },
                figures.received as f64 / figures.wall_s / 1000.0,
                100.0 * figures.cpu_s / figures.wall_s,
                figures.cpu_s * 1e6 / figures.received as f64,
                figures.cpu_s * 1e9 / figures.received as f64,
                100.0 * (1.0 - figures.received as f64 / figures.expected as f64),
                figures.latency_us(0.5),
                figures.latency_us(0.99),
                figures.bytes_per_subscriber as f64 / 1000.0,
            ),
            Err(error) => {
                eprintln!("fanout: {subscribers} subscribers: {error}");
                exit(1);
            }
        }
    }
}
