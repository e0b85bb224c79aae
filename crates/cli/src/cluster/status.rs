//! `quorid cluster status`: every server's own word on how it is doing.

use clap::Args;
use futures_util::future::join_all;
use quorid_api::{ClusterView, Error, Server, ServerRole, ServerStatus, Unavailable};
use serde_json::{Value, json};

use super::digest::{self, Digests};
use crate::{
    context::Context,
    errors::Failure,
    table::{Table, bytes},
    terminal::escape,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  quorid cluster status
  quorid cluster status --digest             exit code 0 only if all servers hold the same
  watch -n 1 quorid cluster status

LAG is how many log entries a server has yet to apply. The feature level says which features changes may use.";

/// What to ask the servers.
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// Also compare a digest of each server's whole directory, at one revision; needs an
    /// operator's certificate
    #[arg(long)]
    digest: bool,
}

/// One member, and what it said of itself, or why it said nothing.
#[derive(Debug)]
pub(crate) struct MemberStatus {
    pub(crate) server: Server,
    pub(crate) status: Result<ServerStatus, String>,
}

pub(super) async fn run(args: StatusArgs, context: &Context) -> Result<(), Failure> {
    let view = context.client.cluster().await?;
    let members = ask_all(&view, context, None).await;
    let digests = if args.digest {
        Some(digest::compare(&view, &members, context).await?)
    } else {
        None
    };
    if context.out.is_json() {
        context
            .out
            .json(&to_json(&view, &members, digests.as_ref()))?;
    } else {
        context.out.line(to_text(&view, &members))?;
        if let Some(digests) = &digests {
            context.out.line(digests.to_text())?;
        }
    }
    digests.map_or(Ok(()), |digests| digests.verdict())
}

/// Asks every member directly; with a revision, also for its digest once it got that far.
pub(super) async fn ask_all(
    view: &ClusterView,
    context: &Context,
    digest_at: Option<u64>,
) -> Vec<MemberStatus> {
    let asked = view.servers.iter().map(|server| async move {
        let answer = tokio::time::timeout(
            context.deadline(),
            context.client.server_status(
                &server.client_address,
                digest_at.is_some(),
                digest_at.unwrap_or(0),
            ),
        )
        .await;
        let status = match answer {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(error)) => Err(problem(error)),
            Err(_) => Err(format!(
                "no answer within {:.1} s",
                context.deadline().as_secs_f64()
            )),
        };
        MemberStatus {
            server: server.clone(),
            status,
        }
    });
    join_all(asked).await
}

/// Without the address, which is known.
fn problem(error: Error) -> String {
    match error {
        Error::Unavailable(Unavailable {
            last_error: Some(error),
            ..
        }) => error.problem,
        error @ (Error::Unavailable(_)
        | Error::Rejected(_)
        | Error::Tls(_)
        | Error::InvalidServer(_)) => error.to_string(),
    }
}

/// For people: a leader names itself only as long as a majority answers it.
fn role_text(status: &ServerStatus) -> &'static str {
    if status.role() == ServerRole::Leader && status.leader_id == 0 {
        return "leader (no majority)";
    }
    role_name(status.role())
}

fn role_name(role: ServerRole) -> &'static str {
    match role {
        ServerRole::Unspecified => "unknown",
        ServerRole::Leader => "leader",
        ServerRole::Follower => "follower",
        ServerRole::Candidate => "candidate",
        ServerRole::Learner => "learner",
    }
}

/// The highest log index that any server knows to be committed.
fn committed(members: &[MemberStatus]) -> u64 {
    members
        .iter()
        .filter_map(|member| Some(member.status.as_ref().ok()?.committed_index))
        .max()
        .unwrap_or(0)
}

