//! What the columns of a CSV file, and the keys of JSON lines, mean.

use quorid_directory::{Attribute, LOGIN_NAME, Schema};

use crate::record::{KIND, SERVERS_COLUMNS, attributes};

/// What an import does with the text of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// The login name, the real name, or another attribute.
    Attribute(&'static Attribute),
    /// The password in clear.
    Password,
    /// A hash that another program made of the password.
    PasswordHash,
    /// The id, by which an update finds the account.
    Id,
    /// Whether the account is a person's or a service's.
    Kind,
}

impl Field {
    /// The fields that are no attributes.
    const OTHERS: [Self; 4] = [Self::Password, Self::PasswordHash, Self::Id, Self::Kind];

    /// All that can be imported, in the order of an export.
    fn all(schema: &'static Schema) -> impl Iterator<Item = Self> {
        attributes(schema).map(Self::Attribute).chain(Self::OTHERS)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Attribute(attribute) => &attribute.name,
            Self::Password => "password",
            Self::PasswordHash => "password_hash",
            Self::Id => "id",
            Self::Kind => KIND,
        }
    }

    pub(super) fn is_single(self) -> bool {
        match self {
            Self::Attribute(attribute) => attribute.values_max == 1,
            Self::Password | Self::PasswordHash | Self::Id | Self::Kind => true,
        }
    }

    fn named(schema: &'static Schema, name: &str) -> Option<Self> {
        Self::all(schema).find(|field| field.name() == name)
    }
}

/// Names of all fields, for messages.
fn names(schema: &'static Schema) -> String {
    let names: Vec<_> = Field::all(schema).map(Field::name).collect();
    names.join(", ")
}

/// A column of the file, and what it is read as.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    /// As it was given, without the spaces around it.
    column: String,
    /// What it is read as: a name of a field.
    name: String,
}

/// Splits `column=field` at the last equals sign: the names of fields have none.
pub(crate) fn mapping(text: &str) -> Result<Mapping, String> {
    let (column, name) = text
        .rsplit_once('=')
        .ok_or("no `=` in it; write column=field, such as E-mail=mail")?;
    let (column, name) = (column.trim(), name.trim());
    if column.is_empty() {
        return Err("no column before the `=`; write column=field, such as E-mail=mail".to_owned());
    }
    Ok(Mapping {
        column: column.to_owned(),
        name: name.to_owned(),
    })
}

/// A mapping to a field that there is.
#[derive(Clone, Debug)]
struct Mapped {
    column: String,
    field: Field,
}

impl Mapping {
    /// By the names of the schema; hyphens may stand for underscores.
    fn by(self, schema: &'static Schema) -> Result<Mapped, String> {
        let Self { column, name } = self;
        let named = |name: &str| Field::named(schema, name);
        let field = named(&name.replace('-', "_")).or_else(|| named(&name));
        let field = field.ok_or_else(|| {
            let (name, names) = (name.escape_debug(), names(schema));
            format!("a column cannot be read as `{name}`; there are {names}")
        })?;
        Ok(Mapped { column, field })
    }
}

/// How the columns of a file are read.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    schema: &'static Schema,
    mappings: Vec<Mapped>,
    ignored: Vec<String>,
    /// Whether accounts may be there already: then the file needs no real names, and ids count.
    pub(super) update: bool,
}

impl Columns {
    /// By `--map` and `--ignore`, or why these cannot be meant.
    pub(super) fn new(
        schema: &'static Schema,
        mappings: Vec<Mapping>,
        ignored: Vec<String>,
        update: bool,
    ) -> Result<Self, String> {
        let mappings = mappings.into_iter().map(|mapping| mapping.by(schema));
        let mappings = mappings.collect::<Result<Vec<_>, _>>()?;
        for (index, mapping) in mappings.iter().enumerate() {
            let column = &mapping.column;
            if ignored.iter().any(|ignored| same(ignored, column)) {
                return Err(format!(
                    "--map and --ignore both name the column `{column}`"
                ));
            }
            if mapping.field == Field::Id && !update {
                return Err(format!(
                    "the column `{column}` is read as the id, by which only --update finds accounts"
                ));
            }
            let mut before = mappings[..index].iter();
            if let Some(other) = before.find(|other| other.field == mapping.field)
                && mapping.field.is_single()
            {
                return Err(two_columns(&other.column, column, mapping.field));
            }
        }
        Ok(Self {
            schema,
            mappings,
            ignored,
            update,
        })
    }

