//! What an import would do, as far as reading tells it: nothing is sent that changes anything.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use futures_util::{StreamExt as _, TryStreamExt as _, pin_mut};
use quorid_api::{
    Account, AccountName, Attribute, Client, DeletedObject, Error, Read, Reason,
    proto::deleted_object,
};
use quorid_directory::{
    Actor, ClientAddress, Held, InvalidValue, Kind, LOGIN_NAME, LoginName, NUMBERS_FROM, Object,
    ObjectId, POSIX_NUMBER, Password, REAL_NAME, Rejection, Revision, Schema, Stamp, Syntax, Time,
    UniqueKey, Value,
};
use quorid_server::passwords::given_hash;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{
    importer::Done,
    lines::{BadLine, NewLine, POSIX_NUMBER_NAME},
};
use crate::{
    errors::{Cause, Failure},
    record::SERVICE,
};

/// What would be done for a line.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) done: Done,
    pub(super) login_name: String,
    /// Names of what the account would get.
    pub(super) fields: Vec<String>,
    /// The unique values that it would get, each as messages name it.
    claims: Vec<(UniqueKey, String)>,
    /// The accounts that it would refer to by names that nobody has yet, with what servers say then.
    missing: Vec<(String, String)>,
    /// Of what the line says.
    fingerprint: u64,
}

impl Plan {
    pub(super) fn unchanged(line: &NewLine) -> Self {
        Self {
            done: Done::Unchanged,
            login_name: line.login_name.clone(),
            fields: Vec::new(),
            claims: Vec::new(),
            missing: Vec::new(),
            fingerprint: fingerprint(line),
        }
    }
}

fn fingerprint(line: &NewLine) -> u64 {
    let mut hasher = DefaultHasher::new();
    (line.new_real_name(), line.assign_posix_number).hash(&mut hasher);
    for attribute in &line.attributes {
        (&attribute.name, &attribute.values).hash(&mut hasher);
    }
    hasher.finish()
}

/// Looks up whether a line would be accepted.
pub(super) struct Checker {
    client: Client,
    schema: &'static Schema,
    /// The groups that have a number for POSIX systems: accounts share these numbers.
    groups: OnceCell<HashMap<String, String>>,
    /// What is kept for those who do not have it.
    kept: OnceCell<HashMap<UniqueKey, Holder>>,
}

impl Checker {
    pub(super) fn new(client: Client, schema: &'static Schema) -> Self {
        Self {
            client,
            schema,
            groups: OnceCell::new(),
            kept: OnceCell::new(),
        }
    }

    /// The plan of giving these fields to an account, or to a new one; or why that would be refused.
    pub(super) async fn plan(
        &self,
        account: Option<&Account>,
        line: &NewLine,
        fields: Vec<String>,
    ) -> Result<Plan, Failure> {
        let schema = self.schema;
        let mut object = object(schema, account, line, &fields)?;
        let missing = self.resolve(&mut object).await?;
        if let Some(password) = &line.password {
            let parsed = Password::parse(password);
            parsed.map_err(|why| refused(Reason::InvalidPassword, why.to_string()))?;
        }
        if let Some(hash) = &line.password_hash {
            let parsed = given_hash(hash).map_err(|why| format!("password_hash: {why}"));
            parsed.map_err(|why| refused(Reason::InvalidPasswordHash, why))?;
        }
        let mut with_number = object.clone();
        if line.assign_posix_number {
            let number = with_number.attributes.entry(POSIX_NUMBER);
            number.or_insert_with(|| vec![Value::Number(NUMBERS_FROM)]);
        }
        if let Some((attribute, violation)) = with_number.violation(schema) {
            let rejection = Rejection::SchemaViolation {
                attribute: schema.name(attribute),
                violation,
            };
            return Err(refused(Reason::SchemaViolation, rejection.to_string()));
        }
        let own = account.map(|account| account.id.as_str());
        let mut claims = Vec::new();
        for (key, value) in object.unique_keys(schema) {
            let Some(attribute) = schema.by_number(key.attribute) else {
                continue;
            };
            if !fields.iter().any(|field| *field == attribute.name) {
                continue;
            }
            if let Some(holder) = self.holder(&key, &attribute.name, value).await?
                && Some(holder.id.to_string().as_str()) != own
            {
                return Err(holder.has(schema, &key, value));
            }
            let name = schema.name(key.attribute);
            claims.push((key, format!("{name} `{value}`")));
        }
        Ok(Plan {
            done: match account {
                Some(_) => Done::Updated,
                None => Done::Created,
            },
            login_name: object.login_name().to_owned(),
            fields,
            claims,
            missing,
            fingerprint: fingerprint(line),
        })
    }

