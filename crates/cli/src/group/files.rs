//! Groups in files: `quorid group export` and `quorid group import`.

use std::{collections::BTreeMap, io::Read as _, path::PathBuf, pin::pin};

use clap::Args;
use futures_util::StreamExt as _;
use quorid_api::{
    AccountName, Attribute, ChangeMembers, Client, Error, Group, GroupName, MemberName, NewGroup,
    Read, Reason, Rejected,
};
use quorid_directory::{GROUP_NAME, Kind, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    context::Context,
    destination::Destination,
    errors::{Cause, Failure, OrFailure as _},
    export::{ExportArgs, csv_line, json_line},
    import::{
        FileFormat,
        source::{self, Source},
    },
    record, schema,
    terminal::{Output, escape, to_json},
};

pub(super) const EXPORT_EXAMPLES: &str = "\
Examples:
  quorid group export > groups.jsonl
  quorid group export --out groups.csv       the file appears once it is whole

Accounts are exported by `quorid export`. Import them first: members are named by their login names.";

pub(super) const IMPORT_EXAMPLES: &str = "\
Examples:
  quorid group import groups.jsonl
  quorid group import groups.csv
  quorid group export | quorid group import - --servers other:7400 --ca other/ca.crt

Groups that are missing are created, and members that are missing are added; nothing else is changed, so
that an import may be repeated. A CSV file begins with a header: group_name and, if wanted, members,
member_groups and attributes such as description; several values are lines of one quoted field. A JSON lines
file has one object a line, with group_name, members, member_groups and attributes.
Exit code 7 if something was rejected; what was accepted stays.";

/// The longest file: it is read as a whole.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// What the names of members in one request may have, bytes: a server takes 64 KiB.
const NAMES_BYTES_MAX: usize = 48 << 10;

/// From where.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The file, or `-` for standard input
    file: PathBuf,
    /// The file's format [default: by the file's extension; jsonl for standard input]
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
}

/// A group as a file has it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupLine {
    group_name: String,
    #[serde(default)]
    attributes: BTreeMap<String, Vec<String>>,
    /// Login names.
    #[serde(default)]
    members: Vec<String>,
    /// Names of groups.
    #[serde(default)]
    member_groups: Vec<String>,
    /// The server's to give: it is not imported.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    id: String,
}

pub(super) async fn export(args: ExportArgs, context: &Context) -> Result<(), Failure> {
    let format = args.format(FileFormat::Jsonl);
    let read = args.read.read(context)?;
    let schema = match format {
        FileFormat::Csv => schema::of_directory(context).await?,
        FileFormat::Jsonl => Schema::builtin(), // Each line names its attributes.
    };
    let mut to = Destination::open(args.out)?;
    if format == FileFormat::Csv {
        to.write(&csv_line(&columns(schema)))?;
    }
    let mut groups = pin!(context.client.groups(read));
    let mut count = 0;
    while let Some(group) = groups.next().await {
        let Some(line) = with_members(group?, read, &context.client).await? else {
            continue;
        };
        to.write(&match format {
            FileFormat::Csv => csv_line(&line.fields(schema)),
            FileFormat::Jsonl => json_line(&line)?,
        })?;
        count += 1;
    }
    if let Some(path) = to.finish()? {
        let text = format!("exported {count} groups to {}", path.display());
        context.out.note(&text);
    }
    Ok(())
}

