//! Clients in optimistic contention, after Marc Brooker's simulator for "Exponential Backoff And
//! Jitter" (AWS Architecture Blog, 2015).
//!
//! All want to change one row, at once. Each reads its version, writes it back if it is unchanged,
//! and else backs off and starts again, until all have succeeded. Every message takes a while.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use buttress::backoff::{Backoff, Delays};

/// Milliseconds on the way: mean and standard deviation, each way.
const NETWORK: (f64, f64) = (10.0, 2.0);

/// What it took until all clients had succeeded.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cost {
    /// Writes tried.
    pub(crate) calls: f64,
    /// Milliseconds until the last success was known.
    pub(crate) millis: f64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Read,
    /// The version that was read has arrived at the client.
    Version(u64),
    /// A write of the row, if it is still of this version.
    Write(u64),
    Written(bool),
}

/// One run.
pub(crate) fn contend(clients: usize, backoff: &Backoff, seed: u64) -> Cost {
    let mut dice = Dice(seed);
    let mut waits: Vec<Delays> = (0..clients).map(|_| backoff.delays(dice.roll())).collect();
    // By arrival, then in the order of sending.
    let mut under_way = BinaryHeap::new();
    let mut sent = 0;
    let mut send = |queue: &mut BinaryHeap<_>, at: Duration, client: usize, message| {
        sent += 1;
        queue.push(Reverse((at, sent, client, message)));
    };
    for client in 0..clients {
        send(&mut under_way, dice.network(), client, Message::Read);
    }
    let (mut version, mut calls, mut end) = (0, 0, Duration::ZERO);
    while let Some(Reverse((now, _, client, message))) = under_way.pop() {
        let arrival = now + dice.network();
        match message {
            Message::Read => send(&mut under_way, arrival, client, Message::Version(version)),
            Message::Version(read) => send(&mut under_way, arrival, client, Message::Write(read)),
            Message::Write(read) => {
                calls += 1;
                let unchanged = read == version;
                version += u64::from(unchanged);
                send(&mut under_way, arrival, client, Message::Written(unchanged));
            }
            Message::Written(true) => end = now,
            Message::Written(false) => {
                let wait = waits[client].next().expect("without end");
                send(&mut under_way, arrival + wait, client, Message::Read);
            }
        }
    }
    assert_eq!(version, clients as u64, "all have succeeded");
    Cost {
        calls: f64::from(calls),
        millis: end.as_secs_f64() * 1e3,
    }
}

/// The mean of so many runs.
pub(crate) fn mean(clients: usize, backoff: &Backoff, runs: u64) -> Cost {
    let mut sum = Cost::default();
    for seed in 0..runs {
        let Cost { calls, millis } = contend(clients, backoff, seed);
        sum.calls += calls / runs as f64;
        sum.millis += millis / runs as f64;
    }
    sum
}

/// The same numbers every time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `(0, 1]`.
    fn unit(&mut self) -> f64 {
        ((self.roll() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Normally distributed (Box and Muller), and not back in time.
    fn network(&mut self) -> Duration {
        let (mean, deviation) = NETWORK;
        let radius = (-2.0 * self.unit().ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        Duration::from_secs_f64((mean + deviation * normal).abs() / 1e3)
    }
}