    /// What a column is read as, of the options alone.
    pub(super) fn mapped(&self, column: &str) -> Vec<Field> {
        let of_column = self.mappings.iter().filter(|it| same(&it.column, column));
        of_column.map(|mapping| mapping.field).collect()
    }

    pub(super) fn ignores(&self, column: &str) -> bool {
        self.ignored.iter().any(|ignored| same(ignored, column))
    }

    /// What a column is read as: nothing, if it may be passed over; None, if it is unknown.
    pub(super) fn fields(&self, column: &str) -> Option<Vec<Field>> {
        let mapped = self.mapped(column);
        if !mapped.is_empty() {
            return Some(mapped);
        }
        if self.ignores(column) {
            return Some(Vec::new());
        }
        let counts = |field: &Field| self.update || *field != Field::Id;
        let mut fields = Field::all(self.schema).filter(counts);
        let named = fields.find(|field| same(field.name(), column));
        let servers = SERVERS_COLUMNS.iter().any(|it| same(it, column));
        match named {
            Some(field) => Some(vec![field]),
            None => servers.then(Vec::new),
        }
    }

    /// Which column of a CSV file is what, by its header.
    pub(super) fn of_header(&self, header: &[Vec<u8>]) -> Result<Header, String> {
        let cells: Vec<_> = header
            .iter()
            .map(|cell| String::from_utf8_lossy(cell).trim().to_owned())
            .collect();
        let is_there = |column: &str| cells.iter().any(|cell| same(cell, column));
        let mut maps = self.mappings.iter();
        if let Some(mapping) = maps.find(|mapping| !is_there(&mapping.column)) {
            return Err(format!(
                "the file has no column `{}`, which --map names; its columns are {}",
                mapping.column,
                cells.join(", ")
            ));
        }
        let mut fields: Vec<(Field, usize)> = Vec::new();
        for (index, cell) in cells.iter().enumerate() {
            if cells[..index].iter().any(|before| same(before, cell)) && !self.ignores(cell) {
                return Err(format!("the column `{cell}` is there twice"));
            }
            for field in self
                .fields(cell)
                .ok_or_else(|| unknown_column(self.schema, cell))?
            {
                let mut before = fields.iter();
                if let Some((_, other)) = before.find(|(other, _)| *other == field)
                    && field.is_single()
                {
                    return Err(two_columns(&cells[*other], cell, field));
                }
                fields.push((field, index));
            }
        }
        let header = Header {
            count: cells.len(),
            fields,
        };
        if !header.has("login_name") && !header.has("id") {
            return Err(missing_column("login_name"));
        }
        if !self.update
            && !["real_name", "given_name", "family_name"]
                .iter()
                .any(|name| header.has(name))
        {
            return Err(missing_column("real_name"));
        }
        Ok(header)
    }
}

const HEADER: &str = "the first line must name the columns, as in login_name,real_name,password; \
                      --map reads columns of other names";

fn unknown_column(schema: &'static Schema, cell: &str) -> String {
    format!(
        "unknown column `{cell}`; known are {}, and those that an export adds: {}; {HEADER}; \
         --ignore '{cell}' passes it over",
        names(schema),
        SERVERS_COLUMNS.join(", ")
    )
}

fn missing_column(name: &str) -> String {
    format!("the column `{name}` is missing; {HEADER}")
}

fn two_columns(one: &str, other: &str, field: Field) -> String {
    let name = field.name();
    format!("both columns `{one}` and `{other}` are read as {name}, which has one value")
}