/// A group with its members; None if it was deleted meanwhile.
async fn with_members(
    group: Group,
    read: Read,
    client: &Client,
) -> Result<Option<GroupLine>, Failure> {
    let mut line = GroupLine {
        group_name: group.group_name,
        attributes: record::by_name(group.attributes),
        id: group.id.clone(),
        ..GroupLine::default()
    };
    let Ok(id) = group.id.parse() else {
        let why = format!(
            "a server gave a group the id `{}`, which is no UUID",
            group.id
        );
        return Err(Failure::fault(why));
    };
    let mut members = pin!(client.members(GroupName::Id(id), read));
    while let Some(member) = members.next().await {
        match member {
            Ok(member) if member.group_name.is_empty() => line.members.push(member.login_name),
            Ok(member) => line.member_groups.push(member.group_name),
            Err(Error::Rejected(why)) if why.reason == Reason::GroupNotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(line))
}

/// The attributes of groups, but for the name.
fn attributes(schema: &Schema) -> impl Iterator<Item = &str> {
    let rows = schema.rows().iter();
    let of_groups = rows.filter(|row| row.kinds.contains(&Kind::Group) && row.number != GROUP_NAME);
    of_groups.map(|row| &*row.name)
}

fn columns(schema: &Schema) -> Vec<&str> {
    let names = ["group_name"].into_iter().chain(attributes(schema));
    names.chain(["members", "member_groups", "id"]).collect()
}

impl GroupLine {
    /// The values of [`columns`]; several are lines of their field.
    fn fields(&self, schema: &Schema) -> Vec<String> {
        let attribute = |name| self.attributes.get(name).map(|values| values.join("\n"));
        let mut fields = vec![self.group_name.clone()];
        fields.extend(attributes(schema).map(|name| attribute(name).unwrap_or_default()));
        fields.push(self.members.join("\n"));
        fields.push(self.member_groups.join("\n"));
        fields.push(self.id.clone());
        fields
    }

    /// What [`GroupLine::fields`] gives, in any order of columns.
    fn of_fields(schema: &Schema, header: &csv::StringRecord, record: &csv::StringRecord) -> Self {
        let mut line = Self::default();
        let lines = |field: &str| field.lines().map(str::to_owned).collect::<Vec<_>>();
        for (column, field) in header
            .iter()
            .zip(record)
            .filter(|(_, field)| !field.is_empty())
        {
            match column {
                "group_name" => field.clone_into(&mut line.group_name),
                "members" => line.members = lines(field),
                "member_groups" => line.member_groups = lines(field),
                "id" => field.clone_into(&mut line.id),
                name => {
                    let row = schema.by_name(name);
                    let values = match row.is_ok_and(|row| row.values_max > 1) {
                        true => lines(field),
                        false => vec![field.to_owned()], // A text of several lines is one value.
                    };
                    line.attributes.insert(name.to_owned(), values);
                }
            }
        }
        line
    }
}

/// The lines of a file, each with its number, or what is wrong with it.
type Lines<'t> = Box<dyn Iterator<Item = (u64, Result<GroupLine, String>)> + 't>;

/// All of the file. A file that cannot be read to its end is not imported at all.
fn text_of(source: Source) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let name = source.name;
    let mut input = source.input.take(FILE_BYTES_MAX + 1);
    let read = input.read_to_end(&mut bytes);
    read.or_failure(Failure::input, format_args!("cannot read {name}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let why = format!("{name} has more than {} MiB", FILE_BYTES_MAX >> 20);
        return Err(Failure::usage(why).hint("import parts of it"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.trim_start_matches('\u{feff}').to_owned()),
        Err(_) => Err(Failure::usage(format!("{name} is not valid UTF-8"))),
    }
}

fn csv_lines<'t>(schema: &'static Schema, text: &'t str) -> Result<Lines<'t>, String> {
    // Where a quote is missing, what follows would be members of the group before.
    if text.matches('"').count() % 2 == 1 {
        return Err(
            "a quoted field does not end: the file is cut off, or a quote is missing".to_owned(),
        );
    }
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let known = columns(schema);
    if let Some(unknown) = header.iter().find(|name| !known.contains(name)) {
        let known = known.join(", ");
        return Err(format!(
            "the header has the column `{unknown}`; there are {known}"
        ));
    }
    if !header.iter().any(|name| name == "group_name") {
        return Err("the header has no column `group_name`".to_owned());
    }
    let records = reader.into_records();
    Ok(Box::new(records.map(move |record| match record {
        Ok(record) => {
            let line = record.position().map_or(0, csv::Position::line);
            (line, Ok(GroupLine::of_fields(schema, &header, &record)))
        }
        Err(error) => {
            let line = error.position().map_or(0, csv::Position::line);
            (line, Err(error.to_string()))
        }
    })))
}

fn json_lines(text: &str) -> Lines<'_> {
    let lines = (1..).zip(text.lines());
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    Box::new(lines.map(|(number, line)| {
        let group = serde_json::from_str(line).map_err(|error| error.to_string());
        (number, group)
    }))
}

/// What an import has done so far.
struct Import<'a> {
    client: &'a Client,
    out: Output,
    created: u64,
    already_there: u64,
    rejected: u64,
}

