//! A file as a source, on a real file system and by a real clock: what is waited for is always a reading,
//! for up to [`SOON`], which is sooner than the look that is taken without any sign of a change.
#![cfg(all(feature = "reload", unix))]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/folder.rs"]
mod folder;

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::symlink,
    path::Path,
    time::Duration,
};

use buttress::{
    Resilience,
    document::Format,
    reload::{File, Reload, Source, SourceError, Text},
};
use folder::Folder;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinHandle,
    time::{sleep, timeout},
};

const SOON: Duration = Duration::from_secs(8);

/// As long as nobody needs for two steps, however busy the machine.
const PATIENT: Duration = Duration::from_secs(1);

/// A file's readings, as they come.
struct Readings {
    task: JoinHandle<()>,
    readings: UnboundedReceiver<Result<Text, SourceError>>,
}

impl Drop for Readings {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Readings {
    fn of(mut file: File) -> Self {
        let (tell, readings) = unbounded_channel();
        let task = tokio::spawn(async move { while tell.send(file.next().await).is_ok() {} });
        Self { task, readings }
    }

    async fn next(&mut self) -> Result<Text, SourceError> {
        let reading = timeout(SOON, self.readings.recv()).await;
        reading.expect("a reading").expect("it does not end")
    }

    /// The next reading is this text.
    async fn expect(&mut self, text: &str) {
        assert_eq!(self.next().await.unwrap().text, text);
    }