pub(crate) fn to_text(view: &ClusterView, members: &[MemberStatus]) -> String {
    let committed = committed(members);
    let mut table = Table::new(&[
        "server",
        "role",
        "term",
        "applied",
        "lag",
        "checkpoint",
        "accounts",
        "disk",
        "address",
        "version",
    ]);
    for member in members {
        let name = escape(&member.server.name);
        let address = escape(&member.server.client_address);
        match &member.status {
            Ok(status) => table.row(&[
                &name,
                role_text(status),
                &status.term.to_string(),
                &status.applied_index.to_string(),
                &committed.saturating_sub(status.applied_index).to_string(),
                &status.checkpoint_index.to_string(),
                &status.accounts.to_string(),
                &bytes(status.disk_bytes),
                &address,
                &escape(&status.version),
            ]),
            Err(_) => table.row(&[
                &name,
                "unreachable",
                "-",
                "-",
                "-",
                "-",
                "-",
                "-",
                &address,
                "-",
            ]),
        }
    }
    let levels = Levels::of(members);
    let level = levels.map(|levels| format!(", feature level {}", levels.level));
    let cluster = escape(&view.cluster_id);
    let mut text = format!("cluster {cluster}{}\n{table}", level.unwrap_or_default());
    for member in members {
        if let Err(reason) = &member.status {
            text.push_str(&format!(
                "\n{} is unreachable: {}",
                escape(&member.server.name),
                escape(reason)
            ));
        }
    }
    for member in members {
        if let Ok(status) = &member.status
            && status.clock_is_wrong
        {
            let name = escape(&member.server.name);
            let ahead = status.clock_ahead_ms();
            text.push_str(&format!(
                "\nthe clock of {name} is {} s {} by those of the other servers, and {name} does not lead until it \
                 is right; see on its machine: timedatectl",
                ahead.unsigned_abs() / 1000,
                if ahead < 0 { "behind" } else { "ahead" },
            ));
        }
    }
    if let Some(more) = levels.and_then(|levels| levels.to_text(members)) {
        text.push('\n');
        text.push_str(&more);
    }
    text
}

/// Feature levels, as far as the servers answered.
#[derive(Debug, Clone, Copy)]
struct Levels {
    /// The directory's.
    level: u32,
    /// The highest that all of them support, and the highest that any of them does.
    all: u32,
    any: u32,
}

impl Levels {
    /// None: no server answered, or those that did are older than levels.
    fn of(members: &[MemberStatus]) -> Option<Self> {
        let answered = || {
            let answered = members
                .iter()
                .filter_map(|member| member.status.as_ref().ok());
            answered.filter(|status| status.level > 0)
        };
        let supported = || answered().map(|status| status.supported_level);
        Some(Self {
            level: answered().map(|status| status.level).max()?,
            all: supported().min()?,
            any: supported().max()?,
        })
    }

    /// What is to be done to use what servers support, if anything.
    fn to_text(self, members: &[MemberStatus]) -> Option<String> {
        let answered = members.iter().all(|member| member.status.is_ok());
        if self.all > self.level && answered {
            return Some(format!(
                "all servers support feature level {}; to use it: quorid cluster raise-level",
                self.all
            ));
        }
        if self.any <= self.level {
            return None;
        }
        let older = members.iter().filter(|member| {
            let supported = member.status.as_ref().map(|status| status.supported_level);
            supported.is_ok_and(|supported| supported < self.any)
        });
        let names: Vec<_> = older.map(|member| escape(&member.server.name)).collect();
        (!names.is_empty()).then(|| {
            format!(
                "some servers support feature level {}; install that version on {} too",
                self.any,
                names.join(", ")
            )
        })
    }
}

