//! `quorid group`: groups and their members.

mod files;

use std::{collections::BTreeMap, pin::pin};

use clap::{Args, Subcommand};
use futures_util::StreamExt as _;
use quorid_api::{
    AccountName, AttributeEdit, ChangeMembers, DeleteGroup, Group, GroupName, Member, MemberName,
    NewGroup, UpdateGroup, proto::ReferencedAccount,
};
use serde::Serialize;
use serde_json::json;

use super::{
    ClientCommand,
    assignment::{AttributeOptions, NewAttributes},
    consistency::ReadOptions,
    context::Context,
    errors::Failure,
    export::ExportArgs,
    options::ClientOptions,
    record::{self, Rows},
    terminal::escape,
};

const CREATE_EXAMPLES: &str = "\
Examples:
  quorid group create staff                  prints the new group's UUID
  quorid group create wheel --posix
  quorid group create \"Head office\" --set description=\"Everybody in Lisbon\"";

const SHOW_EXAMPLES: &str = "\
Examples:
  quorid group show staff                    with the members that it has itself
  quorid group show staff --output json | jq -r '.members[].login_name'";

const MODIFY_EXAMPLES: &str = "\
Examples:
  quorid group modify staff --set description=\"All of us\"
  quorid group modify staff --clear description";

const RENAME_EXAMPLES: &str = "\
Examples:
  quorid group rename staff \"Head office\"";

const DELETE_EXAMPLES: &str = "\
Examples:
  quorid group delete staff
  quorid group delete staff --etag 4711      only if nobody changed it since";

const MEMBERS_EXAMPLES: &str = "\
Examples:
  quorid group add staff ana ben
  quorid group add staff --group developers  all of that group's members, now and later
  quorid group remove staff ana --group developers";

/// What about groups.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Creates a group without members and prints its UUID
    #[command(after_help = CREATE_EXAMPLES)]
    Create(ClientCommand<CreateArgs>),
    /// Gives a group another name; its UUID and its members stay
    #[command(after_help = RENAME_EXAMPLES)]
    Rename(ClientCommand<RenameArgs>),
    /// Changes a group's attributes
    #[command(after_help = MODIFY_EXAMPLES)]
    Modify(ClientCommand<ModifyArgs>),
    /// Deletes a group; its members stay
    #[command(after_help = DELETE_EXAMPLES)]
    Delete(ClientCommand<DeleteArgs>),
    /// Shows a group and its members
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ClientCommand<ShowArgs>),
    /// Adds members to a group: all of them, or none
    #[command(after_help = MEMBERS_EXAMPLES)]
    Add(ClientCommand<MembersArgs>),
    /// Removes members from a group: all of them, or none
    #[command(after_help = MEMBERS_EXAMPLES)]
    Remove(ClientCommand<MembersArgs>),
    /// Writes all groups and their members to a CSV or JSON lines file
    #[command(after_help = files::EXPORT_EXAMPLES)]
    Export(ClientCommand<ExportArgs>),
    /// Creates the groups of a CSV or JSON lines file and adds their members
    #[command(after_help = files::IMPORT_EXAMPLES)]
    Import(ClientCommand<files::ImportArgs>),
}

/// The same without its client options.
#[derive(Debug)]
pub(crate) enum GroupTask {
    Create(CreateArgs),
    Rename(RenameArgs),
    Modify(ModifyArgs),
    Delete(DeleteArgs),
    Show(ShowArgs),
    Add(MembersArgs),
    Remove(MembersArgs),
    Export(ExportArgs),
    Import(files::ImportArgs),
}

/// The group to be made.
#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    /// Unique among the groups; upper and lower case are the same
    group_name: String,
    #[command(flatten)]
    attributes: NewAttributes,
}

/// Which group, and its new name.
#[derive(Args, Debug)]
pub(crate) struct RenameArgs {
    /// The group's name as it is now
    old_group_name: String,
    /// The name it is to have
    new_group_name: String,
    #[command(flatten)]
    only: OnlyIf,
}

/// Which group, and what of it.
#[derive(Args, Debug)]
pub(crate) struct ModifyArgs {
    /// The group's name
    group_name: String,
    #[command(flatten)]
    attributes: AttributeOptions,
    #[command(flatten)]
    only: OnlyIf,
}

