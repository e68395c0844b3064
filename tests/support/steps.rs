//! Random settings and random histories for a circuit breaker.
//!
//! Lengths are small whole numbers, so that unrelated ones coincide often; a history multiplies all
//! of them by one scale.

use std::time::Duration;

use buttress::{
    Outcome,
    breaker::{Config, Window},
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use super::edges::Edge;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    ForceOpen,
    ForceOpenFor(u64),
    ForceClosed,
    Disable,
    Reset,
}

/// One thing that happens to a breaker.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Advance(u64),
    /// To an edge, or one nanosecond before or after it.
    AdvanceTo(Edge, i64),
    /// To when the call of this number has run exactly as long as is not slow, or next to it.
    AdvanceToSlow(usize, i64),
    /// A call that takes no time.
    Call(Outcome),
    Acquire,
    /// The call of this number (modulo how many are running) ends.
    End(usize, Outcome),
    Drop(usize),
    Order(Order),
    Reconfigure(Config),
    /// Other settings, but the same window.
    Retune(Config),
    Look,
}

/// A whole life.
#[derive(Debug, Clone)]
pub(crate) struct History {
    /// How long the clock ran before the breaker was made.
    pub(crate) born: u64,
    pub(crate) scale: u64,
    pub(crate) config: Config,
    /// Whether it is looked at after each step. A look makes it notice things, so half of the
    /// histories do without.
    pub(crate) watched: bool,
    pub(crate) steps: Vec<Step>,
}

pub(crate) fn history() -> impl Strategy<Value = History> {
    let scale = select(vec![1, 1_000_000, 1_000_000_000]);
    (0..1000_u64, scale, config(), any::<bool>(), steps()).prop_map(
        |(born, scale, config, watched, steps)| History {
            born,
            scale,
            config,
            watched,
            steps,
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // With orders all over, few histories would get far on their own.
    prop_oneof![
        3 => vec(step(1), 1..120),
        1 => vec(step(12), 1..120),
    ]
}

fn step(orders: u32) -> impl Strategy<Value = Step> {
    prop_oneof![
        100 => outcome().prop_map(Step::Call),
        80 => Just(Step::Acquire),
        60 => (any::<usize>(), outcome()).prop_map(|(at, outcome)| Step::End(at, outcome)),
        10 => any::<usize>().prop_map(Step::Drop),
        30 => (1..=20_u64).prop_map(Step::Advance),
        70 => (edge(), -1..=1_i64).prop_map(|(edge, off)| Step::AdvanceTo(edge, off)),
        30 => (any::<usize>(), -1..=1_i64).prop_map(|(at, off)| Step::AdvanceToSlow(at, off)),
        orders => order().prop_map(Step::Order),
        5 => config().prop_map(Step::Reconfigure),
        5 => config().prop_map(Step::Retune),
        15 => Just(Step::Look),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        6 => Just(Outcome::Success),
        4 => Just(Outcome::Failure),
        1 => Just(Outcome::Ignored),
        1 => Just(Outcome::Abandoned),
    ]
}

fn edge() -> impl Strategy<Value = Edge> {
    prop_oneof![
        2 => Just(Edge::Piece),
        1 => Just(Edge::Window),
        6 => Just(Edge::Until),
        2 => Just(Edge::Hang),
        1 => Just(Edge::Ramp),
        1 => Just(Edge::Forgotten),
    ]
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![
        1 => Just(Order::ForceOpen),
        3 => (0..=30_u64).prop_map(Order::ForceOpenFor),
        1 => Just(Order::ForceClosed),
        3 => Just(Order::Disable),
        3 => Just(Order::Reset),
    ]
}

/// Every fraction of up to ten calls, to be met exactly.
fn ratio() -> impl Strategy<Value = f64> {
    (1..=10_u32, 1..=10_u32).prop_map(|(part, whole)| f64::from(part.min(whole)) / f64::from(whole))
}

fn window() -> impl Strategy<Value = Window> {
    prop_oneof![
        (1..=12_u32).prop_map(Window::Count),
        (1..=200_u64).prop_map(|span| Window::Time(Duration::from_nanos(span))),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    let closed = (
        window(),
        1..=4_u32,
        ratio(),
        option::of(length(12)),
        ratio(),
    );
    let open = (length(30), select(vec![1.0, 2.0, 3.0]), 1..=8_u32);
    let back = (1..=4_u32, length(40), option::weighted(0.7, length(60)));
    (closed, open, back).prop_map(
        |(
            (window, min_calls, failure_ratio, slow, slow_ratio),
            (open_for, factor, times),
            (probes, probe_timeout, ramp),
        )| {
            let mut config = Config::default();
            config.window = window;
            config.min_calls = match window {
                Window::Count(calls) => min_calls.min(calls),
                Window::Time(_) => min_calls,
            };
            config.failure_ratio = failure_ratio;
            config.slow_call_duration = slow;
            config.slow_call_ratio = slow_ratio;
            config.open_for = open_for;
            config.open_jitter = 0.0;
            config.open_factor = factor;
            config.open_max = open_for * times;
            config.probes = probes;
            config.probe_timeout = probe_timeout;
            config.ramp = ramp;
            config
        },
    )
}

fn length(longest: u64) -> impl Strategy<Value = Duration> {
    (1..=longest).prop_map(Duration::from_nanos)
}

/// The same settings with all lengths so many times as long.
pub(crate) fn scaled(config: &Config, scale: u64) -> Config {
    let longer = |length: Duration| Duration::from_nanos(length.as_nanos() as u64 * scale);
    let mut scaled = config.clone();
    if let Window::Time(span) = config.window {
        scaled.window = Window::Time(longer(span));
    }
    scaled.slow_call_duration = config.slow_call_duration.map(longer);
    scaled.open_for = longer(config.open_for);
    scaled.open_max = longer(config.open_max);
    scaled.probe_timeout = longer(config.probe_timeout);
    scaled.ramp = config.ramp.map(longer);
    scaled
}
