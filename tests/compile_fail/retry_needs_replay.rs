//! A request that is not `Clone` is to be sent a second time.
use buttress::Retry;
use tower::{BoxError, Layer, Service, service_fn};

struct Upload;

fn serve<S: Service<Upload>>(_: S) {}

fn main() {
    let retry = Retry::builder().build().unwrap();
    serve(retry.layer(service_fn(|_: Upload| async { Ok::<_, BoxError>(()) })));
}
