//! Somebody else's error type, without the layer that adapts it.
use buttress::CircuitBreaker;
use tower::{Service, ServiceBuilder, service_fn};

mod client {
    #[derive(Debug)]
    pub struct Error;

    pub async fn get(url: String) -> Result<String, Error> {
        Ok(url)
    }
}

fn serve<S: Service<String>>(_: S) {}

fn main() {
    let breaker = CircuitBreaker::builder().build().unwrap();
    let client = ServiceBuilder::new()
        .layer(breaker)
        .service(service_fn(client::get));
    serve(client);
}