pub(crate) fn to_json(
    view: &ClusterView,
    members: &[MemberStatus],
    digests: Option<&Digests>,
) -> Value {
    let committed = committed(members);
    let servers: Vec<_> = members
        .iter()
        .map(|member| {
            let mut server = json!({
                "id": member.server.id,
                "name": member.server.name,
                "client_address": member.server.client_address,
                "peer_address": member.server.peer_address,
                "voter": member.server.voter,
                "reachable": member.status.is_ok(),
            });
            let more = match &member.status {
                Ok(status) => json!({
                    "role": role_name(status.role()),
                    "term": status.term,
                    "leader_id": status.leader_id,
                    "last_log": status.last_log_index,
                    "committed": status.committed_index,
                    "applied": status.applied_index,
                    "lag": committed.saturating_sub(status.applied_index),
                    "checkpoint": status.checkpoint_index,
                    "purged": status.purged_index,
                    "accounts": status.accounts,
                    "groups": status.groups,
                    "disk_bytes": status.disk_bytes,
                    "uptime_seconds": status.uptime_seconds,
                    "supported_level": status.supported_level,
                    "clock_ahead_ms": status.clock_ahead_ms,
                    "clock_is_wrong": status.clock_is_wrong,
                    "version": status.version,
                }),
                Err(reason) => json!({"error": reason}),
            };
            if let (Value::Object(server), Value::Object(more)) = (&mut server, more) {
                server.extend(more);
            }
            server
        })
        .collect();
    let mut status = json!({
        "cluster_id": view.cluster_id,
        "term": view.term,
        "leader_id": view.leader_id,
        "level": Levels::of(members).map(|levels| levels.level),
        "supported_level": Levels::of(members).map(|levels| levels.all),
        "servers": servers,
    });
    if let (Some(digests), Value::Object(status)) = (digests, &mut status) {
        status.insert("digest".to_owned(), digests.to_json());
    }
    status
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::cluster) fn member(
        id: u64,
        status: Result<ServerStatus, String>,
    ) -> MemberStatus {
        MemberStatus {
            server: Server {
                id,
                name: format!("s{id}"),
                client_address: format!("host{id}:7400"),
                peer_address: format!("host{id}:7401"),
                voter: true,
            },
            status,
        }
    }

    fn status(role: ServerRole, applied: u64) -> ServerStatus {
        ServerStatus {
            role: role.into(),
            term: 3,
            leader_id: 1,
            applied_index: applied,
            committed_index: applied,
            checkpoint_index: 90,
            accounts: 12,
            level: 1,
            supported_level: 1,
            disk_bytes: 2_048,
            version: "0.1.0".to_owned(),
            ..ServerStatus::default()
        }
    }

    fn members() -> (ClusterView, Vec<MemberStatus>) {
        let members = vec![
            member(1, Ok(status(ServerRole::Leader, 100))),
            member(2, Ok(status(ServerRole::Follower, 97))),
            member(3, Err("refused\u{7}".to_owned())),
        ];
        let view = ClusterView {
            cluster_id: "c1".to_owned(),
            term: 3,
            leader_id: 1,
            servers: Vec::new(),
            answered_by: 1,
        };
        (view, members)
    }

    #[test]
    fn table_has_a_row_for_every_server_and_a_reason_for_every_unreachable_one() {
        let (view, members) = members();
        assert_eq!(
            to_text(&view, &members),
            "cluster c1, feature level 1\n\
             SERVER  ROLE         TERM  APPLIED  LAG  CHECKPOINT  ACCOUNTS  DISK     ADDRESS     VERSION\n\
             s1      leader       3     100      0    90          12        2.0 KiB  host1:7400  0.1.0\n\
             s2      follower     3     97       3    90          12        2.0 KiB  host2:7400  0.1.0\n\
             s3      unreachable  -     -        -    -           -         -        host3:7400  -\n\
             s3 is unreachable: refused\\u{7}"
        );
    }

    #[test]
    fn a_leader_that_no_majority_answers_is_told_from_one_that_leads() {
        let alone = ServerStatus {
            leader_id: 0,
            ..status(ServerRole::Leader, 100)
        };
        assert_eq!(role_text(&alone), "leader (no majority)");
        assert_eq!(role_text(&status(ServerRole::Leader, 100)), "leader");
    }

    #[test]
    fn problem_is_what_happened_last_without_the_address() {
        let error = Error::Unavailable(Unavailable {
            tried: vec!["one:1".to_owned()],
            waited: std::time::Duration::ZERO,
            last_error: Some(quorid_api::FailedTry {
                server: "one:1".to_owned(),
                problem: "cannot connect".to_owned(),
            }),
            outcome_unknown: false,
        });
        assert_eq!(problem(error), "cannot connect");
    }

    fn at_levels(levels: &[Option<u32>]) -> (ClusterView, Vec<MemberStatus>) {
        let (view, _) = members();
        let member = |(id, supported_level): (u64, &Option<u32>)| {
            let status = supported_level.map(|supported_level| ServerStatus {
                supported_level,
                ..status(ServerRole::Follower, 100)
            });
            member(id, status.ok_or_else(|| "refused".to_owned()))
        };
        (view, (1..).zip(levels).map(member).collect())
    }

    #[test]
    fn status_says_what_there_is_to_do_about_the_feature_level() {
        for (levels, expected) in [
            (&[Some(1), Some(1)][..], None),
            (
                &[Some(2), Some(2)],
                Some("all servers support feature level 2; to use it: quorid cluster raise-level"),
            ),
            (
                &[Some(2), Some(1)],
                Some("some servers support feature level 2; install that version on s2 too"),
            ),
            // One that does not answer may be of an older version.
            (&[Some(2), None], None),
        ] {
            let (view, members) = at_levels(levels);
            let text = to_text(&view, &members);
            let last = text.lines().last().filter(|line| line.contains("level"));
            assert_eq!(last, expected, "{levels:?}");
            assert_eq!(to_json(&view, &members, None)["level"], 1);
        }
        let (view, members) = at_levels(&[Some(3), Some(2)]);
        assert_eq!(to_json(&view, &members, None)["supported_level"], 2);
    }

    #[test]
    fn json_has_the_same() {
        let (view, members) = members();
        let json = to_json(&view, &members, None);
        assert_eq!(json["servers"][1]["lag"], 3);
        assert_eq!(json["servers"][0]["role"], "leader");
        assert_eq!(json["servers"][2]["reachable"], false);
        assert!(json["servers"][2]["error"].as_str().is_some());
    }
}