    /// Puts the ids of accounts in the place of their names. The names that nobody has come back; another
    /// line may make them.
    async fn resolve(&self, object: &mut Object) -> Result<Vec<(String, String)>, Failure> {
        let mut missing = Vec::new();
        for (number, values) in &mut object.attributes {
            let row = self.schema.by_number(*number);
            if row.is_none_or(|row| row.syntax != Syntax::Reference) {
                continue;
            }
            for value in values {
                let text = value.to_string();
                let name = AccountName::meant_by(&text);
                match self.client.get_account(&name, Read::Linearizable).await {
                    Ok(account) => *value = Value::Text(account.id),
                    Err(Error::Rejected(why)) if why.reason == Reason::AccountNotFound => {
                        let invalid = Rejection::ReferenceInvalid {
                            attribute: self.schema.name(*number),
                            value: value.clone(),
                        };
                        let why = invalid.to_string();
                        if matches!(name, AccountName::Id(_)) {
                            return Err(refused(Reason::ReferenceInvalid, why));
                        }
                        missing.push((text, why));
                        *value = Value::Text(Uuid::nil().to_string());
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(missing)
    }

    /// Who has a unique value.
    async fn holder(
        &self,
        key: &UniqueKey,
        name: &str,
        value: &Value,
    ) -> Result<Option<Holder>, Error> {
        let quoted = value.to_string().replace('\\', "\\\\").replace('"', "\\\"");
        let accounts = self
            .client
            .accounts_where(&format!("{name}=\"{quoted}\""), Read::Linearizable);
        pin_mut!(accounts);
        if let Some(account) = accounts.next().await.transpose()? {
            let id = account.id.parse().ok();
            return Ok(id.map(|id| Holder {
                kind: Kind::Person,
                id,
                held: Held::Now,
            }));
        }
        let kept = self.kept.get_or_try_init(|| self.kept()).await?;
        if let Some(holder) = kept.get(key) {
            return Ok(Some(holder.clone()));
        }
        if key.attribute != POSIX_NUMBER {
            return Ok(None);
        }
        let groups = self.groups.get_or_try_init(|| self.groups()).await?;
        let id = groups
            .get(&value.to_string())
            .and_then(|id| id.parse().ok());
        Ok(id.map(|id| Holder {
            kind: Kind::Group,
            id,
            held: Held::Now,
        }))
    }

    /// What is kept for deleted objects and for former owners of login names. Who may not see them is not
    /// told by a dry run.
    async fn kept(&self) -> Result<HashMap<UniqueKey, Holder>, Error> {
        let mut kept = HashMap::new();
        let deleted = self.client.deleted(Read::Linearizable);
        pin_mut!(deleted);
        while let Some(object) = deleted.next().await {
            match object {
                Ok(object) => kept.extend(self.keys_of(object)),
                Err(Error::Rejected(_)) => return Ok(kept),
                Err(error) => return Err(error),
            }
        }
        let names = self.client.reserved_names(Read::Linearizable);
        pin_mut!(names);
        while let Some(name) = names.next().await.transpose()? {
            let until = name
                .reserved_until
                .map_or(0, |it| it.seconds.unsigned_abs());
            let held = Held::Reserved(Time(until.saturating_mul(1000)));
            let owner = name.owner.trim_start_matches("accounts/").parse();
            if let (Ok(id), Ok(name)) = (owner, LoginName::parse(&name.login_name)) {
                let kind = Kind::Person;
                kept.insert(UniqueKey::login_name(&name), Holder { kind, id, held });
            }
        }
        Ok(kept)
    }

    fn keys_of(&self, deleted: DeletedObject) -> Vec<(UniqueKey, Holder)> {
        let (kind, id, name, attributes) = match deleted.object {
            Some(deleted_object::Object::Account(it)) => {
                let kind = match it.kind == SERVICE {
                    true => Kind::Service,
                    false => Kind::Person,
                };
                (kind, it.id, ("login_name", it.login_name), it.attributes)
            }
            Some(deleted_object::Object::Group(it)) => {
                let name = ("group_name", it.group_name);
                (Kind::Group, it.id, name, it.attributes)
            }
            None => return Vec::new(),
        };
        let Ok(id) = id.parse() else {
            return Vec::new();
        };
        let held = Held::Deleted;
        let holder = Holder { kind, id, held };
        let (attribute, name) = name;
        let name = (attribute.to_owned(), vec![name]);
        let attributes = attributes.into_iter().map(|it| (it.name, it.values));
        let keys = attributes.chain([name]).flat_map(|(attribute, values)| {
            let row = self.schema.by_name(&attribute).ok().filter(|it| it.unique);
            let values = values.into_iter();
            values.filter_map(move |text| {
                let row = row?;
                let key = row.syntax.key(&row.syntax.parse(&text).ok()?);
                Some(UniqueKey {
                    attribute: row.number,
                    key,
                })
            })
        });
        keys.map(|key| (key, holder.clone())).collect()
    }

    /// Ids of the groups that have a number, by the number.
    async fn groups(&self) -> Result<HashMap<String, String>, Error> {
        let groups = self.client.groups(Read::Linearizable);
        let numbers = groups.map_ok(|group| {
            let mut attributes = group.attributes.into_iter();
            let number = attributes.find(|it| it.name == "posix_number")?;
            Some((number.values.into_iter().next()?, group.id))
        });
        let numbers: Vec<_> = numbers.try_collect().await?;
        Ok(numbers.into_iter().flatten().collect())
    }
}

/// Who has a value, or for whom it is kept.
#[derive(Clone)]
struct Holder {
    kind: Kind,
    id: ObjectId,
    held: Held,
}

impl Holder {
    fn has(self, schema: &Schema, key: &UniqueKey, value: &Value) -> Failure {
        let reason = match key.attribute {
            LOGIN_NAME => Reason::LoginNameTaken,
            _ => Reason::ValueTaken,
        };
        let rejection = Rejection::ValueTaken {
            attribute: schema.name(key.attribute),
            value: value.clone(),
            kind: self.kind,
            holder: self.id,
            held: self.held,
        };
        refused(reason, rejection.to_string())
    }
}

/// The account as it would be.
fn object(
    schema: &Schema,
    account: Option<&Account>,
    line: &NewLine,
    fields: &[String],
) -> Result<Object, Failure> {
    let mut attributes = BTreeMap::new();
    let there = account.into_iter().flat_map(|account| {
        let names = [
            ("login_name", &account.login_name),
            ("real_name", &account.real_name),
        ];
        let names = names.into_iter().filter(|(_, value)| !value.is_empty());
        let names = names.map(|(name, value)| Attribute {
            name: name.to_owned(),
            values: vec![value.clone()],
        });
        // What a newer server knows is not for this program to judge.
        let known = account.attributes.iter();
        let known = known.filter(|it| schema.by_name(&it.name).is_ok()).cloned();
        names.chain(known)
    });
    let one = |name: &str, value: String| Attribute {
        name: name.to_owned(),
        values: vec![value],
    };
    let real_name = match account {
        Some(_) => line.real_name.clone(),
        None => Some(line.new_real_name().unwrap_or_default()),
    };
    let kind = match account {
        Some(account) if account.kind == SERVICE => Kind::Service,
        None if line.is_new_service() => Kind::Service,
        Some(_) | None => Kind::Person,
    };
    let real_name = real_name.filter(|name| kind == Kind::Person || !name.is_empty());
    let given = [
        Some(one("login_name", line.login_name.clone())),
        real_name.map(|name| one("real_name", name)),
    ];
    let given = given.into_iter().flatten().chain(line.attributes.clone());
    let given = given.filter(|it| fields.contains(&it.name));
    for asked in there.chain(given) {
        let row = schema
            .by_name(&asked.name)
            .map_err(|unknown| refused(Reason::UnknownAttribute, unknown.to_string()))?;
        let mut values: Vec<Value> = Vec::new();
        for text in &asked.values {
            let value = row.syntax.parse(text).map_err(|why| match why {
                InvalidValue::Name(why) if row.number == LOGIN_NAME => {
                    refused(Reason::InvalidLoginName, why.to_string())
                }
                InvalidValue::Name(why) if row.number == REAL_NAME => {
                    refused(Reason::InvalidRealName, why.to_string())
                }
                InvalidValue::Name(_)
                | InvalidValue::Empty
                | InvalidValue::TooLong { .. }
                | InvalidValue::Character { .. }
                | InvalidValue::Shape { .. } => {
                    let name = row.name.replace('_', " ");
                    refused(Reason::InvalidValue, format!("{name}: {why}"))
                }
            })?;
            let key = row.syntax.key(&value);
            if !values.iter().any(|there| row.syntax.key(there) == key) {
                values.push(value);
            }
        }
        attributes.insert(row.number, values);
    }
    let stamp = Stamp {
        time: Time(0),
        actor: Actor::Anyone,
        client: ClientAddress::parse("127.0.0.1").map_err(|why| Failure::fault(why.to_string()))?,
    };
    Ok(Object {
        id: ObjectId::new(Uuid::nil()),
        kind,
        created: stamp.clone(),
        changed: stamp,
        version: Revision(0),
        password_version: None,
        attributes,
    })
}

/// As a server would refuse it.
pub(super) fn refused(reason: Reason, message: impl Into<String>) -> Failure {
    Failure::untrue(Cause::Reason(reason), message)
}

/// What the lines before would have done. Takes memory for each account and unique value that the
/// file would bring.
#[derive(Default)]
pub(super) struct Ledger {
    /// Of new accounts, by login name: the line and what it says.
    accounts: HashMap<String, (u64, u64)>,
    /// Login name and line of whom unique values would be given to.
    values: HashMap<UniqueKey, (String, u64)>,
}

impl Ledger {
    /// What is wrong with a plan that refers to accounts which no line before would have made.
    pub(super) fn misses(&self, plan: &Plan) -> Option<BadLine> {
        let mut missing = plan.missing.iter();
        let (_, why) = missing.find(|(name, _)| !self.accounts.contains_key(name))?;
        Some(BadLine {
            login_name: plan.login_name.clone(),
            cause: Cause::Reason(Reason::ReferenceInvalid),
            message: why.clone(),
        })
    }

    /// The plan of a line behind those that were entered before.
    pub(super) fn enter(
        &mut self,
        line: u64,
        mut plan: Plan,
        update: bool,
    ) -> Result<Plan, BadLine> {
        let name = LoginName::parse(&plan.login_name)
            .map_or_else(|_| plan.login_name.clone(), |it| it.as_str().to_owned());
        let taken = |reason, what: String, by: u64| BadLine {
            login_name: plan.login_name.clone(),
            cause: Cause::Reason(reason),
            message: format!("{what} would belong to the account of line {by}"),
        };
        if plan.done == Done::Created {
            match self.accounts.get(&name) {
                Some((_, says)) if *says == plan.fingerprint => {
                    plan.done = Done::Unchanged;
                    return Ok(plan);
                }
                Some(_) if update => plan.done = Done::Updated,
                Some((by, _)) => {
                    let what = format!("login name `{name}`");
                    return Err(taken(Reason::LoginNameTaken, what, *by));
                }
                None => {}
            }
        }
        for (key, what) in &plan.claims {
            if let Some((holder, by)) = self.values.get(key)
                && *holder != name
            {
                let reason = match key.attribute {
                    LOGIN_NAME => Reason::LoginNameTaken,
                    _ => Reason::ValueTaken,
                };
                return Err(taken(reason, what.clone(), *by));
            }
        }
        if plan.done == Done::Created {
            let says = (line, plan.fingerprint);
            self.accounts.insert(name.clone(), says);
        }
        for (key, _) in std::mem::take(&mut plan.claims) {
            self.values.insert(key, (name.clone(), line));
        }
        Ok(plan)
    }
}

/// All that a line gives a new account.
pub(super) fn fields_of_new(line: &NewLine) -> Vec<String> {
    let attributes = line.attributes.iter().map(|it| it.name.clone());
    let number = line
        .assign_posix_number
        .then(|| POSIX_NUMBER_NAME.to_owned());
    let attributes = attributes.chain(number);
    let names = ["login_name", "real_name"].map(str::to_owned);
    let password = line.password.is_some() || line.password_hash.is_some();
    let password = password.then(|| "password".to_owned());
    names
        .into_iter()
        .chain(attributes)
        .chain(password)
        .collect()
}

/// Whether the login name is one: it is asked for before it is looked up.
pub(super) fn check_login_name(login_name: &str) -> Result<(), Failure> {
    let parsed = Syntax::LoginName.parse(login_name);
    let parsed = parsed.map_err(|why| refused(Reason::InvalidLoginName, why.to_string()));
    parsed.map(drop)
}

/// An account that is there already, and that no update is to change.
pub(super) fn is_there(account: &Account) -> Failure {
    refused(
        Reason::LoginNameTaken,
        format!(
            "login name `{}` already belongs to account {}; choose another one",
            account.login_name, account.id
        ),
    )
}
