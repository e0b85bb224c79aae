//! What the servers committed: their logs, read from their data directories once they ended, and
//! compared.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use quorid_history::witness::CommittedLog;
use quorid_storage::{DataDirectory, Disk as _, LogOptions, LogPos, LogState, Payload};

/// The log of one server.
pub(crate) struct ServerLog {
    name: String,
    state: LogState,
    entries: Vec<(LogPos, Payload)>,
    /// Checkpoints that it had when it started with a log that ended before them.
    ahead: Vec<u64>,
}

/// Reads the log of a server that doesn't run, and told that at a start it had these checkpoints
/// and less of the log.
pub(crate) fn read(name: &str, data_dir: &Path, ahead: Vec<u64>) -> anyhow::Result<ServerLog> {
    let read = || {
        let log = DataDirectory::open(data_dir)?.open_log(&LogOptions::default())?;
        Ok::<_, anyhow::Error>(ServerLog {
            name: name.to_owned(),
            state: log.state(),
            entries: log.read(0, u64::MAX)?,
            ahead,
        })
    };
    read().with_context(|| format!("reading the log of {name}"))
}

/// The log that all servers committed, each of which applied everything up to `applied`, and
/// what is wrong with it.
pub(crate) fn compare(logs: &[ServerLog], applied: u64) -> (CommittedLog, Vec<String>) {
    let mut committed = CommittedLog::new();
    let mut violations = Vec::new();
    // By term and index: a leader makes one entry of them, and there is one leader a term.
    let mut made: BTreeMap<LogPos, &Payload> = BTreeMap::new();
    // By term.
    let mut leaders: BTreeMap<u64, u64> = BTreeMap::new();
    for log in logs {
        let name = &log.name;
        let begin = match log.state.purged {
            None => 0,
            // What others committed was in its state, but its own disk hadn't taken the entries.
            // The log begins anew behind them.
            Some(purged) if log.ahead.contains(&purged.index) => purged.index + 1,
            Some(purged) => {
                violations.push(format!("the log of {name} was cut behind entry {purged}"));
                0
            }
        };
        if let Some(vote) = log.state.vote.filter(|vote| vote.committed) {
            let leader = *leaders.entry(vote.term).or_insert(vote.candidate);
            if leader != vote.candidate {
                violations.push(format!("two leaders in term {}, by {name}", vote.term));
            }
        }
        let end = begin + log.entries.len() as u64;
        if end <= applied {
            violations.push(format!(
                "{name} applied entry {applied}, but its log ends before entry {end}"
            ));
        }
        let own = log.state.committed.map_or(0, |last| last.index);
        for ((at, payload), expected) in log.entries.iter().zip(begin..) {
            if at.index != expected {
                violations.push(format!("{name} has no entry {expected}, but {at}"));
                break;
            }
            if *made.entry(*at).or_insert(payload) != payload {
                violations.push(format!("{name} has another entry {at} than others"));
            }
            if at.index > own.max(applied) {
                continue;
            }
            let known = committed
                .entry(at.index)
                .or_insert_with(|| (at.term, payload.clone()));
            if (known.0, &known.1) != (at.term, payload) {
                violations.push(format!(
                    "committed logs differ: entry {} of term {}, but of {} by {name}",
                    at.index, known.0, at.term
                ));
            }
        }
    }
    for log in logs {
        if let Some(purged) = log.state.purged
            && let Some((term, _)) = committed.get(&purged.index)
            && *term != purged.term
        {
            let name = &log.name;
            violations.push(format!(
                "{name} begins behind {purged}, of term {term} elsewhere"
            ));
        }
    }
    (committed, violations)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quorid_directory::{
        ClientAddress, Command, Edit, Kind, LoginName, ObjectId, Operation as Change, OperatorName,
        Principal, RealName, RequestId, Revision, Time,
    };
    use quorid_history::{Answer, Asked, Operation, Shown, chance::Chance, witness};
    use quorid_server::state::encode_command;
    use quorid_storage::LogVote;

    use super::*;

    const NOW_MS: u64 = 1_750_000_000_000;

    fn login_name(number: u8) -> LoginName {
        LoginName::parse(&format!("name-{number}")).unwrap()
    }

    fn create(number: u8) -> Command {
        let mut chance = Chance::of(u64::from(number), "requests");
        Command {
            request: RequestId::new(Revision(0), chance.next()),
            time: Time(NOW_MS),
            client: ClientAddress::parse("127.0.0.1:1").unwrap(),
            principal: Principal::Operator(OperatorName::of_certificate("olga")),
            operation: Change::Create {
                id: ObjectId::from_bytes([number; 16]),
                kind: Kind::Person,
                edits: vec![
                    Edit::login_name(&login_name(number)),
                    Edit::real_name(&RealName::parse("Somebody").unwrap()),
                ],
                verifier: None,
            },
        }
    }

    fn entry(number: u8) -> Payload {
        Payload::Command(Bytes::from(encode_command(&create(number))))
    }

    fn server(name: &str, entries: &[(u64, Payload)]) -> ServerLog {
        let at = |index: usize| LogPos {
            term: entries[index].0,
            index: index as u64,
        };
        let placed = entries.iter().enumerate();
        let placed = placed.map(|(index, (_, payload))| (at(index), payload.clone()));
        ServerLog {
            name: name.to_owned(),
            entries: placed.collect(),
            state: LogState {
                last: Some(at(entries.len() - 1)),
                committed: Some(at(entries.len() - 1)),
                ..LogState::default()
            },
            ahead: Vec::new(),
        }
    }

    /// Two accounts, made by one client after the other.
    fn log() -> Vec<(u64, Payload)> {
        let payloads = [Payload::Blank, entry(1), entry(2)];
        payloads.map(|payload| (1, payload)).into()
    }

    fn acknowledged(number: u8) -> Operation {
        let command = create(number);
        let Change::Create { id, .. } = command.operation else {
            panic!("it is a creation");
        };
        let login_name = login_name(number);
        let index = u64::from(number);
        let name = quorid_history::Name {
            spelled: login_name.as_str().to_owned(),
            login_name,
        };
        Operation {
            by: None,
            client: "a".to_owned(),
            asked: Asked::Create {
                request: command.request,
                login_name: name.clone(),
                real_name: "Somebody".to_owned(),
                numbered: false,
            },
            cell: 1,
            invoked: 2 * index,
            returned: 2 * index + 1,
            returned_ms: NOW_MS + index,
            committed: u64::MAX,
            answer: Answer::Account {
                account: Shown {
                    id: id.to_string(),
                    login_name: name.spelled,
                    real_name: "Somebody".to_owned(),
                    version: format!("{index:x}"),
                    attributes: BTreeMap::new(),
                },
                revision: index,
            },
        }
    }

    fn check(log: &[(u64, Payload)]) -> Vec<String> {
        let servers = [server("s1", log), server("s2", log)];
        let (committed, mut violations) = compare(&servers, 2);
        let history = [acknowledged(1), acknowledged(2)];
        violations.extend(witness::check(&committed, &history, &[], None, None).violations);
        violations
    }

    #[test]
    fn logs_that_agree_with_each_other_and_the_history_are_fine() {
        assert_eq!(check(&log()), Vec::<String>::new());
    }

    #[test]
    fn an_acknowledged_change_that_is_in_no_log_is_found() {
        let mut lost = log();
        lost[2] = (1, Payload::Blank);
        let violations = check(&lost);
        let told = |violation: &String| violation.starts_with("an acknowledged change is lost");
        assert!(violations.iter().any(told), "{violations:?}");
    }

    #[test]
    fn logs_that_differ_are_found() {
        let mut other = log();
        other[2] = (1, entry(3));
        let mut later = log();
        later[2] = (2, entry(2));
        let short = log()[..2].to_vec();
        let table = [
            (other, "s2 has another entry 2@1 than others"),
            (later, "committed logs differ: entry 2 of term 1, but of 2"),
            (short, "s2 applied entry 2, but its log ends before entry 2"),
        ];
        for (log_of_s2, expected) in table {
            let (_, violations) = compare(&[server("s1", &log()), server("s2", &log_of_s2)], 2);
            let told = |violation: &String| violation.starts_with(expected);
            assert!(violations.iter().any(told), "{expected}: {violations:?}");
        }
    }

    #[test]
    fn logs_that_were_cut_and_second_leaders_are_found() {
        let vote = |candidate| LogVote {
            term: 4,
            candidate,
            committed: true,
        };
        let mut servers = [server("s1", &log()), server("s2", &log())];
        servers[0].state.vote = Some(vote(1));
        servers[1].state.vote = Some(vote(2));
        servers[1].entries.remove(0);
        servers[1].state.purged = Some(LogPos { term: 1, index: 0 });
        let (_, violations) = compare(&servers, 1);
        for expected in [
            "the log of s2 was cut",
            "two leaders in term 4",
            "s2 has no entry 0",
        ] {
            let told = |violation: &String| violation.starts_with(expected);
            assert!(violations.iter().any(told), "{expected}: {violations:?}");
        }
    }

    #[test]
    fn a_log_may_begin_behind_a_checkpoint_that_its_end_was_lost_before() {
        let mut servers = [server("s1", &log()), server("s2", &log())];
        servers[1].entries.remove(0);
        servers[1].state.purged = Some(LogPos { term: 1, index: 0 });
        servers[1].ahead = vec![0];
        let (committed, violations) = compare(&servers, 2);
        assert_eq!(violations, Vec::<String>::new());
        assert_eq!(committed.len(), 3);
        servers[1].state.purged = Some(LogPos { term: 9, index: 0 });
        let (_, violations) = compare(&servers, 2);
        assert_eq!(violations, ["s2 begins behind 0@9, of term 1 elsewhere"]);
        // Nobody has it.
        servers.swap(0, 1);
        let (committed, _) = compare(&servers[..1], 2);
        let told = witness::check(&committed, &[], &[], None, None).violations;
        let missing = "nobody was seen to commit entry 0";
        assert!(told.iter().any(|told| told == missing), "{told:?}");
    }

    #[test]
    fn what_wasnt_committed_may_differ() {
        let mut behind = server("s2", &[log(), vec![(1, entry(3))]].concat());
        behind.state.committed = Some(LogPos { term: 1, index: 2 });
        let ahead = server("s1", &[log(), vec![(2, Payload::Blank)]].concat());
        let (committed, violations) = compare(&[ahead, behind], 2);
        assert_eq!(violations, Vec::<String>::new());
        assert_eq!(committed.get(&3), Some(&(2, Payload::Blank)));
    }
}
