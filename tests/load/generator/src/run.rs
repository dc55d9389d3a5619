//! A run from its plan to its account: who joins when, when the window is open.

use std::error::Error;
use std::io::{BufRead, Write};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use _dataplane::command::Kind;
use _dataplane::io::{EventFd, Udp};
use _dataplane::srtp::Profile;
use serde_json::{Value, json};

use crate::adapter;
use crate::dtls::Identity;
use crate::guest::{Guest, Shared};
use crate::ledger::Ledger;
use crate::media::{Command, Handle, Media, Network};
use crate::plan::{Cipher, Plan, Server, Step};

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
            publishers: described.publishers,
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
fn join_all(
    guests: impl Iterator<Item = Guest>,
    (server, joins_per_s): (Server, f64),
    shared: &Arc<Shared>,
) -> std::io::Result<Vec<JoinHandle<()>>> {
    let began = Instant::now();
    let mut threads = Vec::new();
    for (number, guest) in guests.enumerate() {
        let due = began + Duration::from_secs_f64(number as f64 / joins_per_s);
        sleep(due.saturating_duration_since(Instant::now()));
        let shared = shared.clone();
        let name = format!("client-{}", guest.index);
        let thread = thread::Builder::new().name(name).stack_size(STACK);
        threads.push(thread.spawn(move || adapter::run(server, guest, &shared))?);
    }
    Ok(threads)
}

/// Asks for (connected, complete, failed) until `done`, somebody failed, or the time is over.
fn wait(
    within_s: f64,
    handle: &Handle,
    done: impl Fn(usize, usize) -> bool,
) -> Result<(usize, usize, usize), Box<dyn Error>> {
    let began = Instant::now();
    loop {
        let (ask, answer) = mpsc::channel();
        handle.send(Command::Progress(ask));
        let progress = answer.recv()?;
        let over = began.elapsed().as_secs_f64() > within_s;
        if done(progress.0, progress.1) || progress.2 > 0 || over {
            return Ok(progress);
        }
        sleep(LOOK_EACH);
    }
}

/// Reads the plan and plays it, step by step, until standard input ends. Errors: the plan is none, no socket, a thread
/// died.
pub fn run() -> Result<(), Box<dyn Error>> {
    let mut lines = std::io::stdin().lock().lines();
    let plan: Plan = serde_json::from_str(&lines.next().ok_or("no plan")??)?;
    let profile = match plan.cipher {
        Cipher::Gcm => Profile::AeadAes128Gcm,
        Cipher::Cm => Profile::Aes128CmSha1_80,
    };
    let identity = Arc::new(Identity::generate(profile)?);
    let (epoch, ledger) = (Instant::now(), Ledger::new(&plan));
    let guests = guests(&plan, &ledger);
    let udp = Udp::bind((Ipv4Addr::UNSPECIFIED, 0).into())?;
    let port = udp.local_addr().port();
    let (queue, inbox) = mpsc::channel();
    let wake = Arc::new(EventFd::new()?);
    let handle = Handle::new(queue, wake.clone());
    let media =
        Media::new(udp, epoch, identity.clone(), ledger, (Network(plan.network), plan.link), inbox, wake)?;
    let media = thread::Builder::new().name("media".into()).spawn(move || media.run())?;
    let shared = Arc::new(Shared {
        url: plan.url.clone(),
        identity,
        media: handle.clone(),
        network: Network(plan.network),
        port,
        epoch,
        everybody: guests.len(),
        shape: plan.media,
        streaming: plan.streaming.clone(),
        over: AtomicBool::new(false),
    });

    let mut play = Play::new(&plan, guests, shared.clone(), handle.clone());
    for line in lines {
        play.step(&serde_json::from_str(&line?)?)?;
    }
    shared.over.store(true, Ordering::Relaxed);
    for thread in play.threads {
        thread.join().map_err(|_| "a client's thread panicked")?;
    }
    handle.send(Command::Stop);
    media.join().map_err(|_| "the media thread panicked")??;
    Ok(())
}

/// Who is in and who is still to come.
struct Play {
    server: Server,
    shared: Arc<Shared>,
    handle: Handle,
    publishers: Vec<Guest>,
    subscribers: std::vec::IntoIter<Guest>,
    subscribed: usize,
    connections: usize,
    threads: Vec<JoinHandle<()>>,
}

impl Play {
    fn new(plan: &Plan, guests: Vec<Guest>, shared: Arc<Shared>, handle: Handle) -> Self {
        let (publishers, subscribers): (Vec<_>, Vec<_>) =
            guests.into_iter().partition(|guest| !guest.publishes.is_empty());
        let (subscribers, threads) = (subscribers.into_iter(), Vec::new());
        let server = plan.server;
        Self { server, shared, handle, publishers, subscribers, subscribed: 0, connections: 0, threads }
    }

    fn join(&mut self, guests: Vec<Guest>, joins_per_s: f64) -> std::io::Result<()> {
        self.connections +=
            guests.iter().map(|guest| adapter::connections(self.server, guest)).sum::<usize>();
        let joining = join_all(guests.into_iter(), (self.server, joins_per_s), &self.shared)?;
        self.threads.extend(joining);
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), Box<dyn Error>> {
        let publishers = std::mem::take(&mut self.publishers);
        let first = publishers.len();
        self.join(publishers, step.joins_per_s)?;
        if first > 0 {
            // who only receives finds everybody there
            wait(step.ready_within_s, &self.handle, |connected, _| connected >= first)?;
        }
        let wanted = step.subscribers.unwrap_or(usize::MAX);
        let newcomers: Vec<_> =
            self.subscribers.by_ref().take(wanted - self.subscribed.min(wanted)).collect();
        self.subscribed += newcomers.len();
        // nobody new, nobody to wait for: who did not get media in an earlier step is told again, not waited for
        let within_s = if first + newcomers.len() > 0 { step.ready_within_s } else { 0.0 };
        self.join(newcomers, step.joins_per_s)?;
        let connections = self.connections;
        let (connected, complete, failed) =
            wait(within_s, &self.handle, |_, complete| complete == connections)?;
        say(
            &json!({"event": "ready", "connections": connections, "connected": connected, "complete": complete,
            "failed": failed, "subscribers": self.subscribed}),
        )?;
        sleep(Duration::from_secs_f64(step.settle_s));
        self.handle.send(Command::Begin);
        say(&json!({"event": "begin"}))?;
        sleep(Duration::from_secs_f64(step.measure_s));
        self.handle.send(Command::End);
        say(&json!({"event": "end"}))?;
        sleep(DRAIN);
        let (ask, answer) = mpsc::channel();
        self.handle.send(Command::Report(ask));
        let mut report = serde_json::to_value(answer.recv()?)?;
        report["event"] = "report".into();
        say(&report).map_err(Into::into)
    }
}
