//! One run, in the order of what happens.

use std::error;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use buttress::reload::Reload;
use buttress::{Error, pipeline};
use tokio::time::{Instant, sleep_until};
use tower::Layer;

use super::editor::Editor;
use super::seen::{self, Call, Edit, Ending, Look, Row, Seen, Told};
use super::{bars, service};
use crate::arrivals::{self, Schedule, SplitMix64};
use crate::place::Place;
use crate::progress::progress;
use crate::settings::{Following, Heard};
use crate::shop::{self, Client, Dependency, Protection};
use crate::verdict::{self, Bar, Verdict};

pub const PROMISE: &str = "FOLLOWED";

pub const CALLS_PER_SECOND: u32 = 200;

/// All that a run has shown.
pub struct Live {
    pub seed: u64,
    pub cores: usize,
    pub editor: Editor,
    /// What the file said at the start.
    pub policy: pipeline::Config,
    pub rows: Vec<Row>,
    pub edits: Vec<Edit>,
    pub told: Vec<Told>,
    /// By how much the latest call was sent too late.
    pub latest: Duration,
    pub bars: Vec<Bar>,
    pub verdict: Verdict,
}

pub async fn run(seed: u64, place: &Place) -> Result<Live, Box<dyn error::Error>> {
    let editor = Editor::of(place)?;
    let members = shop::protection("members")?;
    let file = Reload::file(editor.path()).policy(&members);
    let following = Following::start(file).await?;
    let breaker = Heard::default();
    let _subscription = members.subscribe(breaker.listener());
    let policy = members.config();

    let member = members.layer(shop::http()?);
    let member = Arc::new(Dependency::new(service::start().await?, member));

    if let Editor::You(path) = &editor {
        let seconds = editor.time().as_secs();
        eprintln!("live: {seconds} s to edit {}", path.display());
    }
    let epoch = Instant::now() + Duration::from_millis(50);
    let load = tokio::spawn(come(member, schedule(seed, editor.time()), epoch));
    let looks = tokio::spawn(look(members.clone(), editor.looks(), editor.time(), epoch));
    let says = |_| shown(&members);
    let (edits, ()) = tokio::join!(editor.edit(epoch), progress(editor.time(), epoch, says));

    let heard = [&following.heard, &breaker].map(Heard::events);
    let seen = Seen {
        calls: load.await?,
        edits: edits?,
        told: seen::told(&heard.concat(), epoch),
        looks: looks.await?,
    };
    let bars = match editor {
        Editor::Script(_) => bars::of_the_script(&seen),
        Editor::You(_) => bars::of_yours(&seen),
    };
    let latest = seen.calls.iter().map(|call| call.late).max();
    let latest = latest.unwrap_or_default();
    Ok(Live {
        seed,
        cores: available_parallelism().map_or(1, usize::from),
        editor,
        policy,
        rows: seen::rows(&seen),
        edits: seen.edits,
        told: seen.told,
        latest,
        verdict: verdict::verdict(&bars, latest),
        bars,
    })
}

fn schedule(seed: u64, ends: Duration) -> Schedule<()> {
    let mut random = SplitMix64(seed);
    let arrivals = arrivals::even(&mut random, Duration::ZERO..ends, CALLS_PER_SECOND);
    arrivals.map(|at| (at, ())).collect()
}

async fn come<C: Client>(
    member: Arc<Dependency<C>>,
    schedule: Schedule<()>,
    epoch: Instant,
) -> Vec<Call> {
    let call = move |(), due, late| {
        let member = Arc::clone(&member);
        async move {
            let ending = match member.ask().await {
                Ok(_) => Ending::Answered,
                Err(Error::Rejected(_)) => Ending::Refused,
                Err(Error::Inner(_)) => Ending::Failed,
            };
            Call { due, late, ending }
        }
    };
    arrivals::send_all(schedule, epoch, call).await
}

/// Asks the policy itself every so often, and not those who say that they have changed it.
async fn look(members: Protection, every: Duration, ends: Duration, epoch: Instant) -> Vec<Look> {
    let mut looks = Vec::new();
    let mut at = Duration::ZERO;
    while at <= ends {
        sleep_until(epoch + at).await;
        let breaker = members.snapshot().breaker;
        looks.push(Look {
            at,
            config: members.config(),
            state: breaker.map(|breaker| breaker.state),
        });
        at += every;
    }
    looks
}

/// For the line of progress.
fn shown(members: &Protection) -> String {
    let (config, snapshot) = (members.config(), members.snapshot());
    match (config.breaker, snapshot.breaker) {
        (Some(config), Some(snapshot)) => {
            let (ratio, state) = (config.failure_ratio, snapshot.state.as_str());
            format!("live: ratio {ratio}, {state}")
        }
        _ => "live: no breaker".into(),
    }
}
