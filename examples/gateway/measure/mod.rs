//! What the policies cost, and what they isolate. Half a minute, best on a quiet machine, and built for release.

mod costs;
mod isolation;
mod servers;

use std::error::Error;
use std::process::ExitCode;

/// A figure, and what it may be at most.
struct Bar {
    what: &'static str,
    measured: f64,
    at_most: f64,
    unit: &'static str,
}

pub fn measure() -> Result<ExitCode, Box<dyn Error>> {
    let bars = [isolation::measure()?, costs::measure()?];
    let bars: Vec<_> = bars.into_iter().flatten().collect();
    let mut missed = false;
    println!("{:<58}{:>12}{:>12}", "", "measured", "at most");
    for Bar {
        what,
        measured,
        at_most,
        unit,
    } in &bars
    {
        let over = measured > at_most;
        missed |= over;
        let (measured, at_most) = (
            format!("{measured:.2} {unit}"),
            format!("{at_most:.2} {unit}"),
        );
        println!(
            "{what:<58}{measured:>12}{at_most:>12}{}",
            if over { "  MISSED" } else { "" }
        );
    }
    Ok(if missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
