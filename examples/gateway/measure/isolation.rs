//! One upstream hangs; what is left for the other?

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Bar;
use super::servers::{Client, Gateway, client, upstream};

const BASELINE: Duration = Duration::from_secs(5);
const HANG: Duration = Duration::from_secs(10);
/// To each of the two.
const PER_SECOND: u32 = 200;

pub fn measure() -> Result<Vec<Bar>, Box<dyn Error>> {
    Runtime::new()?.block_on(async {
        let hangs = Arc::new(AtomicBool::new(false));
        let sick = upstream(Arc::clone(&hangs)).await?;
        let well = upstream(Arc::default()).await?;
        let text = format!(
            "routes: [{{ path: /sick, upstream: sick }}, \
             {{ path: /well, upstream: well }}]\n\
             upstreams: {{ sick: {{ addresses: [{sick}] }}, \
             well: {{ addresses: [{well}] }} }}\n\
             policies: {{ sick: {{ }}, well: {{ }} }}\n"
        );
        let gateway = Gateway::start("isolation", &text, false).await?;
        let door = gateway.running.address;
        let client = client();
        // Connections are made, and whatever else is made once.
        load(&client, door, Duration::from_secs(1)).await;
        let before = load(&client, door, BASELINE).await;
        hangs.store(true, Ordering::Relaxed);
        let during = load(&client, door, HANG).await;
        println!(
            "{} requests/s to each of two upstreams. All is well: p50 {:.2} ms, \
             p99 {:.2} ms. One hangs, and the other has: \
             p50 {:.2} ms, p99 {:.2} ms.\n",
            PER_SECOND,
            before.well.at(0.5),
            before.well.at(0.99),
            during.well.at(0.5),
            during.well.at(0.99),
        );
        if during.sick.lost == 0 {
            return Err("the sick upstream was not sick".into());
        }
        Ok(vec![
            Bar {
                what: "healthy: lost while all was well",
                measured: before.well.lost as f64,
                at_most: 0.0,
                unit: "",
            },
            Bar {
                what: "healthy: lost while the other hung",
                measured: during.well.lost as f64,
                at_most: 0.0,
                unit: "",
            },
            Bar {
                what: "healthy: p99 while the other hung (2 x before + 5 ms)",
                measured: during.well.at(0.99),
                at_most: 2.0 * before.well.at(0.99) + 5.0,
                unit: "ms",
            },
        ])
    })
}

struct Both {
    sick: Tally,
    well: Tally,
}

#[derive(Default)]
struct Tally {
    /// In milliseconds, from when it was due.
    times: Vec<f64>,
    lost: u64,
}

/// Requests that come when they are due, whatever became of those before.
async fn load(client: &Client, door: SocketAddr, span: Duration) -> Both {
    let start = Instant::now();
    let gap = Duration::from_secs(1) / PER_SECOND;
    let mut calls = JoinSet::new();
    let count = (span.as_secs_f64() * f64::from(PER_SECOND)) as u32;
    for due in (0..count).map(|n| start + gap * n) {
        sleep_until(due).await;
        for path in ["sick", "well"] {
            let target = format!("http://{door}/{path}");
            let request = Request::get(target)
                .body(Body::empty())
                .expect("it is a request");
            let client = client.clone();
            calls.spawn(async move {
                let well = async {
                    let response = client.request(request).await.ok()?;
                    let well = response.status() == StatusCode::OK;
                    response.into_body().collect().await.ok()?;
                    well.then_some(())
                };
                let well = well.await.is_some();
                (path, well, due.elapsed())
            });
        }
    }
    let mut both = Both {
        sick: Tally::default(),
        well: Tally::default(),
    };
    while let Some(done) = calls.join_next().await {
        let (path, well, time) = done.expect("no call panics");
        let tally = if path == "sick" {
            &mut both.sick
        } else {
            &mut both.well
        };
        tally.lost += u64::from(!well);
        tally.times.push(time.as_secs_f64() * 1e3);
    }
    both.well.times.sort_by(f64::total_cmp);
    both
}

impl Tally {
    /// Of times in their order.
    fn at(&self, share: f64) -> f64 {
        let at = (self.times.len() as f64 * share).ceil() as usize;
        self.times[at.saturating_sub(1)]
    }
}
