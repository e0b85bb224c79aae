//! `quorid changes`, `quorid history` and `quorid revert`: what was changed, by whom, what was there before,
//! and how to get it back.

use std::pin::pin;

use clap::Args;
use futures_util::StreamExt as _;
use quorid_api::{
    AccountName, AttributeChange, Change, Error, GroupName, HistoryOf, Read, Reason, Since,
    proto::change::{Done, Password},
};
use serde::Serialize;

use super::{
    consistency::ReadOptions,
    context::Context,
    errors::Failure,
    record::time,
    terminal::{STRONG, escape},
};

pub(crate) const CHANGES_EXAMPLES: &str = "\
Examples:
  quorid changes                             all that are kept, one a line, the oldest first
  quorid changes --since 4711 --output json  one JSON object a line
  quorid changes --follow                    those from now on, until it is interrupted
  quorid changes --since 4711 --follow       goes on at another server when one ends";

pub(crate) const HISTORY_EXAMPLES: &str = "\
Examples:
  quorid history ana                         the newest change first
  quorid history group:staff
  quorid history 0199e0f2-7c3a-7b52-9a4e-0c5f3f1f2a10   also long after it was deleted
  quorid history ana --limit 10 --output json";

pub(crate) const REVERT_EXAMPLES: &str = "\
Examples:
  quorid history ana                         shows the revisions of her changes
  quorid revert 4711                         and prints the change that undoes it";

/// Which changes.
#[derive(Args, Debug)]
pub(crate) struct ChangesArgs {
    /// Only changes after this revision
    #[arg(long, value_name = "REVISION")]
    since: Option<u64>,
    /// Go on with every change as it is made; without --since, those from now on
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    read: ReadOptions,
}

/// Whose changes.
#[derive(Args, Debug)]
pub(crate) struct HistoryArgs {
    /// A login name, `group:` and the name of a group, or the UUID of an account or a group
    of: String,
    /// At most this many changes
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    #[command(flatten)]
    read: ReadOptions,
}

/// Which change.
#[derive(Args, Debug)]
pub(crate) struct RevertArgs {
    /// The revision of the change, as history and changes show it
    revision: u64,
}

pub(crate) async fn revert(args: RevertArgs, context: &Context) -> Result<(), Failure> {
    let made = context.client.revert_change(args.revision, None).await?;
    if context.out.is_json() {
        return context.out.json(&Record::of(&made));
    }
    context.out.line(block(&made))
}

pub(crate) async fn changes(args: ChangesArgs, context: &Context) -> Result<(), Failure> {
    let read = args.read.read(context)?;
    if args.follow {
        if read != Read::Linearizable {
            return Err(Failure::usage(
                "--follow begins at a revision and goes on with all that come; give --since",
            ));
        }
        return follow(args.since, context).await;
    }
    let mut since = args.since.unwrap_or(0);
    loop {
        let page = context.client.list_changes(since, 0, read).await?;
        for change in &page.changes {
            line(change, context)?;
        }
        since = page.revision;
        if !page.more {
            return context.out.flush();
        }
    }
}

async fn follow(since: Option<u64>, context: &Context) -> Result<(), Failure> {
    let since = since.map_or(Since::Now, Since::Revision);
    let mut batches = pin!(context.client.watch_changes(since));
    while let Some(batch) = batches.next().await {
        for change in &batch?.changes {
            line(change, context)?;
        }
        context.out.flush()?;
    }
    Ok(())
}

pub(crate) async fn history(args: HistoryArgs, context: &Context) -> Result<(), Failure> {
    let read = args.read.read(context)?;
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut of = named(&args.of);
    let mut token = String::new();
    let mut first = true;
    while left > 0 {
        let size = u32::try_from(left.min(1000)).unwrap_or(1000);
        let page = match context.client.list_history(&of, size, &token, read).await {
            // A UUID does not say what it is of.
            Err(Error::Rejected(no))
                if matches!(no.reason, Reason::AccountNotFound | Reason::WrongKind)
                    && let HistoryOf::Account(AccountName::Id(id)) = of =>
            {
                of = HistoryOf::Group(GroupName::Id(id));
                continue;
            }
            answered => answered?,
        };
        for change in &page.changes {
            if context.out.is_json() {
                context.out.json(&Record::of(change))?;
                continue;
            }
            if !first {
                context.out.line("")?;
            }
            context.out.line(block(change))?;
            first = false;
        }
        left -= page.changes.len().min(left);
        token = page.next_page_token;
        if token.is_empty() {
            if page.older_are_gone {
                context.out.note("older changes are not kept any more");
            }
            break;
        }
    }
    context.out.flush()
}