/// Which group.
#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// The group's name
    group_name: String,
    #[command(flatten)]
    only: OnlyIf,
}

/// Which group.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The group's name
    group_name: String,
    #[command(flatten)]
    read: ReadOptions,
}

/// Which group, and who.
#[derive(Args, Debug)]
pub(crate) struct MembersArgs {
    /// The group's name or UUID
    group_name: String,
    /// Login names or UUIDs of accounts
    #[arg(value_name = "LOGIN_NAME", required_unless_present = "groups")]
    accounts: Vec<String>,
    /// The name or UUID of a group that is a member itself; may be given more than once
    #[arg(long = "group", value_name = "GROUP_NAME")]
    groups: Vec<String>,
    #[command(flatten)]
    only: OnlyIf,
}

/// What must not have changed.
#[derive(Args, Debug)]
struct OnlyIf {
    /// Change nothing unless the group still has this etag, as `group show` shows it
    #[arg(long)]
    etag: Option<String>,
}

impl GroupCommand {
    pub(crate) fn split(self) -> (GroupTask, ClientOptions) {
        match self {
            Self::Create(command) => (GroupTask::Create(command.args), command.options),
            Self::Rename(command) => (GroupTask::Rename(command.args), command.options),
            Self::Modify(command) => (GroupTask::Modify(command.args), command.options),
            Self::Delete(command) => (GroupTask::Delete(command.args), command.options),
            Self::Show(command) => (GroupTask::Show(command.args), command.options),
            Self::Add(command) => (GroupTask::Add(command.args), command.options),
            Self::Remove(command) => (GroupTask::Remove(command.args), command.options),
            Self::Export(command) => (GroupTask::Export(command.args), command.options),
            Self::Import(command) => (GroupTask::Import(command.args), command.options),
        }
    }
}

pub(crate) async fn run(task: GroupTask, context: &Context) -> Result<(), Failure> {
    match task {
        GroupTask::Create(args) => create(args, context).await,
        GroupTask::Rename(args) => {
            let name = AttributeEdit::replace("group_name", [args.new_group_name]);
            update(args.old_group_name, vec![name], args.only, context).await
        }
        GroupTask::Modify(args) => {
            let edits = args.attributes.edits();
            if edits.is_empty() {
                return Err(Failure::usage("nothing to change is given").hint("--set or --clear"));
            }
            update(args.group_name, edits, args.only, context).await
        }
        GroupTask::Delete(args) => delete(args, context).await,
        GroupTask::Show(args) => show(args, context).await,
        GroupTask::Add(args) => {
            let members = args.members();
            change(args, members, Vec::new(), context).await
        }
        GroupTask::Remove(args) => {
            let members = args.members();
            change(args, Vec::new(), members, context).await
        }
        GroupTask::Export(args) => files::export(args, context).await,
        GroupTask::Import(args) => files::import(args, context).await,
    }
}

impl MembersArgs {
    fn members(&self) -> Vec<MemberName> {
        let accounts = self.accounts.iter().map(|it| AccountName::meant_by(it));
        let groups = self.groups.iter().map(|it| GroupName::meant_by(it));
        let accounts = accounts.map(MemberName::Account);
        accounts.chain(groups.map(MemberName::Group)).collect()
    }
}

async fn create(args: CreateArgs, context: &Context) -> Result<(), Failure> {
    let new = NewGroup {
        group_name: args.group_name,
        assign_posix_number: args.attributes.posix,
        attributes: args.attributes.values(),
        request_id: None,
    };
    let group = context.client.create_group(new).await?;
    if context.out.is_json() {
        return show_json(&GroupRecord::from(group), None, context);
    }
    context.out.line(escape(&group.id))
}

async fn update(
    group_name: String,
    edits: Vec<AttributeEdit>,
    only: OnlyIf,
    context: &Context,
) -> Result<(), Failure> {
    let change = UpdateGroup {
        group: GroupName::Name(group_name),
        etag: only.etag,
        edits,
        request_id: None,
    };
    shown(context.client.update_group(change).await?, context)
}

async fn change(
    args: MembersArgs,
    add: Vec<MemberName>,
    remove: Vec<MemberName>,
    context: &Context,
) -> Result<(), Failure> {
    let change = ChangeMembers {
        group: GroupName::meant_by(&args.group_name),
        etag: args.only.etag,
        add,
        remove,
        request_id: None,
    };
    shown(context.client.change_members(change).await?, context)
}

