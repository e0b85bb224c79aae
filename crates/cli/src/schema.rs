//! `quorid schema`: the attributes that accounts and groups may have.

use clap::{Args, Subcommand, ValueEnum};
use quorid_api::{AttributeDefinition, NewAttribute, Read};
use quorid_directory::{AttributeNumber, ChangedBy, Definition, Properties, ReadBy, Schema};
use quorid_lab::table::Table;
use serde::Serialize;

use super::{
    ClientCommand, consistency::ReadOptions, context::Context, errors::Failure,
    options::ClientOptions, terminal::escape,
};

const ADD_EXAMPLES: &str = "\
Examples:
  quorid schema add badge_number --unique --changed-by manager --read-by staff
  quorid schema add skill --multi 20 --index
  quorid schema add cost_center --of accounts,groups
  quorid modify ana --set badge_number=4711

An attribute that was added stays: it cannot be changed or removed.";

const LIST_EXAMPLES: &str = "\
Examples:
  quorid schema list
  quorid schema list --output json | jq -r 'select(.number >= 1000).name'";

/// What about the attributes.
#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Adds an attribute that accounts or groups may have from then on
    #[command(after_help = ADD_EXAMPLES)]
    Add(ClientCommand<AddArgs>),
    /// Lists all attributes, with what may be done with each
    #[command(after_help = LIST_EXAMPLES)]
    List(ClientCommand<ListArgs>),
}

/// One of the commands, without the options that all have.
#[derive(Debug)]
pub(crate) enum SchemaTask {
    Add(AddArgs),
    List(ListArgs),
}

/// The new attribute.
#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// Its name: up to 63 of the characters a-z, 0-9 and _, with a letter first
    name: String,
    /// What its values look like: line, text, mail, phone, language, zone, flag, time, path, gecos or
    /// ssh_key
    #[arg(long, default_value = "line")]
    syntax: String,
    /// The most values that one account or group has
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    multi: u32,
    /// No two accounts or groups may have the same value
    #[arg(long)]
    unique: bool,
    /// Let searches find its values without looking at all accounts
    #[arg(long)]
    index: bool,
    /// Who may have it
    #[arg(long, value_enum, value_delimiter = ',', default_value = "accounts")]
    of: Vec<Of>,
    /// Who changes it: owner, manager or operator
    #[arg(long, value_name = "WHO", default_value = "manager")]
    changed_by: String,
    /// Who reads it in a closed directory: everyone who may log in, or staff
    #[arg(long, value_name = "WHO", default_value = "everyone")]
    read_by: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Of {
    Accounts,
    Groups,
}

/// How to read.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    read: ReadOptions,
}

impl SchemaCommand {
    pub(crate) fn split(self) -> (SchemaTask, ClientOptions) {
        match self {
            Self::Add(command) => (SchemaTask::Add(command.args), command.options),
            Self::List(command) => (SchemaTask::List(command.args), command.options),
        }
    }
}

pub(crate) async fn run(task: SchemaTask, context: &Context) -> Result<(), Failure> {
    match task {
        SchemaTask::Add(args) => add(args, context).await,
        SchemaTask::List(args) => list(args, context).await,
    }
}

async fn add(args: AddArgs, context: &Context) -> Result<(), Failure> {
    let kinds = args.of.iter().map(|of| match of {
        Of::Accounts => "account".to_owned(),
        Of::Groups => "group".to_owned(),
    });
    let new = NewAttribute {
        attribute: AttributeDefinition {
            kinds: kinds.collect(),
            name: args.name,
            syntax: args.syntax,
            values_max: args.multi,
            unique: args.unique,
            indexed: args.index,
            changed_by: args.changed_by,
            read_by: args.read_by,
            ..AttributeDefinition::default()
        },
        request_id: None,
    };
    let added = context.client.add_attribute(new).await?;
    if context.out.is_json() {
        return context.out.json(&Seen {
            row: Row::of(&added),
            revision: context.client.session_revision(),
        });
    }
    let name = &added.name;
    context
        .out
        .line(format!("added {name} as number {}", added.number))
}

async fn list(args: ListArgs, context: &Context) -> Result<(), Failure> {
    let read = args.read.read(context)?;
    let attributes = context.client.list_attributes(read).await?;
    if context.out.is_json() {
        for attribute in &attributes {
            context.out.json(&Row::of(attribute))?;
        }
        return context.out.flush();
    }
    let mut table = Table::new(&[
        "name",
        "number",
        "of",
        "syntax",
        "values",
        "unique",
        "index",
        "changed by",
        "read by",
    ]);
    let yes = |flag| if flag { "yes" } else { "-" };
    for row in &attributes {
        let values = match (row.values_max, row.required) {
            (1, true) => "1 (required)".to_owned(),
            (1, false) => "1".to_owned(),
            (most, _) => format!("up to {most}"),
        };
        table.row(&[
            &escape(&row.name),
            &row.number.to_string(),
            &escape(&row.kinds.join(",")),
            &escape(&row.syntax),
            &values,
            yes(row.unique),
            yes(row.indexed),
            &escape(&row.changed_by),
            &escape(&row.read_by),
        ]);
    }
    context.out.line(table.to_string())
}

/// An attribute under the names of the API.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    number: u32,
    of: &'a [String],
    syntax: &'a str,
    bytes_max: u32,
    values_max: u32,
    required: bool,
    unique: bool,
    indexed: bool,
    changed_by: &'a str,
    read_by: &'a str,
}

/// A row, and the revision that made it.
#[derive(Serialize)]
struct Seen<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    revision: u64,
}

impl<'a> Row<'a> {
    fn of(row: &'a AttributeDefinition) -> Self {
        Self {
            name: &row.name,
            number: row.number,
            of: &row.kinds,
            syntax: &row.syntax,
            bytes_max: row.bytes_max,
            values_max: row.values_max,
            required: row.required,
            unique: row.unique,
            indexed: row.indexed,
            changed_by: &row.changed_by,
            read_by: &row.read_by,
        }
    }
}

/// The schema of the directory, for what reads and writes files. It is kept until the program ends, so that
/// what refers to its rows may be copied.
pub(crate) async fn of_directory(context: &Context) -> Result<&'static Schema, Failure> {
    let rows = context.client.list_attributes(Read::Linearizable).await?;
    let mut schema = Schema::default();
    for row in rows {
        let number = AttributeNumber(row.number);
        let last = schema.rows().last().map(|row| row.number);
        // What only a newer program knows, this one passes over.
        if let Some(definition) = definition(row)
            && number.is_of_site()
            && last < Some(number)
        {
            schema = schema.with(definition.numbered(number));
        }
    }
    Ok(Box::leak(Box::new(schema)))
}

fn definition(row: AttributeDefinition) -> Option<Definition> {
    let has = |kind: &str| row.kinds.iter().any(|it| it == kind);
    let properties = Properties {
        accounts: has("account"),
        groups: has("group"),
        name: row.name,
        syntax: row.syntax,
        values_max: usize::try_from(row.values_max).ok()?,
        unique: row.unique,
        indexed: row.indexed,
        changed_by: ChangedBy::parse(&row.changed_by)?,
        read_by: ReadBy::parse(&row.read_by)?,
    };
    Definition::new(properties).ok()
}
