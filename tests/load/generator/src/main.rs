//! Load generator: virtual clients with real ICE, DTLS and SRTP that publish marked media and measure what a server
//! forwards. Reads a [`plan::Plan`] and then one [`plan::Step`] after the other, each a line of JSON, from standard input
//! and prints for each step one JSON object a line:
//!
//! ```text
//! {"event": "ready", …}    everybody has media (or the time is over)
//! {"event": "begin"}       the measured window begins
//! {"event": "end"}         and ends
//! {"event": "report", …}   the account: report::Report
//! ```
//!
//! ```text
//! parley, janus, whip (a thread for each client's signaling) ── commands ──▶ media (one thread, one socket)
//!                                                                 └ client: ice dtls track inbound  → ledger → report
//! ```
//!
//! With the argument "junk" it is another program: see [`junk`].
//!
//! Knows nothing of the server's CPU and memory: the driver, driver.py, looks at those between "begin" and "end".

mod adapter;
mod client;
mod dtls;
mod guest;
mod histogram;
mod ice;
mod inbound;
mod janus;
mod joining;
mod junk;
mod ledger;
mod link;
mod mark;
mod media;
mod parley;
mod plan;
mod random;
mod report;
mod run;
mod sdp;
mod sockets;
mod track;
mod whip;

use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        None => run::run(),
        Some("junk") => junk::run(),
        Some(other) => Err(format!("nothing or \"junk\" is expected, not {other:?}").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parley-load: {error}");
            ExitCode::FAILURE
        }
    }
}