async fn delete(args: DeleteArgs, context: &Context) -> Result<(), Failure> {
    let removal = DeleteGroup {
        group: GroupName::Name(args.group_name.clone()),
        etag: args.only.etag,
        request_id: None,
    };
    context.client.delete_group(removal).await?;
    if context.out.is_json() {
        return context.out.json(&json!({
            "deleted": args.group_name,
            "revision": context.client.session_revision(),
        }));
    }
    context
        .out
        .line(format!("deleted {}", escape(&args.group_name)))
}

/// Members are read after the group, page by page: changes that are made meanwhile may be among them.
async fn show(args: ShowArgs, context: &Context) -> Result<(), Failure> {
    let read = args.read.read(context)?;
    let name = GroupName::Name(args.group_name);
    let group = context.client.get_group(&name, read).await?;
    let mut pages = pin!(context.client.members(name, read));
    let mut members = Vec::new();
    while let Some(member) = pages.next().await {
        members.push(member?);
    }
    let record = GroupRecord::from(group);
    if context.out.is_json() {
        return show_json(&record, Some(&members), context);
    }
    context.out.line(record.to_text(Some(&members)))
}

/// A group after a change, without its members: there may be many.
pub(crate) fn shown(group: Group, context: &Context) -> Result<(), Failure> {
    let record = GroupRecord::from(group);
    if context.out.is_json() {
        return show_json(&record, None, context);
    }
    context.out.line(record.to_text(None))
}

fn show_json(
    record: &GroupRecord,
    members: Option<&[Member]>,
    context: &Context,
) -> Result<(), Failure> {
    let members = members.map(|members| members.iter().map(MemberRecord::of).collect());
    context.out.json(&Seen {
        record,
        members,
        revision: context.client.session_revision(),
    })
}

/// A group's fields under the names of the API.
#[derive(Debug, Serialize)]
pub(crate) struct GroupRecord {
    group_name: String,
    /// The values of every other attribute that the group has.
    attributes: BTreeMap<String, Vec<String>>,
    #[serde(skip)]
    referenced: Vec<ReferencedAccount>,
    /// Where they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    id: String,
    create_time: String,
    create_address: String,
    create_actor: String,
    update_time: String,
    update_address: String,
    update_actor: String,
    etag: String,
}

/// A group, its members if they were read, and the revision that was read last.
#[derive(Serialize)]
struct Seen<'a> {
    #[serde(flatten)]
    record: &'a GroupRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<MemberRecord<'a>>>,
    revision: u64,
}

#[derive(Serialize)]
struct MemberRecord<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    login_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    group_name: &'a str,
    id: &'a str,
}

impl<'a> MemberRecord<'a> {
    fn of(member: &'a Member) -> Self {
        Self {
            login_name: &member.login_name,
            group_name: &member.group_name,
            id: &member.id,
        }
    }
}

impl From<Group> for GroupRecord {
    fn from(group: Group) -> Self {
        Self {
            group_name: group.group_name,
            attributes: record::by_name(group.attributes),
            referenced: group.referenced,
            groups: group.groups,
            id: group.id,
            create_time: record::time(group.create_time),
            create_address: group.create_address,
            create_actor: group.create_actor,
            update_time: record::time(group.update_time),
            update_address: group.update_address,
            update_actor: group.update_actor,
            etag: group.etag,
        }
    }
}

impl GroupRecord {
    /// The group as a block of lines, and a line for each member.
    pub(crate) fn to_text(&self, members: Option<&[Member]>) -> String {
        let mut rows = Rows::default();
        rows.push("id", &self.id);
        rows.push("group name", &self.group_name);
        rows.attributes(&self.attributes, &self.referenced);
        rows.all("member of", &self.groups);
        rows.stamps([
            [&self.create_time, &self.create_actor, &self.create_address],
            [&self.update_time, &self.update_actor, &self.update_address],
        ]);
        rows.push("etag", &self.etag);
        for member in members.into_iter().flatten() {
            if member.group_name.is_empty() {
                rows.push("member", &member.login_name);
            } else {
                rows.push("member group", &member.group_name);
            }
        }
        rows.to_text()
    }
}