    /// Readings until this text comes, of which none but errors may be another.
    async fn expect_after_errors(&mut self, text: &str) {
        loop {
            match self.next().await {
                Ok(reading) => return assert_eq!(reading.text, text),
                Err(error) => assert!(!error.is_closed(), "{error}"),
            }
        }
    }
}

#[tokio::test]
async fn what_is_written_is_read() {
    let folder = Folder::new();
    let path = folder.write("policies.yaml", "one");
    let mut readings = Readings::of(File::new(&path));
    assert_eq!(
        readings.next().await.unwrap(),
        Text::new("one", Format::Yaml)
    );
    for text in ["two", "three", "a longer text than any before"] {
        fs::write(&path, text).unwrap();
        readings.expect(text).await;
    }
}

#[tokio::test]
async fn half_a_file_is_not_taken() {
    let folder = Folder::new();
    let path = folder.write("policies.yaml", "one");
    let mut readings = Readings::of(File::new(&path).debounce(PATIENT));
    readings.expect("one").await;
    let mut file = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    for part in ["the first half ", "and ", "the second"] {
        sleep(Duration::from_millis(100)).await;
        file.write_all(part.as_bytes()).unwrap();
        file.sync_all().unwrap();
    }
    readings.expect("the first half and the second").await;
}

#[tokio::test]
async fn a_file_that_never_rests_is_taken_as_it_is() {
    let folder = Folder::new();
    let path = folder.write("policies.yaml", "0");
    let mut readings = Readings::of(File::new(&path).debounce(Duration::from_millis(50)));
    readings.expect("0").await;
    let restless = tokio::spawn(async move {
        for n in 1_u64.. {
            // Replaced, so that nobody sees it empty.
            fs::write(path.with_extension("new"), n.to_string()).unwrap();
            fs::rename(path.with_extension("new"), &path).unwrap();
            sleep(Duration::from_millis(5)).await;
        }
    });
    assert_ne!(readings.next().await.unwrap().text, "0");
    restless.abort();
}

#[tokio::test]
async fn a_file_that_is_put_in_its_place_is_read() {
    let folder = Folder::new();
    let path = folder.write("policies.yaml", "one");
    let mut readings = Readings::of(File::new(&path));
    readings.expect("one").await;
    for text in ["two", "three"] {
        let other = folder.write(".policies.yaml.swp", text);
        fs::rename(other, &path).unwrap();
        readings.expect(text).await;
    }
}

/// As `vim` with a backup, and `mv` there and back.
#[tokio::test]
async fn a_file_that_is_gone_for_a_moment_was_never_gone() {
    let folder = Folder::new();
    let path = folder.write("policies.yaml", "one");
    let mut readings = Readings::of(File::new(&path).debounce(PATIENT));
    readings.expect("one").await;
    fs::rename(&path, folder.at("policies.yaml~")).unwrap();
    sleep(Duration::from_millis(50)).await;
    fs::write(&path, "two").unwrap();
    readings.expect("two").await;
}

#[tokio::test]
async fn a_file_that_is_gone_is_told_once_and_read_when_it_is_back() {
    let folder = Folder::new();
    let path = folder.write("policies.yaml", "one");
    let mut readings = Readings::of(File::new(&path));
    readings.expect("one").await;
    for text in ["two", "two", "three"] {
        fs::remove_file(&path).unwrap();
        let error = readings.next().await.unwrap_err().to_string();
        assert!(error.contains("policies.yaml"), "{error}");
        fs::write(&path, text).unwrap();
        readings.expect(text).await;
    }
}

/// What the kubelet does with a ConfigMap that is mounted as a directory.
fn mount(folder: &Folder, version: &str, text: &str) {
    folder.write(&format!("..{version}/policies.yaml"), text);
    symlink(format!("..{version}"), folder.at("..data_tmp")).unwrap();
    fs::rename(folder.at("..data_tmp"), folder.at("..data")).unwrap();
}

#[tokio::test]
async fn a_config_map_is_followed() {
    let folder = Folder::new();
    mount(&folder, "2026_01", "one");
    let path = folder.at("policies.yaml");
    symlink("..data/policies.yaml", &path).unwrap();
    let mut readings = Readings::of(File::new(&path));
    readings.expect("one").await;
    for (before, version, text) in [
        ("2026_01", "2026_02", "two"),
        ("2026_02", "2026_03", "three"),
        ("2026_03", "2026_04", "four"),
    ] {
        mount(&folder, version, text);
        fs::remove_dir_all(folder.at(format!("..{before}"))).unwrap();
        readings.expect(text).await;
    }
}

#[tokio::test]
async fn a_link_is_followed_to_where_it_leads() {
    let (folder, other) = (Folder::new(), Folder::new());
    let target = other.write("a/real.yaml", "one");
    let path = folder.at("policies.yaml");
    symlink(&target, &path).unwrap();
    let mut readings = Readings::of(File::new(&path));
    readings.expect("one").await;
    fs::write(&target, "two").unwrap();
    readings.expect("two").await;
    let elsewhere = other.write("b/real.yaml", "three");
    fs::remove_file(&path).unwrap();
    symlink(&elsewhere, &path).unwrap();
    readings.expect_after_errors("three").await;
    fs::write(&elsewhere, "four").unwrap();
    readings.expect("four").await;
}

#[tokio::test]
async fn a_directory_that_is_replaced_is_followed() {
    let folder = Folder::new();
    let path = folder.write("conf/policies.yaml", "one");
    let mut readings = Readings::of(File::new(&path));
    readings.expect("one").await;
    for (n, text) in ["two", "three"].into_iter().enumerate() {
        folder.write("new/policies.yaml", text);
        fs::rename(folder.at("conf"), folder.at(format!("old{n}"))).unwrap();
        fs::rename(folder.at("new"), folder.at("conf")).unwrap();
        readings.expect(text).await;
    }
    // The new one is watched as the old one was.
    fs::write(&path, "four").unwrap();
    readings.expect("four").await;
}

#[tokio::test]
async fn a_directory_that_is_removed_and_made_again_is_followed() {
    let folder = Folder::new();
    let path = folder.write("conf/policies.yaml", "one");
    let mut readings = Readings::of(File::new(&path));
    readings.expect("one").await;
    fs::remove_dir_all(folder.at("conf")).unwrap();
    assert!(readings.next().await.is_err());
    folder.write("conf/policies.yaml", "two");
    readings.expect_after_errors("two").await;
    fs::write(&path, "three").unwrap();
    readings.expect("three").await;
}

#[tokio::test]
async fn a_directory_that_is_not_there_yet_is_waited_for() {
    let folder = Folder::new();
    let path = folder.at("deep/down/policies.yaml");
    let mut readings = Readings::of(File::new(&path));
    let error = readings.next().await.unwrap_err();
    assert!(error.to_string().contains("policies.yaml"), "{error}");
    folder.write("deep/down/policies.yaml", "one");
    readings.expect_after_errors("one").await;
    fs::write(&path, "two").unwrap();
    readings.expect("two").await;
}

#[tokio::test]
async fn the_same_text_is_not_answered_again() {
    let folder = Folder::new();
    let path = folder.write("policies.yaml", "one");
    let mut readings = Readings::of(File::new(&path).debounce(Duration::from_millis(10)));
    readings.expect("one").await;
    for n in 0..10 {
        fs::write(&path, "one").unwrap();
        folder.write(&format!("other{n}"), "one");
        sleep(Duration::from_millis(20)).await;
    }
    fs::write(&path, "two").unwrap();
    readings.expect("two").await;
    assert!(readings.readings.try_recv().is_err());
}

#[tokio::test]
async fn what_is_not_watched_is_read_every_so_often() {
    let folder = Folder::new();
    let path = folder.write("policies.yaml", "one");
    let file = File::new(&path).poll(Duration::from_millis(20));
    let mut readings = Readings::of(file.debounce(Duration::from_millis(10)));
    readings.expect("one").await;
    for text in ["two", "three"] {
        fs::write(&path, text).unwrap();
        readings.expect_after_errors(text).await;
    }
}

#[tokio::test]
async fn the_extension_says_the_format_or_the_code_does() {
    let folder = Folder::new();
    for (name, format) in [
        ("a.json", Format::Json),
        ("a.toml", Format::Toml),
        ("a.yaml", Format::Yaml),
        ("a.YML", Format::Yaml),
    ] {
        let mut file = File::new(folder.write(name, "text"));
        assert_eq!(file.next().await.unwrap().format, format);
    }
    for name in ["policies.conf", "policies"] {
        let path = folder.write(name, "text");
        let error = File::new(&path).next().await.unwrap_err();
        assert!(error.is_closed());
        let told = "its extension is none of json, toml, yaml, yml; say its format";
        assert_eq!(error.to_string(), format!("{}: {told}", path.display()));
        let mut said = File::new(&path).format(Format::Toml);
        assert_eq!(said.next().await.unwrap().format, Format::Toml);
    }
}

#[tokio::test]
async fn what_is_no_text_is_an_error_with_its_path() {
    let folder = Folder::new();
    let path = folder.write("policies.yaml", "");
    fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    let error = File::new(&path).next().await.unwrap_err().to_string();
    assert!(error.contains("policies.yaml: "), "{error}");
    fs::write(&path, vec![b' '; (4 << 20) + 1]).unwrap();
    let error = File::new(&path).next().await.unwrap_err().to_string();
    assert!(error.contains("policies.yaml: is larger than"), "{error}");
    let endless = File::new(Path::new("/dev/zero"))
        .format(Format::Json)
        .next()
        .await;
    let error = endless.unwrap_err().to_string();
    assert!(error.contains("/dev/zero: is larger than"), "{error}");
    let directory = File::new(folder.at("")).format(Format::Json).next().await;
    assert!(directory.is_err());
}

#[tokio::test]
async fn a_circle_of_links_is_an_error() {
    let folder = Folder::new();
    symlink("b.yaml", folder.at("a.yaml")).unwrap();
    symlink("a.yaml", folder.at("b.yaml")).unwrap();
    let mut readings = Readings::of(File::new(folder.at("a.yaml")));
    assert!(readings.next().await.is_err());
    fs::remove_file(folder.at("b.yaml")).unwrap();
    folder.write("b.yaml", "one");
    readings.expect_after_errors("one").await;
}

/// A reading that was given up is taken again, and nothing is missed meanwhile.
#[tokio::test]
async fn a_reading_that_is_dropped_loses_nothing() {
    let folder = Folder::new();
    let path = folder.write("policies.yaml", "one");
    let mut file = File::new(&path).debounce(Duration::from_millis(20));
    for n in 0..20 {
        let _ = timeout(Duration::from_micros(50 * n), file.next()).await;
    }
    fs::write(&path, "two").unwrap();
    loop {
        let reading = timeout(SOON, file.next()).await.expect("a reading");
        if reading.unwrap().text == "two" {
            break;
        }
    }
}

/// Until it holds.
async fn until(holds: impl Fn() -> bool) {
    let soon = async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, soon).await.expect("it does not hold");
}

