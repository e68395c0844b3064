//! The visitors: open-loop load, the same schedule for every copy. The next one comes whether or not
//! the last has been answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::fault::ENDS;
use crate::shop::{NO_SLOT, Shop};

pub const LISTS_PER_SECOND: u32 = 200;
pub const PAGES_PER_SECOND: u32 = 400;

/// When a visitor gives up: later than the two client timeouts behind a member page, so that it is
/// never the visitor who decides.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    List,
    Member,
}

impl Page {
    fn path(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Member => "member",
        }
    }
}

/// One request and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    pub page: Page,
    /// When it was to be sent, on the run's clock.
    pub due: Duration,
    /// How much later than that it was sent: this machine's fault, not the shop's.
    pub late: Duration,
    /// From `due`, not from the sending, so that a busy machine flatters nobody.
    pub took: Duration,
    pub ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Answered,
    /// Turned away at the gateway, which was full.
    NoSlot,
    /// Any other answer.
    Refused,
    /// None at all: no shop does that, so the machine was at its limits.
    Silent,
}

/// Even arrivals, each moved by chance within its turn.
pub fn schedule(seed: u64) -> Arc<[(Duration, Page)]> {
    let mut random = SplitMix64(seed);
    let mut arrivals = Vec::new();
    for (page, rate) in [
        (Page::List, LISTS_PER_SECOND),
        (Page::Member, PAGES_PER_SECOND),
    ] {
        let all = (ENDS.as_secs_f64() * f64::from(rate)) as u32;
        arrivals.extend((0..all).map(|turn| {
            let at = (f64::from(turn) + random.unit()) / f64::from(rate);
            (Duration::from_secs_f64(at), page)
        }));
    }
    arrivals.sort_by_key(|(at, _)| *at);
    arrivals.into()
}

/// The visitors of one shop.
#[derive(Clone)]
pub struct Visitors {
    http: reqwest::Client,
    shop: SocketAddr,
}

impl Visitors {
    pub fn of(shop: &Shop) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()?;
        Ok(Self {
            http,
            shop: shop.address,
        })
    }

    /// Opens the connections that a shop has anyway, so that no copy pays for them on the clock.
    pub async fn warm_up(&self) -> reqwest::Result<()> {
        for page in [Page::List, Page::Member].repeat(3) {
            let mut crowd: JoinSet<_> = (0..8).map(|_| self.clone().ask(page)).collect();
            while let Some(answer) = crowd.join_next().await {
                answer.expect("a visitor does not panic")?;
            }
        }
        Ok(())
    }

    /// Sends the whole schedule and waits for the last answer.
    pub async fn come(self, schedule: Arc<[(Duration, Page)]>, epoch: Instant) -> Vec<Visit> {
        let mut visits = Vec::with_capacity(schedule.len());
        let mut inside = JoinSet::new();
        for &(due, page) in schedule.iter() {
            sleep_until(epoch + due).await;
            let visitors = self.clone();
            inside.spawn(async move {
                let late = epoch.elapsed().saturating_sub(due);
                // After a machine that stood still no herd may come: these have left long ago.
                let ending = if late < PATIENCE {
                    visitors.ask(page).await.ok()
                } else {
                    None
                };
                let ending = ending.unwrap_or(Ending::Silent);
                Visit {
                    page,
                    due,
                    late,
                    took: epoch.elapsed().saturating_sub(due),
                    ending,
                }
            });
            while let Some(done) = inside.try_join_next() {
                visits.push(done.expect("a visitor does not panic"));
            }
        }
        visits.extend(inside.join_all().await);
        visits
    }

    async fn ask(self, page: Page) -> reqwest::Result<Ending> {
        let url = format!("http://{}/{}", self.shop, page.path());
        let answer = self.http.get(url).send().await?;
        let status = answer.status();
        let body = answer.text().await?;
        Ok(match status {
            StatusCode::OK => Ending::Answered,
            StatusCode::SERVICE_UNAVAILABLE if body == NO_SLOT => Ending::NoSlot,
            _ => Ending::Refused,
        })
    }
}

/// So that a seed gives the same arrivals everywhere (Steele, Lea and Flood, 2014).
struct SplitMix64(u64);

impl SplitMix64 {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