pub(super) async fn import(args: ImportArgs, context: &Context) -> Result<(), Failure> {
    let from_stdin = args.file.as_os_str() == "-";
    let format = args.format.or(from_stdin.then_some(FileFormat::Jsonl));
    let source = source::open(&args.file, format)?;
    let (name, format) = (source.name.clone(), source.format);
    let text = text_of(source)?;
    let schema = schema::of_directory(context).await?;
    let lines = match format {
        FileFormat::Csv => csv_lines(schema, &text).or_failure(Failure::usage, &name)?,
        FileFormat::Jsonl => json_lines(&text),
    };
    let mut import = Import {
        client: &context.client,
        out: context.out,
        created: 0,
        already_there: 0,
        rejected: 0,
    };
    // Groups in groups come last: all groups are there then.
    let mut nested = Vec::new();
    for (number, line) in lines {
        match line {
            Ok(line) => nested.extend(import.group(number, line).await?),
            Err(error) => import.reject(number, "", &error)?,
        }
    }
    for (number, group, members) in nested {
        let members = members.into_iter().map(GroupName::Name);
        let members = members.map(MemberName::Group).collect();
        import.members(number, &group, members).await?;
    }
    import.finish(&name)
}

impl Import<'_> {
    /// Creates a group, if it is not there, and adds accounts to it. Gives the groups that are to
    /// be added to it.
    async fn group(
        &mut self,
        number: u64,
        line: GroupLine,
    ) -> Result<Option<(u64, String, Vec<String>)>, Failure> {
        let name = line.group_name;
        let attributes = line.attributes.into_iter();
        let new = NewGroup {
            group_name: name.clone(),
            attributes: attributes
                .filter(|(_, values)| !values.is_empty())
                .map(|(name, values)| Attribute { name, values })
                .collect(),
            assign_posix_number: false,
            request_id: None,
        };
        match self.client.create_group(new).await {
            Ok(_) => self.created += 1,
            Err(Error::Rejected(why)) if is_of_name(&why) => self.already_there += 1,
            Err(error) => {
                self.refused(number, &name, error)?;
                return Ok(None);
            }
        }
        let members = line.members.into_iter().map(AccountName::Login);
        let members = members.map(MemberName::Account).collect();
        self.members(number, &name, members).await?;
        Ok(Some((number, name, line.member_groups)))
    }

    /// Adds members, many at once. Where one of many is refused, one by one: the others are added.
    async fn members(
        &mut self,
        number: u64,
        group: &str,
        members: Vec<MemberName>,
    ) -> Result<(), Failure> {
        for part in parts(members) {
            match self.add(group, part.clone()).await {
                Ok(()) => {}
                Err(Error::Rejected(_)) if part.len() > 1 => {
                    for member in part {
                        if let Err(error) = self.add(group, vec![member]).await {
                            self.refused(number, group, error)?;
                        }
                    }
                }
                Err(error) => self.refused(number, group, error)?,
            }
        }
        Ok(())
    }

    async fn add(&self, group: &str, members: Vec<MemberName>) -> Result<(), Error> {
        let change = ChangeMembers {
            group: GroupName::Name(group.to_owned()),
            etag: None,
            add: members,
            remove: Vec::new(),
            request_id: None,
        };
        self.client.change_members(change).await.map(drop)
    }

    /// The directory's no is that of one line; anything else ends the import.
    fn refused(&mut self, number: u64, group: &str, error: Error) -> Result<(), Failure> {
        if let Error::Rejected(why) = &error
            && is_of_line(&why.reason)
        {
            return self.reject(number, group, &why.message);
        }
        Err(Failure::from(error).after(&format!("stopped at line {number}")))
    }

    fn reject(&mut self, number: u64, group: &str, why: &str) -> Result<(), Failure> {
        use std::io::Write as _;

        self.rejected += 1;
        let text = if self.out.is_json() {
            to_json(&json!({"line": number, "group_name": group, "message": why}))?
        } else if group.is_empty() {
            format!("line {number}: {}", escape(why))
        } else {
            format!("line {number}, {}: {}", escape(group), escape(why))
        };
        // The summary still counts it if standard error is gone.
        let _ = writeln!(anstream::stderr().lock(), "{text}");
        Ok(())
    }

    fn finish(self, source: &str) -> Result<(), Failure> {
        let (created, already_there) = (self.created, self.already_there);
        let rejected = self.rejected;
        if self.out.is_json() {
            self.out.json(&json!({
                "created": created,
                "already_there": already_there,
                "rejected": rejected,
            }))?;
        } else {
            self.out.line(format!(
                "{created} created, {already_there} already there, {rejected} rejected"
            ))?;
        }
        match rejected {
            0 => Ok(()),
            _ => Err(Failure::partly_done(
                Cause::LinesRejected,
                format!("{source}: {rejected} groups or members were rejected"),
            )),
        }
    }
}

