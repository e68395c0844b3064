//! A small reverse proxy, to start one's own gateway from.
//!
//! ```text
//! cargo run --release --example gateway -- --config examples/gateway/gateway.yaml
//! cargo run --release --example gateway -- --measure   # what it costs, and what it isolates: half a minute
//! ```
//!
//! What becomes of a request, in this order (`proxy.rs`):
//!
//! ```text
//! route -> who is it? -> this client's rate limit -> the upstream's pipeline -> an address of it -> upstream
//! 400, 404   401            429                     429, 503, 504                its breaker       502
//! ```
//!
//! * `file.rs`: what stands in the file, and what is wrong with it. `table.rs`: what it becomes.
//! * `clients.rs`: who a request comes from. The place for your own authentication.
//! * `share.rs`: how many requests of one client an upstream has at once.
//! * `upstream.rs`: the pipeline of an upstream. `balance.rs`: which of its addresses is next.
//! * `paths.rs`: by which path a route is found, and which paths are none.
//! * `sending.rs`: whether it is the server that takes so long, or the client.
//! * `headers.rs`: what a proxy adds to a message, and what it takes away.
//! * `refusal.rs`: what a client is told that gets nothing else.
//! * `live.rs`: follows the file. `admin.rs`: how it fares, on a port of its own.

// The library has one door to clocks and locks; a program that uses it needs no such rule.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]
// A program has no outside: `pub` says enough.
#![allow(unreachable_pub)]

mod admin;
mod balance;
mod clients;
mod file;
mod headers;
mod live;
mod measure;
mod paths;
mod proxy;
mod refusal;
mod sending;
mod share;
mod table;
mod upstream;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use live::Running;

/// A small reverse proxy.
#[derive(Parser)]
struct Args {
    /// The file with routes, upstreams and policies. It is followed while the gateway runs.
    #[arg(long, default_value = "examples/gateway/gateway.yaml")]
    config: PathBuf,
    /// Forwards and does nothing else: no limits, no pipelines. To see what those cost.
    #[arg(long)]
    bare: bool,
    /// Measures isolation and costs, and ends: with 1 if a bar was missed.
    #[arg(long)]
    measure: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.measure {
        true => measure::measure(),
        false => run(&args).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

#[tokio::main]
async fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let gateway = Running::start(&args.config, args.bare).await?;
    let routes = gateway.live.table().routes.len();
    eprintln!("gateway on http://{}/, {routes} routes", gateway.address);
    eprintln!("admin   on http://{}/", gateway.admin);
    tokio::signal::ctrl_c().await?;
    Ok(())
}
