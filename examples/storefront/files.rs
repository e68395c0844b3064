//! Room for both ends of some 1,000 connections: one process holds them all, and many a shell allows
//! it 1,024 open files or fewer.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io;
use std::process::Command;

const NEEDED: usize = 2_000;
const TRIED: &str = "STOREFRONT_ASKED_FOR_OPEN_FILES";

/// Where there is too little, starts this program again from a shell that asks for more.
pub fn make_room() -> Result<(), Box<dyn Error>> {
    let files: io::Result<Vec<File>> = (0..NEEDED)
        .map(|_| File::open(env::current_exe()?))
        .collect();
    let Err(error) = files else { return Ok(()) };
    if env::var_os(TRIED).is_none() {
        start_again(Command::new("sh").env(TRIED, "yes"))?;
    }
    Err(format!("{NEEDED} open files are needed (try `ulimit -n 2048` first): {error}").into())
}

#[cfg(unix)]
fn start_again(shell: &mut Command) -> io::Result<()> {
    use std::os::unix::process::CommandExt;
    let ask = r#"ulimit -S -n 2048 2>/dev/null; exec "$0" "$@""#;
    let shell = shell
        .arg("-c")
        .arg(ask)
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1));
    // Returns only when it could not.
    Err(shell.exec())
}

#[cfg(not(unix))]
fn start_again(_: &mut Command) -> io::Result<()> {
    Ok(())
}