/// Whether another line may well be accepted.
fn is_of_line(reason: &Reason) -> bool {
    [
        Reason::AccountNotFound,
        Reason::GroupNotFound,
        Reason::GroupCycle,
        Reason::LimitExceeded,
        Reason::ValueTaken,
        Reason::SchemaViolation,
        Reason::ReferenceInvalid,
        Reason::UnknownAttribute,
        Reason::InvalidValue,
        Reason::InvalidLoginName,
        Reason::InvalidAccountName,
        Reason::InvalidGroupName,
        Reason::InvalidMessage,
    ]
    .contains(reason)
}

/// Whether the group is there already. Its name may also be kept for one that was deleted.
fn is_of_name(why: &Rejected) -> bool {
    let attribute = why.metadata.get("attribute");
    why.reason == Reason::ValueTaken
        && attribute.is_some_and(|name| name == "group_name")
        && !why.metadata.contains_key("held")
}

/// As many names as one request may have, at a time.
fn parts(members: Vec<MemberName>) -> Vec<Vec<MemberName>> {
    let mut parts: Vec<Vec<MemberName>> = Vec::new();
    let mut bytes = usize::MAX;
    for member in members {
        let length = member.to_string().len() + 4;
        bytes = bytes.saturating_add(length);
        match parts.last_mut() {
            Some(part) if bytes <= NAMES_BYTES_MAX => part.push(member),
            _ => {
                bytes = length;
                parts.push(vec![member]);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> GroupLine {
        GroupLine {
            group_name: "Head office".to_owned(),
            attributes: BTreeMap::from([(
                "description".to_owned(),
                vec!["a\nb, \"c\"".to_owned()],
            )]),
            members: vec!["ana".to_owned(), "ben".to_owned()],
            member_groups: vec!["dev".to_owned()],
            id: "0199".to_owned(),
        }
    }

    fn read(lines: Lines<'_>) -> Vec<Result<GroupLine, String>> {
        lines.map(|(_, line)| line).collect()
    }

    #[test]
    fn what_is_exported_is_imported_as_it_was() {
        let schema = Schema::builtin();
        let text = [csv_line(&columns(schema)), csv_line(&line().fields(schema))].concat();
        let text = String::from_utf8(text).expect("text");
        let lines = csv_lines(schema, &text).expect("a header");
        assert_eq!(read(lines), [Ok(line())]);
        let text = json_line(&line()).expect("JSON");
        let text = String::from_utf8(text).expect("text");
        let lines = json_lines(&text);
        assert_eq!(read(lines), [Ok(line())]);
    }

    #[test]
    fn lines_that_are_no_groups_are_told_with_their_numbers() {
        let text = "{\"group_name\":\"a\"}\n\n{\"group_name\":1}\nx\n{\"name\":\"a\"}";
        let lines = json_lines(text);
        let numbers: Vec<_> = lines.map(|(number, line)| (number, line.is_ok())).collect();
        assert_eq!(numbers, [(1, true), (3, false), (4, false), (5, false)]);
        for header in [
            "name\n",
            "group_name,e-mail\n",
            "group_name,members\nstaff,\"ana\nben",
        ] {
            let refused = csv_lines(Schema::builtin(), header).err();
            assert!(refused.is_some(), "{header}");
        }
        let text = "group_name,members\na,b,c\nd,e\n";
        let lines = csv_lines(Schema::builtin(), text).expect("a header");
        let numbers: Vec<_> = lines.map(|(number, line)| (number, line.is_ok())).collect();
        assert_eq!(numbers, [(2, false), (3, true)]);
    }

    #[test]
    fn no_request_has_more_names_than_a_server_takes() {
        let members = (0..5_000).map(|number| {
            let name = format!("a-rather-long-login-name-{number}");
            MemberName::Account(AccountName::Login(name))
        });
        let parts = parts(members.collect());
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 5_000);
        for part in parts {
            let bytes: usize = part.iter().map(|name| name.to_string().len()).sum();
            assert!(bytes <= NAMES_BYTES_MAX);
        }
    }
}
