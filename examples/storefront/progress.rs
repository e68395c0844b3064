//! How far a run has come: on a terminal, and nowhere else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};

pub async fn progress(ends: Duration, epoch: Instant, says: impl Fn(Duration) -> String) {
    let bar = ProgressBar::new(ends.as_millis() as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg:28} {wide_bar} {eta:>3}") {
        bar.set_style(style);
    }
    while epoch.elapsed() < ends {
        let now = epoch.elapsed();
        bar.set_position(now.as_millis() as u64);
        bar.set_message(says(now));
        sleep(Duration::from_millis(100)).await;
    }
    bar.finish_and_clear();
}
