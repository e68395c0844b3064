//! An upstream, gateways, and a client of theirs.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, fs, process};

use axum::Router;
use axum::body::{Body, Bytes};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

use crate::live::Running;

pub type Client = legacy::Client<HttpConnector, Body>;

pub fn client() -> Client {
    legacy::Client::builder(TokioExecutor::new()).build_http()
}

/// A server that answers at once, or never.
pub async fn upstream(hangs: Arc<AtomicBool>) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let answer = async move |_: Bytes| {
        if hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        "x".repeat(1024)
    };
    tokio::spawn(async { axum::serve(listener, Router::new().fallback(answer)).await });
    Ok(address)
}

/// A gateway, and the file that it follows.
pub struct Gateway {
    pub running: Running,
    path: PathBuf,
}

impl Gateway {
    /// With this in its file, after what all have in common.
    pub async fn start(name: &str, text: &str, bare: bool) -> Result<Self, Box<dyn Error>> {
        let path = env::temp_dir().join(format!("buttress-gateway-{}-{name}.yaml", process::id()));
        let head = "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nname: door\n\
                    deadline_header: x-deadline-ms\nbase: standard\n";
        fs::write(&path, format!("{head}{text}"))?;
        let running = Running::start(&path, bare).await?;
        Ok(Self { running, path })
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