/// Without regard to case and to the spaces around.
fn same(one: &str, other: &str) -> bool {
    let folded = |text: &str| text.trim().to_lowercase();
    folded(one) == folded(other)
}

/// Which column of a CSV file is what.
#[derive(Debug)]
pub(super) struct Header {
    /// How many columns there are.
    pub(super) count: usize,
    /// In the order of the columns.
    pub(super) fields: Vec<(Field, usize)>,
}

impl Header {
    fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field.name() == name)
    }

    /// The column of the login name.
    pub(super) fn login_name(&self) -> Option<usize> {
        let mut fields = self.fields.iter();
        let is_login_name =
            |field: &Field| matches!(field, Field::Attribute(it) if it.number == LOGIN_NAME);
        fields
            .find(|(field, _)| is_login_name(field))
            .map(|(_, index)| *index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(maps: &[&str]) -> Result<Columns, String> {
        let maps = maps.iter().map(|text| mapping(text).expect("a mapping"));
        Columns::new(
            Schema::builtin(),
            maps.collect(),
            vec!["floor".to_owned()],
            false,
        )
    }

    fn header(maps: &[&str], text: &str) -> Result<Vec<(&'static str, usize)>, String> {
        let cells: Vec<_> = text.split(',').map(|it| it.as_bytes().to_vec()).collect();
        let header = columns(maps)?.of_header(&cells)?;
        let fields = header.fields.iter();
        Ok(fields
            .map(|(field, index)| (field.name(), *index))
            .collect())
    }

    #[test]
    fn columns_are_read_as_what_they_are_mapped_to_in_any_case() {
        for (maps, text, expected) in [
            (
                &["username = login-name", "Full=real_name", "E=mail=mail"][..],
                "full, UserName ,E=MAIL",
                &[("real_name", 0), ("login_name", 1), ("mail", 2)][..],
            ),
            (
                &["work=mail", "home=mail"],
                "work,login_name,home,Real_Name,Floor",
                &[
                    ("mail", 0),
                    ("login_name", 1),
                    ("mail", 2),
                    ("real_name", 3),
                ],
            ),
            // One column may be read twice, and a column of a known name as another field.
            (
                &[
                    "login_name=login_name",
                    "login_name=mail",
                    "title=real_name",
                ],
                "login_name,title",
                &[("login_name", 0), ("mail", 0), ("real_name", 1)],
            ),
        ] {
            assert_eq!(header(maps, text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_update_needs_an_id_or_a_login_name_and_no_real_name() {
        let columns =
            Columns::new(Schema::builtin(), Vec::new(), Vec::new(), true).expect("no options");
        for (text, expected) in [
            ("id,mail", Ok(vec!["id", "mail"])),
            ("login_name,etag,title", Ok(vec!["login_name", "title"])),
            ("mail,title", Err(())),
        ] {
            let cells: Vec<_> = text.split(',').map(|it| it.as_bytes().to_vec()).collect();
            let header = columns.of_header(&cells).map_err(drop);
            let names = header.map(|it| it.fields.iter().map(|(it, _)| it.name()).collect());
            assert_eq!(names, expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        for (maps, text, part) in [
            (
                &["E-mail=mail"][..],
                "login_name,real_name",
                "no column `E-mail`",
            ),
            (
                &["a=title", "b=title"],
                "login_name,real_name,a,b",
                "`a` and `b` are read as title",
            ),
            (
                &["a=title"],
                "login_name,real_name,title,a",
                "`title` and `a` are read as title",
            ),
            (&["floor=title"], "login_name,floor", "both name"),
            (&["a=real_name"], "a", "`login_name` is missing"),
            (&["a=id"], "a,login_name,real_name", "only --update"),
            (
                &["E-mail=e-mail"],
                "E-mail",
                "`e-mail`; there are login_name, real_name",
            ),
            (&["x=group_name"], "x", "`group_name`"),
        ] {
            let error = header(maps, text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
        for (text, part) in [("mail", "E-mail=mail"), ("=mail", "no column")] {
            let error = mapping(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
