//! Calls of reqwest that end with the body of their response.

use ::http::response::{Builder, Response as Plain};
use ::reqwest::{Body, Response, ResponseBuilderExt};

use crate::{
    guard::{Ending, Judge, Policy, Settlement},
    http::{AfterBody, Judged},
};

/// The response stays a response of reqwest, with its address and its extensions.
impl<G, E> Ending<G, Response, E> for AfterBody
where
    G: Policy + 'static,
    G::Judges: Judge<G, Response, E>,
    Settlement<G>: Send + Sync,
{
    type Response = Response;

    fn end(&self, result: Result<Response, E>, settlement: Settlement<G>) -> Result<Response, E> {
        match result {
            Ok(response) => match self.owed(&response, settlement) {
                Some(owed) => Ok(with_body(response, |body| Judged::new(body, Some(owed)))),
                None => Ok(response),
            },
            Err(error) => {
                settlement.judge(Err(&error));
                Err(error)
            }
        }
    }
}

/// The same response with a body made of its own.
fn with_body<G>(response: Response, make: impl FnOnce(Body) -> Judged<Body, G>) -> Response
where
    G: Policy + 'static,
    Settlement<G>: Send + Sync,
{
    // Plain responses keep the address among their extensions, where only a builder puts it.
    let address = Builder::new().url(response.url().clone()).body(());
    let address = address
        .expect("nothing else was given to it")
        .into_parts()
        .0;
    let (mut head, body) = Plain::<Body>::from(response).into_parts();
    head.extensions.extend(address.extensions);
    let body = Body::wrap(make(body));
    Response::from(Plain::from_parts(head, body))
}
