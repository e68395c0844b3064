//! The screen of one run: what is compared, how it went, and (in `account.rs`) what it comes to.

use std::time::Duration;

use buttress::breaker::{Config, Window};
use buttress::bulkhead;

use crate::account;
use crate::fault::{ENDS, HEALS, STRIKES, SWITCHED_OFF, SWITCHED_ON};
use crate::figures::{DEADLINE, Figures};
use crate::load::{LISTS_PER_SECOND, PAGES_PER_SECOND};
use crate::run::Run;
use crate::screen;
use crate::shop::CLIENT_TIMEOUT;
use crate::slots::SLOTS;
use crate::text::{secs, thousands, wait};

pub fn screen(run: &Run) -> String {
    let edits = screen::edits(&run.edits);
    let parts = [head(run), strips(run), table(run), account::story(run)];
    let parts = parts.into_iter().chain(edits);
    let parts = parts.chain([screen::bars(&run.bars), account::words(run)]);
    parts.collect::<Vec<_>>().join("\n\n")
}

fn head(run: &Run) -> String {
    let (seed, cores) = (run.seed, run.cores);
    let (fault, says) = (run.fault.name(), run.fault.says());
    let (strikes, heals) = (secs(STRIKES), secs(HEALS));
    let (off, on) = (secs(SWITCHED_OFF), secs(SWITCHED_ON));
    let timeout = CLIENT_TIMEOUT.as_millis();
    let deadline = DEADLINE.as_millis();
    let [b, d] = &run.policies;
    let (breaker, bulkhead) = (breaker(&b.breaker), d.bulkhead.as_ref());
    let bulkhead = bulkhead.map_or("none in this file".into(), places);
    format!(
        "\
buttress storefront · fault: {fault} · seed {seed} · {cores} cores
One shop, four copies, one clock. Every figure is measured in this run.
From {strikes} to {heals} the member service {says}.
Same code, same {timeout} ms client timeout, same {SLOTS} request slots. Only this differs:
  A  no protection    B  breaker    C  breaker switched off from {off} to {on}
  D  breaker and bulkhead
Load per shop: {LISTS_PER_SECOND}/s product list (never calls member; lost after {deadline} ms),
               {PAGES_PER_SECOND}/s member page (does)
Breaker:  {breaker}
Bulkhead: {bulkhead}"
    )
}

/// A breaker in words, on two lines.
pub fn breaker(config: &Config) -> String {
    let percent = |ratio| ratio * 100.0;
    let failed = percent(config.failure_ratio);
    let of = match config.window {
        Window::Count(calls) => format!("last {calls} calls"),
        Window::Time(span) => format!("calls of the last {}", secs(span)),
    };
    let slow = match config.slow_call_duration {
        None => String::new(),
        Some(slow) if config.slow_call_ratio == config.failure_ratio => {
            format!(" or slower than {} ms", slow.as_millis())
        }
        Some(slow) => {
            let ratio = percent(config.slow_call_ratio);
            format!(", or {ratio} % slower than {} ms", slow.as_millis())
        }
    };
    let ramp = config.ramp.map_or(String::new(), |ramp| {
        format!(" · then back to the full load over {}", secs(ramp))
    });
    let (min, open, probes) = (config.min_calls, secs(config.open_for), config.probes);
    format!(
        "{failed} % of {of} failed{slow}, min {min}\n{:10}open {open} · {probes} probes{ramp}",
        ""
    )
}

fn places(config: &bulkhead::Config) -> String {
    let places = config.max_concurrent;
    let queue = match config.max_queue {
        0 => "no queue".into(),
        queue => format!("a queue of {queue}"),
    };
    let left = SLOTS.saturating_sub((places + config.max_queue) as usize);
    format!("{places} calls to member at a time, {queue}: if all hang, {left} slots are left")
}

fn strips(run: &Run) -> String {
    let phases = [
        (Duration::ZERO, "healthy"),
        (STRIKES, run.fault.name()),
        (HEALS, "healed"),
    ];
    let times = [
        Duration::ZERO,
        STRIKES,
        SWITCHED_OFF,
        SWITCHED_ON,
        HEALS,
        ENDS,
    ];
    let [a, b, c, d] = run.figures.each_ref().map(|copy| &copy.strip[..]);
    screen::strips(
        &phases,
        &times,
        &[
            ("product list  A", a),
            ("product list  B", b),
            ("product list  C", c),
            ("product list  D", d),
        ],
    )
}

fn table(run: &Run) -> String {
    let line =
        |label: &str, [a, b, c, d]: [String; 4]| format!("{label:36}{a:>11}{b:>11}{c:>11}{d:>11}");
    let row = |label: &str, figure: &dyn Fn(&Figures) -> String| {
        line(label, run.figures.each_ref().map(figure))
    };
    let during = format!("during the fault ({})", run.fault.name());
    [
        line("while all is well", ["A", "B", "C", "D"].map(String::from)),
        row("product list p99", &|copy| wait(copy.list_p99_before)),
        row("member page answered", &|copy| {
            copy.pages_before.to_string()
        }),
        during,
        row("product list answered", &|copy| copy.lists.to_string()),
        row("  of it while C's breaker was off", &|copy| {
            copy.lists_while_off.to_string()
        }),
        row("product list p50", &|copy| wait(copy.list_p50)),
        row("product list p99", &|copy| wait(copy.list_p99)),
        row("turned away, no slot free", &|copy| {
            copy.no_slot.to_string()
        }),
        row(
            &format!("most of the {SLOTS} slots taken at once"),
            &|copy| copy.fullest.to_string(),
        ),
        row("member page answered", &|copy| copy.pages.to_string()),
        row("member page, median time to \"no\"", &|copy| {
            wait(copy.time_to_no)
        }),
        row("calls that reached member", &|copy| thousands(copy.reached)),
        "after it (open time and ramp included)".into(),
        row("product list answered", &|copy| {
            copy.lists_healed.to_string()
        }),
        row("member page answered", &|copy| {
            copy.pages_healed.to_string()
        }),
    ]
    .join("\n")
}