/// A login name, `group:` and the name of a group, or the UUID of an account: of a group too, which it does not say.
pub(crate) fn named(of: &str) -> HistoryOf {
    if let Some(group) = of.strip_prefix("group:") {
        return HistoryOf::Group(GroupName::meant_by(group));
    }
    HistoryOf::Account(AccountName::meant_by(of))
}

/// A change under the names of the API.
#[derive(Debug, Serialize)]
struct Record<'a> {
    revision: u64,
    time: String,
    actor: &'a str,
    actor_login_name: &'a str,
    address: &'a str,
    done: &'static str,
    /// `account` or `group`; or, of the directory as a whole, `settings`, `attribute`, `level` or `reserved name`.
    kind: &'static str,
    id: &'a str,
    display_name: &'a str,
    attributes: Vec<Attribute<'a>>,
    password: &'static str,
    members: Vec<Member<'a>>,
    groups_left: Vec<&'a str>,
    groups_joined: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reverts: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Attribute<'a> {
    attribute: &'a str,
    before: &'a [String],
    after: &'a [String],
}

#[derive(Debug, Serialize)]
struct Member<'a> {
    kind: &'static str,
    id: &'a str,
    display_name: &'a str,
    added: bool,
}

impl<'a> Record<'a> {
    fn of(change: &'a Change) -> Self {
        Self {
            revision: change.revision,
            time: time(change.time),
            actor: &change.actor,
            actor_login_name: &change.actor_login_name,
            address: &change.address,
            done: done(change),
            kind: kind(&change.name),
            id: &change.id,
            display_name: &change.display_name,
            attributes: change
                .attributes
                .iter()
                .map(|it| Attribute {
                    attribute: &it.attribute,
                    before: &it.before,
                    after: &it.after,
                })
                .collect(),
            password: match change.password() {
                Password::Unspecified | Password::Kept => "kept",
                Password::Set => "set",
                Password::Removed => "removed",
            },
            members: change
                .members
                .iter()
                .map(|it| Member {
                    kind: kind(&it.name),
                    id: &it.id,
                    display_name: &it.display_name,
                    added: it.added,
                })
                .collect(),
            groups_left: group_ids(&change.groups_left),
            groups_joined: group_ids(&change.groups_joined),
            reverts: (change.reverts != 0).then_some(change.reverts),
        }
    }
}

fn group_ids(names: &[String]) -> Vec<&str> {
    let ids = names.iter().map(|name| name.trim_start_matches("groups/"));
    ids.collect()
}

/// What a name is of: an object, or something of the directory as a whole.
fn kind(name: &str) -> &'static str {
    match name.split_once('/').map_or(name, |(list, _)| list) {
        "groups" => "group",
        "schema" => "attribute",
        "reserved_names" => "reserved name",
        "settings" => "settings",
        "level" => "level",
        _ => "account",
    }
}

fn done(change: &Change) -> &'static str {
    match change.done() {
        Done::Created => "created",
        Done::Deleted => "deleted",
        Done::Restored => "restored",
        Done::Purged => "purged",
        Done::Changed | Done::Unspecified => "changed",
    }
}

/// One line for one change.
fn line(change: &Change, context: &Context) -> Result<(), Failure> {
    if context.out.is_json() {
        return context.out.json(&Record::of(change));
    }
    let details = details(change).join("; ");
    let details = match details.as_str() {
        "" => String::new(),
        details => format!(": {details}"),
    };
    context.out.line(format!(
        "{}  {}  {}  {}{details}",
        change.revision,
        time(change.time),
        escape(&by(change)),
        escape(&what(change)),
    ))
}

/// Some lines for one change.
fn block(change: &Change) -> String {
    let head = format!(
        "{STRONG}{}{STRONG:#}  {} by {}",
        time(change.time),
        escape(&what(change)),
        escape(&by(change))
    );
    let revision = format!("  revision {}", change.revision);
    let details = details(change).into_iter().map(|it| format!("  {it}"));
    let lines: Vec<String> = [head, revision].into_iter().chain(details).collect();
    lines.join("\n")
}

fn by(change: &Change) -> String {
    let actor = match change.actor_login_name.as_str() {
        "" => change.actor.clone(),
        name => format!("account {name}"),
    };
    match change.address.as_str() {
        "" => actor,
        address => format!("{actor} from {address}"),
    }
}

fn what(change: &Change) -> String {
    let name = match change.display_name.as_str() {
        "" => &change.id,
        name => name,
    };
    let done = done(change);
    match kind(&change.name) {
        "settings" | "level" | "reserved name" => format!("{name} {done}"),
        kind => format!("{kind} {name} {done}"),
    }
}

