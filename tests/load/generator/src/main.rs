//! Load generator: virtual clients with real ICE, DTLS and SRTP that publish marked media and measure what a server
//! forwards. Reads one [`plan::Plan`] as JSON from standard input and prints one JSON object a line:
//!
//! ```text
//! {"event": "ready", …}    everybody has media (or the time is over)
//! {"event": "begin"}       the measured window begins
//! {"event": "end"}         and ends
//! {"event": "report", …}   the account: report::Report
//! ```
//!
//! ```text
//! parley (a thread for each client's signaling) ── commands ──▶ media (one thread, one socket)
//!                                                                 └ client: ice dtls track inbound  → ledger → report
//! ```
//!
//! Knows nothing of the server's CPU and memory: the driver, forward.py, looks at those between "begin" and "end".

mod client;
mod dtls;
mod histogram;
mod ice;
mod inbound;
mod ledger;
mod mark;
mod media;
mod parley;
mod plan;
mod report;
mod sdp;
mod sockets;
mod track;

use std::error::Error;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use _dataplane::command::Kind;
use _dataplane::io::{EventFd, Udp};
use _dataplane::srtp::Profile;
use serde_json::{Value, json};

use dtls::Identity;
use ledger::Ledger;
use media::{Command, Handle, Media};
use parley::{Guest, Shared};
use plan::{Cipher, Plan};

/// Packets on their way when the window ends, retransmissions included, get this long.
const DRAIN: Duration = Duration::from_millis(500);
/// How often the run looks whether everybody is ready.
const LOOK_EACH: Duration = Duration::from_millis(50);
/// A thread that only reads frames needs little.
const STACK: usize = 256 << 10;

fn say(line: &Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parley-load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Every client of the plan, publishers of all rooms first.
fn guests(plan: &Plan, ledger: &Ledger) -> Vec<Guest> {
    let mut publishers = Vec::new();
    let mut subscribers = Vec::new();
    let mut streams = ledger.streams.iter().enumerate().peekable();
    for (room, described) in plan.rooms.iter().enumerate() {
        let all = ledger.count_of(room);
        let each = usize::from(described.audio) + usize::from(described.video);
        let guest = |publishes: Vec<(u32, Kind)>| Guest {
            index: 0,
            room,
            meeting: described.meeting.clone(),
            expected: all - publishes.len(),
            publishes,
        };
        for _ in 0..described.publishers {
            let own = streams.by_ref().take(each).map(|(number, stream)| (number as u32, stream.kind));
            publishers.push(guest(own.collect()));
        }
        subscribers.extend((0..described.subscribers).map(|_| guest(Vec::new())));
    }
    let everybody = publishers.into_iter().chain(subscribers).enumerate();
    everybody.map(|(index, guest)| Guest { index, ..guest }).collect()
}

/// Begins to join one client after the other; their threads end when the run is over.
fn join_all(plan: &Plan, guests: Vec<Guest>, shared: &Arc<Shared>) -> std::io::Result<Vec<JoinHandle<()>>> {
    let (began, count) = (Instant::now(), guests.len());
    let mut threads = Vec::with_capacity(count);
    for guest in guests {
        let due = began + Duration::from_secs_f64(guest.index as f64 / plan.joins_per_s);
        sleep(due.saturating_duration_since(Instant::now()));
        let shared = shared.clone();
        let name = format!("client-{}", guest.index);
        let thread = thread::Builder::new().name(name).stack_size(STACK);
        threads.push(thread.spawn(move || parley::run(guest, &shared))?);
    }
    Ok(threads)
}

/// Waits until everybody has all media, somebody failed, or the time is over: (connected, complete, failed).
fn wait_ready(
    plan: &Plan,
    handle: &Handle,
    everybody: usize,
) -> Result<(usize, usize, usize), Box<dyn Error>> {
    let began = Instant::now();
    loop {
        let (ask, answer) = mpsc::channel();
        handle.send(Command::Progress(ask));
        let progress = answer.recv()?;
        let over = began.elapsed().as_secs_f64() > plan.ready_within_s;
        if progress.1 == everybody || progress.2 > 0 || over {
            return Ok(progress);
        }
        sleep(LOOK_EACH);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let plan: Plan = serde_json::from_reader(std::io::stdin())?;
    let profile = match plan.cipher {
        Cipher::Gcm => Profile::AeadAes128Gcm,
        Cipher::Cm => Profile::Aes128CmSha1_80,
    };
    let identity = Arc::new(Identity::generate(profile)?);
    let (epoch, ledger) = (Instant::now(), Ledger::new(&plan));
    let guests = guests(&plan, &ledger);
    let everybody = guests.len();
    let udp = Udp::bind((Ipv4Addr::UNSPECIFIED, 0).into())?;
    let port = udp.local_addr().port();
    let (queue, inbox) = mpsc::channel();
    let wake = Arc::new(EventFd::new()?);
    let handle = Handle::new(queue, wake.clone());
    let media = Media::new(udp, epoch, identity.clone(), ledger, plan.loss, inbox, wake)?;
    let media = thread::Builder::new().name("media".into()).spawn(move || media.run())?;
    let shared = Arc::new(Shared {
        url: plan.url.clone(),
        identity,
        media: handle.clone(),
        port,
        epoch,
        shape: plan.media,
        over: AtomicBool::new(false),
    });

    let threads = join_all(&plan, guests, &shared)?;
    let (connected, complete, failed) = wait_ready(&plan, &handle, everybody)?;
    say(&json!({"event": "ready", "clients": everybody, "connected": connected, "complete": complete,
        "failed": failed, "after_s": epoch.elapsed().as_secs_f64()}))?;
    sleep(Duration::from_secs_f64(plan.settle_s));
    handle.send(Command::Begin);
    say(&json!({"event": "begin"}))?;
    sleep(Duration::from_secs_f64(plan.measure_s));
    handle.send(Command::End);
    say(&json!({"event": "end"}))?;
    sleep(DRAIN);
    let (ask, answer) = mpsc::channel();
    handle.send(Command::Report(ask));
    let mut report = serde_json::to_value(answer.recv()?)?;
    report["event"] = "report".into();
    say(&report)?;

    shared.over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().map_err(|_| "a client's thread panicked")?;
    }
    handle.send(Command::Stop);
    media.join().map_err(|_| "the media thread panicked")??;
    Ok(())
}
