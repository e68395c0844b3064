//! How much of an upstream one client may have at once.

use std::pin::Pin;
use std::task::{Context, Poll};

use buttress::bulkhead::{self, Places};
use buttress::guard::Permit;
use buttress::keyed::{ByCaller, ForKey, PerKey};
use buttress::{Bulkhead, OnError};
use hyper::body::{Body, Frame, SizeHint};

use crate::clients::Client;
use crate::refusal::Refusal;

/// A bulkhead for each client, in front of the one that all share: whoever reads slowly, or sends slowly, keeps only
/// so many places from others.
#[derive(Clone)]
pub struct Shares(PerKey<Places, Client, ByCaller>);

/// The right to one request.
pub type Share = Permit<ForKey<Places, Client, ByCaller, OnError>>;

impl Shares {
    /// Whoever was in `before` keeps its place.
    pub fn new(upstream: &str, config: bulkhead::Config, before: Option<&Self>) -> Self {
        let checked = "it was checked";
        match before {
            Some(Self(before)) => {
                before.reconfigure_all(config).expect(checked);
                Self(before.clone())
            }
            None => {
                let places = Bulkhead::builder(config.max_concurrent).config(config);
                let places = places.name(format!("{upstream}-per-client"));
                Self(
                    places
                        .build()
                        .expect(checked)
                        .per_key()
                        .build()
                        .expect(checked),
                )
            }
        }
    }

    pub fn enter(&self, client: &Client) -> Result<Share, Refusal> {
        let place = self.0.for_key(&**client).try_acquire();
        place.map_err(|_| Refusal::Share)
    }

    /// Those who have been there, and how many requests of each are under way.
    pub fn in_flight(&self) -> impl Iterator<Item = (Client, u64)> {
        let seen = self.0.snapshot().keys.into_iter();
        seen.map(|(client, seen)| (client, seen.in_flight))
    }
}

/// The body of a response that holds its client's share until it has been passed on, or nobody wants it any more.
pub struct Shared<B> {
    body: B,
    _share: Option<Share>,
}

impl<B> Shared<B> {
    pub fn new(body: B, share: Option<Share>) -> Self {
        Self {
            body,
            _share: share,
        }
    }
}

impl<B: Body + Unpin> Body for Shared<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