/// What is another one now, as it may be shown on a terminal.
fn details(change: &Change) -> Vec<String> {
    let mut details: Vec<String> = change.attributes.iter().map(values).collect();
    match change.password() {
        Password::Set => details.push("password set".to_owned()),
        Password::Removed => details.push("password removed".to_owned()),
        Password::Unspecified | Password::Kept => {}
    }
    for member in &change.members {
        let sign = if member.added { '+' } else { '-' };
        let name = match member.display_name.as_str() {
            "" => &member.id,
            name => name,
        };
        let name = escape(name);
        details.push(format!("member {sign} {} {name}", kind(&member.name)));
    }
    for (what, groups) in [
        ("left group", &change.groups_left),
        ("is in group", &change.groups_joined),
    ] {
        let groups = group_ids(groups).into_iter();
        details.extend(groups.map(|group| format!("{what} {}", escape(group))));
    }
    if change.reverts != 0 {
        details.push(format!("reverts {}", change.reverts));
    }
    details
}

/// `phone: +351 21 -> +351 22`, or without what is not there.
fn values(change: &AttributeChange) -> String {
    let name = change.attribute.replace('_', " ");
    let name = escape(&name);
    let shown = |values: &[String]| {
        let values: Vec<_> = values.iter().map(|value| escape(value)).collect();
        values.join(", ")
    };
    match (change.before.as_slice(), change.after.as_slice()) {
        ([], after) => format!("{name}: {}", shown(after)),
        (before, []) => format!("{name}: {} -> nothing", shown(before)),
        (before, after) => format!("{name}: {} -> {}", shown(before), shown(after)),
    }
}

#[cfg(test)]
mod tests {
    use quorid_api::proto::MemberChange;
    use uuid::Uuid;

    use super::*;

    fn change() -> Change {
        let attribute = |name: &str, before: &[&str], after: &[&str]| AttributeChange {
            attribute: name.to_owned(),
            before: before.iter().map(ToString::to_string).collect(),
            after: after.iter().map(ToString::to_string).collect(),
        };
        Change {
            revision: 17,
            time: Some(prost_types::Timestamp {
                seconds: 1_795_000_000,
                nanos: 0,
            }),
            actor: "operator olga".to_owned(),
            address: "127.0.0.1:50000".to_owned(),
            done: Done::Changed.into(),
            name: "accounts/0199".to_owned(),
            id: "0199".to_owned(),
            display_name: "ana\u{1b}[2J".to_owned(),
            attributes: vec![
                attribute("phone", &["+351 21"], &["+351 22", "+351 23"]),
                attribute("real_name", &[], &["Ana"]),
                attribute("title", &["Head"], &[]),
            ],
            password: Password::Set.into(),
            members: vec![MemberChange {
                name: "groups/0200".to_owned(),
                id: "0200".to_owned(),
                display_name: "staff".to_owned(),
                added: true,
            }],
            ..Change::default()
        }
    }

    #[test]
    fn a_change_is_shown_with_what_was_there_before_and_obeys_nothing() {
        let text = anstream::adapter::strip_str(&block(&change())).to_string();
        assert_eq!(
            text,
            "2026-11-18T11:06:40Z  account ana\\u{1b}[2J changed by operator olga from \
             127.0.0.1:50000\n\
             \x20 revision 17\n\
             \x20 phone: +351 21 -> +351 22, +351 23\n\
             \x20 real name: Ana\n\
             \x20 title: Head -> nothing\n\
             \x20 password set\n\
             \x20 member + group staff"
        );
    }

    #[test]
    fn json_has_what_the_text_has() {
        let json = serde_json::to_value(Record::of(&change())).expect("JSON");
        assert_eq!(json["revision"], 17);
        assert_eq!(json["kind"], "account");
        assert_eq!(json["password"], "set");
        assert_eq!(json["attributes"][0]["before"][0], "+351 21");
        assert_eq!(json["members"][0]["added"], true);
        assert_eq!(json.get("reverts"), None);
    }

    #[test]
    fn a_name_says_whose_history_is_meant() {
        let id = "0199e0f2-7c3a-7b52-9a4e-0c5f3f1f2a10";
        let uuid = Uuid::try_parse(id).expect("a UUID");
        for (of, expected) in [
            (
                "ana",
                HistoryOf::Account(AccountName::Login("ana".to_owned())),
            ),
            (
                "group:Head office",
                HistoryOf::Group(GroupName::Name("Head office".to_owned())),
            ),
            (id, HistoryOf::Account(AccountName::Id(uuid))),
        ] {
            assert_eq!(named(of), expected);
        }
    }
}
