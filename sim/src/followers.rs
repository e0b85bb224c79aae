//! Clients of the simulated cluster that follow the changes.

use std::time::Duration;

use anyhow::Context as _;
use quorid_history::{Followed, World as _, chance::Chance};
use tokio::time::sleep;

use crate::{clients::connect, judge::LAST, observer::Observer, settings::Settings, trace::note};

/// Follows the changes until the judge's account is made. Once in a while it goes on as another client would, from
/// the revision that it was given last.
pub(crate) async fn follower(
    name: &str,
    settings: &Settings,
    observer: &Observer,
) -> anyhow::Result<()> {
    let mut chance = Chance::of(settings.seed, name);
    // Some begin when others have done much already.
    let late = *chance.one_of(&[0, 4000, 15_000]);
    sleep(Duration::from_millis(chance.within(0..=late))).await;
    let mut followed = Followed::since(name, 0);
    let mut is_over = false;
    while !is_over {
        let client = connect(settings)?;
        let mut left = chance.within(1..=100);
        let until = followed.follow(
            &client,
            || observer.highest_committed(),
            |batch| {
                let (changes, revision) = (batch.changes.len(), batch.revision);
                note!("{name} is given {changes} changes up to {revision}");
                left -= 1;
                is_over = batch.changes.iter().any(|it| it.display_name == LAST);
                is_over || left == 0
            },
        );
        until.await.context("following the changes")?;
    }
    observer.lock().followed.push(followed);
    Ok(())
}
