//! The screen of one run: what is compared, how it went, and (in `account.rs`) what it comes to.

use std::time::Duration;

use crate::account;
use crate::fault::{ENDS, HEALS, STRIKES, SWITCHED_OFF, SWITCHED_ON};
use crate::figures::{DEADLINE, Figures};
use crate::load::{LISTS_PER_SECOND, PAGES_PER_SECOND};
use crate::run::Run;
use crate::screen;
use crate::shop::{CLIENT_TIMEOUT, PLACES};
use crate::shop::{MIN_CALLS, OPEN_FOR, PROBES, RAMP, RATIO, SLOW_CALL, WINDOW};
use crate::slots::SLOTS;
use crate::text::{secs, thousands, wait};

pub fn screen(run: &Run) -> String {
    [
        head(run),
        strips(run),
        table(run),
        account::story(run),
        screen::bars(&run.bars),
        account::words(run),
    ]
    .join("\n\n")
}

fn head(run: &Run) -> String {
    let (seed, cores) = (run.seed, run.cores);
    let (fault, says) = (run.fault.name(), run.fault.says());
    let (strikes, heals) = (secs(STRIKES), secs(HEALS));
    let (off, on) = (secs(SWITCHED_OFF), secs(SWITCHED_ON));
    let (timeout, slow) = (CLIENT_TIMEOUT.as_millis(), SLOW_CALL.as_millis());
    let (open, ramp) = (secs(OPEN_FOR), secs(RAMP));
    let ratio = RATIO * 100.0;
    let (deadline, left) = (DEADLINE.as_millis(), SLOTS - PLACES as usize);
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
Breaker:  {ratio} % of last {WINDOW} calls failed or slower than {slow} ms, min {MIN_CALLS}
          open {open} · {PROBES} probes · then back to the full load over {ramp}
Bulkhead: {PLACES} calls to member at a time, no queue: if all hang, {left} slots are left"
    )
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
