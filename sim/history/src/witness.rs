//! The witness check: the committed log, applied by the directory's own rules, has to explain
//! every answer, in an order that agrees with real time.

mod answers;
mod changes;
mod groups;
mod kept;
mod reasons;
mod replay;
mod rights;
mod rules;

use std::{collections::BTreeMap, time::Duration};

use quorid_directory::{Kind, Object, REAL_NAME};
use quorid_storage::Payload;

use self::{groups::others, replay::Replay};
use crate::{
    follower::Followed,
    linearizability,
    operation::{Operation, Shown},
};

/// What was committed, by index: term and payload.
pub type CommittedLog = BTreeMap<u64, (u64, Payload)>;

/// What the check found.
#[derive(Debug, Default)]
pub struct Checked {
    /// Each is a defect.
    pub violations: Vec<String>,
    /// Operations that changed something.
    pub mutating: u64,
    /// Commands in the log.
    pub commands: u64,
}

/// Checks a whole history by the committed log: what clients were answered, what followers of the changes
/// were given, and `listed`, all accounts in the end, where they are known. Checks the answers by a search for
/// a linear order, too, which may take as long as `patience`.
pub fn check(
    log: &CommittedLog,
    operations: &[Operation],
    followed: &[Followed],
    listed: Option<&[Shown]>,
    patience: Option<Duration>,
) -> Checked {
    let mut checked = Checked::default();
    let Some(replay) = Replay::of(log, operations, &mut checked) else {
        return checked;
    };
    let floors = Floors::of(operations);
    for operation in operations {
        if let Err(why) = replay.explains(operation, floors.before(operation.invoked)) {
            checked.violations.push(format!("{why}: {operation:?}"));
        }
        let request = operation.asked.request();
        if request.is_some_and(|request| replay.effects.contains_key(&request)) {
            checked.mutating += 1;
        }
    }
    let not_given = followed
        .iter()
        .filter_map(|it| replay.explains_followed(it).err());
    checked.violations.extend(not_given);
    if let Some(listed) = listed {
        let expected: Vec<Shown> = {
            let objects = replay.model.objects().values();
            objects
                .filter(|it| it.kind.is_account())
                .map(shown)
                .collect()
        };
        if listed != expected {
            checked.violations.push(format!(
                "in the end the cluster lists {listed:?}, but its log says {expected:?}"
            ));
        }
    }
    let effect = |request| replay.effect(request);
    let not_linear = linearizability::check(operations, effect, patience);
    checked.violations.extend(not_linear);
    checked
}

/// The highest revision that anybody had heard of, by moment.
struct Floors(BTreeMap<u64, u64>);

impl Floors {
    fn of(operations: &[Operation]) -> Self {
        let mut answered: Vec<(u64, u64)> = operations
            .iter()
            .filter_map(|operation| Some((operation.returned, operation.answer.revision()?)))
            .collect();
        answered.sort_unstable();
        let mut highest = 0;
        Self(
            answered
                .into_iter()
                .map(|(moment, revision)| {
                    highest = revision.max(highest);
                    (moment, highest)
                })
                .collect(),
        )
    }

    fn before(&self, moment: u64) -> u64 {
        let last = self.0.range(..moment).next_back();
        last.map_or(0, |(_, revision)| *revision)
    }
}

fn shown(account: &Object) -> Shown {
    Shown {
        id: account.id.to_string(),
        login_name: match account.kind {
            Kind::Person | Kind::Service => account.login_name().to_owned(),
            Kind::Group => account.group_name().to_owned(),
        },
        real_name: account.text(REAL_NAME).to_owned(),
        version: format!("{:x}", account.version.0),
        attributes: others(account),
    }
}