fn policies(max_concurrent: u32) -> String {
    format!("policies: {{ members: {{ bulkhead: {{ max_concurrent: {max_concurrent} }} }} }}")
}

#[tokio::test]
async fn a_pipeline_follows_its_file() {
    let folder = Folder::new();
    let path = folder.write("policies.yaml", &policies(1));
    let members = Resilience::builder().name("members").build().unwrap();
    let limit = || members.config().bulkhead.unwrap().max_concurrent;
    let reload = Reload::file(&path).policy(&members).load().await.unwrap();
    assert_eq!(limit(), 1);
    let handle = reload.handle();
    let run = tokio::spawn(reload.run());

    fs::write(&path, policies(2)).unwrap();
    until(|| limit() == 2).await;
    fs::write(&path, policies(0)).unwrap();
    until(|| handle.snapshot().rejection.is_some()).await;
    assert_eq!(limit(), 2);
    let rejection = handle.snapshot().rejection.unwrap().error;
    let told = "policies.members.bulkhead.max_concurrent: ";
    assert!(rejection.contains(told), "{rejection}");
    fs::write(&path, policies(3)).unwrap();
    until(|| limit() == 3).await;

    fs::remove_file(&path).unwrap();
    until(|| handle.snapshot().failure.is_some()).await;
    assert_eq!(limit(), 3);
    folder.write("policies.yaml", &policies(4));
    until(|| limit() == 4).await;
    assert!(handle.snapshot().is_current());
    run.abort();
}

#[tokio::test]
async fn a_file_that_is_not_there_yet_is_no_reason_not_to_start() {
    let folder = Folder::new();
    let path = folder.at("conf/policies.yaml");
    let members = Resilience::builder().name("members").build().unwrap();
    let reload = Reload::file(&path).policy(&members);
    let error = reload.load().await.unwrap_err();
    assert!(error.to_string().contains("policies.yaml"), "{error}");

    let reload = Reload::file(&path).policy(&members).build();
    let handle = reload.handle();
    let run = tokio::spawn(reload.run());
    until(|| handle.snapshot().failed == 1).await;
    folder.write("conf/policies.yaml", &policies(5));
    until(|| members.config().bulkhead.is_some()).await;
    assert_eq!(handle.snapshot().failed, 1);
    run.abort();
}
