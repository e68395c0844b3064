//! Before a server that is none of ours.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use tokio::time::sleep;

use super::{EAGER, Place, Plain, one, within};

struct Nginx {
    program: PathBuf,
    folder: PathBuf,
    address: SocketAddr,
    child: Child,
}

/// Where it is installed, if it is.
fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders
        .map(|folder| folder.join("nginx"))
        .find(|it| it.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: nginx is not installed");
    }
    found
}

impl Nginx {
    async fn start(program: PathBuf, folder: &Path) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let folder = folder.join("nginx");
        fs::create_dir_all(&folder).unwrap();
        let address = (Ipv4Addr::LOCALHOST, port).into();
        configure(&folder, address, "first");
        let child = command(&program, &folder).spawn().unwrap();
        within(10, || TcpStream::connect(address).is_ok()).await;
        Self {
            program,
            folder,
            address,
            child,
        }
    }

    /// Another text to answer with, without a restart.
    fn reload(&self, text: &str) {
        configure(&self.folder, self.address, text);
        let told = command(&self.program, &self.folder)
            .args(["-s", "reload"])
            .status();
        assert!(told.unwrap().success());
    }

    /// At once, workers and all.
    fn kill(&mut self) {
        let _ = command(&self.program, &self.folder)
            .args(["-s", "stop"])
            .status();
        let _ = self.child.wait();
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill();
        }
    }
}

fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(folder.join("nginx.conf"));
    // Before it has read its settings it would write to a log that may not be its user's.
    command
        .arg("-e")
        .arg(folder.join("error.log"))
        .stderr(Stdio::null());
    command
}

fn configure(folder: &Path, address: SocketAddr, text: &str) {
    let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temp: String = temp
        .iter()
        .map(|it| format!("  {it}_temp_path {it};\n"))
        .collect();
    let settings = format!(
        "daemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log error.log;\n\
         events {{ worker_connections 64; }}\n\
         http {{\n  access_log off;\n{temp}  client_max_body_size 0;\n  server {{\n    listen {address};\n    \
         location / {{ return 200 '{text} $http_via'; }}\n  }}\n}}\n"
    );
    fs::write(folder.join("nginx.conf"), settings).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_is_reloaded_and_killed_and_nothing_is_lost() {
    let Some(program) = installed() else { return };
    let plain = Plain::start();
    let place = Place::start(&one("pages", &[plain.address], EAGER)).await;
    let mut nginx = Nginx::start(program, &place.folder).await;
    place
        .edit(&one("pages", &[nginx.address, plain.address], EAGER))
        .await;

    let texts = async |count: usize| {
        let mut texts = Vec::new();
        for n in 0..count {
            let answer = place.get("/pages").await;
            assert_eq!(answer.status, StatusCode::OK, "call {n}");
            texts.push(String::from_utf8(answer.body.to_vec()).unwrap());
        }
        texts
    };
    let first = texts(20).await;
    assert_eq!(
        first.iter().filter(|it| *it == "first 1.1 door").count(),
        10,
        "{first:?}"
    );

    // Its old workers close their connections, when they like.
    nginx.reload("second");
    let mut seen = texts(20).await;
    while !seen.iter().any(|it| it.starts_with("second")) {
        sleep(Duration::from_millis(10)).await;
        seen.extend(texts(2).await);
        assert!(seen.len() < 2_000);
    }
    let put = place
        .request(Method::PUT, "/pages")
        .body(Body::from("for nginx, or the other"));
    assert_eq!(place.ask(put.unwrap()).await.status, StatusCode::OK);

    nginx.kill();
    let before = plain.calls();
    assert!(texts(50).await.iter().all(|it| it == "here you are"));
    assert_eq!(plain.calls(), before + 50);
    let seen = &place.admin().await["upstreams"]["pages"];
    assert_eq!(seen["addresses"][0]["breaker"], "open", "{seen}");
}
