//! How far the runs have come: on a terminal, and nowhere else.

use std::sync::LazyLock;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};

/// Acts that are played at the same time have a line each.
static LINES: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

pub async fn progress(ends: Duration, epoch: Instant, says: impl Fn(Duration) -> String) {
    let bar = LINES.add(ProgressBar::new(ends.as_millis() as u64));
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
