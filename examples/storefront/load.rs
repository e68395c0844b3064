//! The visitors of the shops.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::StatusCode;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::arrivals::{self, Schedule, SplitMix64};
use crate::fault::ENDS;
use crate::shop::Shop;
use crate::slots::NO_SLOT;

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

/// Who comes to a shop, and when.
pub fn schedule(seed: u64) -> Schedule<Page> {
    let mut random = SplitMix64(seed);
    let mut visits = Vec::new();
    for (page, rate) in [
        (Page::List, LISTS_PER_SECOND),
        (Page::Member, PAGES_PER_SECOND),
    ] {
        let arrivals = arrivals::even(&mut random, Duration::ZERO..ENDS, rate);
        visits.extend(arrivals.map(|at| (at, page)));
    }
    visits.sort_by_key(|(at, _)| *at);
    visits.into()
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
    pub async fn come(self, schedule: Schedule<Page>, epoch: Instant) -> Vec<Visit> {
        let visit = move |page, due, late| {
            let visitors = self.clone();
            async move {
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
            }
        };
        arrivals::send_all(schedule, epoch, visit).await
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
