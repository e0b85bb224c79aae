//! Whether all servers hold the same: their digests at one revision.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use quorid_api::ClusterView;
use serde_json::{Value, json};

use super::status::{MemberStatus, ask_all};
use crate::{
    context::Context,
    errors::{Cause, Failure},
    terminal::escape,
};

/// A server that has just started does not know what it held before: all are asked again then, for a later
/// revision.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(200);

/// Digests of one revision.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    revision: u64,
    /// Server and digest: the sum over its rows at the revision.
    of: Vec<(String, String)>,
    /// Whether servers that went on to the same later revision have other digests of all that they hold then.
    differ_later: bool,
    /// Server and why it has none.
    missing: Vec<(String, String)>,
}

/// Asks until all servers that can be reached answer for the same revision.
pub(super) async fn compare(
    view: &ClusterView,
    members: &[MemberStatus],
    context: &Context,
) -> Result<Digests, Failure> {
    let mut revision = highest(members);
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let asked = ask_all(view, context, Some(revision)).await;
        let reached: Vec<_> = asked
            .iter()
            .filter_map(|m| m.status.as_ref().ok())
            .collect();
        if reached.is_empty() {
            break;
        }
        if reached.iter().all(|status| !status.row_sum.is_empty()) {
            return Ok(collect(&asked, revision));
        }
        revision = highest(&asked);
    }
    let refused = refusal(view, context, revision).await;
    Err(refused.unwrap_or_else(|| {
        Failure::unavailable(
            Cause::RevisionsDiffer,
            format!(
                "the servers could not be compared: in {TRIES} tries they never answered for the same \
                 revision"
            ),
        )
        .hint("again, once all servers are up")
    }))
}

/// Where every server refuses, as from somebody who is no operator, the first refusal.
async fn refusal(view: &ClusterView, context: &Context, revision: u64) -> Option<Failure> {
    for server in &view.servers {
        let status = context
            .client
            .server_status(&server.client_address, true, revision);
        match status.await {
            Ok(_) => return None,
            Err(quorid_api::Error::Rejected(rejected)) => return Some(rejected.into()),
            Err(_) => {}
        }
    }
    None
}

fn highest(members: &[MemberStatus]) -> u64 {
    members
        .iter()
        .filter_map(|member| Some(member.status.as_ref().ok()?.applied_index))
        .max()
        .unwrap_or(0)
}

fn collect(members: &[MemberStatus], revision: u64) -> Digests {
    let mut digests = Digests {
        revision,
        of: Vec::new(),
        differ_later: false,
        missing: Vec::new(),
    };
    let mut later = BTreeMap::new();
    for member in members {
        let name = member.server.name.clone();
        match &member.status {
            Ok(status) => {
                let digest = later.entry(status.applied_index).or_insert(&status.digest);
                digests.differ_later |= **digest != status.digest;
                digests.of.push((name, status.row_sum.clone()));
            }
            Err(reason) => digests.missing.push((name, reason.clone())),
        }
    }
    digests
}

impl Digests {
    fn equal(&self) -> bool {
        let different: BTreeSet<_> = self.of.iter().map(|(_, digest)| digest).collect();
        different.len() == 1
            && !self.differ_later
            && !self.of.iter().any(|(_, digest)| digest.is_empty())
    }

    /// Success only if every member was compared and holds the same.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let names = |list: &[(String, String)]| {
            let names: Vec<_> = list.iter().map(|(name, _)| name.as_str()).collect();
            names.join(", ")
        };
        if !self.equal() {
            return Err(Failure::untrue(
                Cause::DigestsDiffer,
                format!(
                    "the directories of {} differ at revision {}",
                    names(&self.of),
                    self.revision
                ),
            ));
        }
        if !self.missing.is_empty() {
            return Err(Failure::unavailable(
                Cause::NotCompared,
                format!(
                    "{} could not be compared; the others hold the same at revision {}",
                    names(&self.missing),
                    self.revision
                ),
            ));
        }
        Ok(())
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = format!("digests at revision {}:", self.revision);
        for (name, digest) in &self.of {
            text.push_str(&format!("\n  {}  {}", escape(name), escape(digest)));
        }
        for (name, reason) in &self.missing {
            text.push_str(&format!("\n  {}  none: {}", escape(name), escape(reason)));
        }
        text.push_str(match (self.equal(), self.missing.is_empty()) {
            (true, true) => "\nall equal",
            (true, false) => "\nequal, as far as they could be compared",
            (false, _) => "\nNOT EQUAL",
        });
        text
    }

    pub(super) fn to_json(&self) -> Value {
        let servers: serde_json::Map<_, _> = self
            .of
            .iter()
            .map(|(name, digest)| (name.clone(), json!(digest)))
            .chain(
                self.missing
                    .iter()
                    .map(|(name, _)| (name.clone(), Value::Null)),
            )
            .collect();
        json!({"revision": self.revision, "equal": self.equal(), "servers": servers})
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use quorid_api::ServerStatus;

    use super::*;
    use crate::{cluster::status::tests::member, errors::Exit};

    fn digests(of: &[Option<&str>]) -> Digests {
        let members: Vec<_> = of
            .iter()
            .zip(1..)
            .map(|(digest, id)| {
                let status = digest.map(|digest| ServerStatus {
                    applied_index: 7,
                    digest: digest.to_owned(),
                    row_sum: digest.to_owned(),
                    ..ServerStatus::default()
                });
                member(id, status.ok_or_else(|| "gone".to_owned()))
            })
            .collect();
        collect(&members, 7)
    }

    #[test]
    fn only_equal_digests_of_all_servers_are_a_success() {
        assert!(
            digests(&[Some("a"), Some("a"), Some("a")])
                .verdict()
                .is_ok()
        );
        let differ = digests(&[Some("a"), Some("b"), Some("a")]);
        assert_eq!(differ.verdict().unwrap_err().exit, Exit::Rejected);
        assert!(differ.to_text().ends_with("NOT EQUAL"));
        let missing = digests(&[Some("a"), None, Some("a")]);
        let failure = missing.verdict().unwrap_err();
        assert_eq!(failure.exit, Exit::Unavailable);
        assert!(failure.message.starts_with("s2 "), "{}", failure.message);
        assert!(digests(&[Some(""), Some("")]).verdict().is_err());
    }

    #[test]
    fn json_names_revision_and_servers() {
        let json = digests(&[Some("a"), None]).to_json();
        assert_eq!(json["revision"], 7);
        assert_eq!(json["servers"]["s1"], "a");
        assert_eq!(json["servers"]["s2"], Value::Null);
    }
}
