//! Who waits for a file beside something else drops the future now and then. Dropped while a change settled, it had
//! taken the news along, and the next one heard of the change only ten seconds later, or never.
#![cfg(feature = "reload")]
#![allow(
    clippy::disallowed_methods,
    reason = "files are the subject, so time is real"
)]

use std::{fs, time::Duration};

use buttress::reload::{File, Source};
use tokio::time::timeout;

#[tokio::test]
async fn a_change_is_heard_of_after_a_look_that_was_given_up() {
    let folder = std::env::temp_dir().join(format!("buttress-given-up-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("policies.yaml");
    fs::write(&path, "one").unwrap();
    let mut file = File::new(&path).debounce(Duration::from_millis(400));
    assert_eq!(file.next().await.unwrap().text, "one");

    fs::write(&path, "two").unwrap();
    let settles = timeout(Duration::from_millis(200), file.next()).await;
    assert!(settles.is_err());
    let text = timeout(Duration::from_secs(5), file.next()).await;
    assert_eq!(text.expect("it is heard of").unwrap().text, "two");
    fs::remove_dir_all(folder).unwrap();
}
