//! Random entries for the log: commands over few names, so that they collide and are retried.

use bytes::Bytes;
use quorid_directory::{
    Attribute, AttributeNumber, ChangedBy, ClientAddress, Command, Definition, Edit, EditAction,
    GroupName, Kind, Level, LoginName, NUMBERS_FROM, ObjectId, Operation, OperatorName, Principal,
    Properties, ReadBy, RealName, RequestId, Revision, Role, Schema, Selector, Setting,
    SettingChange, Syntax, Time, Value, Verifier, VerifierChange,
};
use quorid_server::state::encode_command;
use quorid_storage::Payload;
use uuid::Uuid;

use quorid_history::chance::Chance;

/// Time of the first command, Unix ms.
const BEGINNING_MS: u64 = 1_750_000_000_000;

/// Few enough to collide.
const NAMES: u64 = 12;
const GROUPS: u64 = 5;
const SITE_ATTRIBUTES: u64 = 3;

/// Makes entries, each of them another one, but for retries.
pub(super) struct Commands {
    chance: Chance,
    made: Vec<Command>,
    /// How many entries there are, about.
    entries: u64,
}

impl Commands {
    pub(super) fn new(chance: Chance) -> Self {
        let made = Vec::new();
        Self {
            chance,
            made,
            entries: 0,
        }
    }

    /// The entry of this index. Each log begins with its members, so no change has revision 0.
    pub(super) fn payload(&mut self, index: u64) -> Payload {
        self.entries += 1;
        match self.chance.within(0..=19) {
            _ if index == 0 => Payload::Membership(self.membership()),
            0 => Payload::Blank,
            1 => Payload::Membership(self.membership()),
            _ => Payload::Command(Bytes::from(encode_command(&self.command()))),
        }
    }

    /// The store doesn't look inside. Some are as long as several sectors.
    fn membership(&mut self) -> Bytes {
        let mut bytes = vec![0; *self.chance.one_of(&[40, 700, 3000])];
        self.chance.fill(&mut bytes);
        Bytes::from(bytes)
    }

    fn command(&mut self) -> Command {
        let time = Time(BEGINNING_MS + self.made.len() as u64);
        if !self.made.is_empty() && self.chance.percent(15) {
            let mut retry = self.chance.one_of(&self.made).clone();
            retry.time = time;
            // Another leader makes another id.
            if let Operation::Create { id, .. } = &mut retry.operation {
                *id = random_id(&mut self.chance);
            }
            return retry;
        }
        let command = Command {
            request: RequestId::new(Revision(0), self.chance.next()),
            time,
            client: ClientAddress::parse("192.0.2.1:40000").expect("a valid address"),
            principal: Principal::Operator(OperatorName::of_certificate("olga")),
            operation: self.operation(),
        };
        self.made.push(command.clone());
        command
    }

    fn operation(&mut self) -> Operation {
        if self.made.is_empty() {
            // There are few names: they are wanted again soon.
            let settings = [Setting::Tombstones, Setting::ReservedNames];
            return Operation::Configure(settings.map(|it| self.change_of(it)).to_vec());
        }
        match self.chance.within(0..=22) {
            19 | 20 => Operation::Restore {
                target: self.member(),
            },
            21 => Operation::Purge {
                target: self.member(),
            },
            22 => Operation::FreeName {
                name: self.login_name(),
            },
            17 | 18 => Operation::Revert {
                revision: self.lately(),
            },
            16 => Operation::RaiseLevel {
                to: *self.chance.one_of(&[Level::BASE, Level::SUPPORTED]),
            },
            14 => Operation::Configure(vec![self.setting_change()]),
            15 => self.define(),
            10 => Operation::Create {
                id: random_id(&mut self.chance),
                kind: Kind::Group,
                edits: vec![Edit::group_name(&self.group_name())],
                verifier: None,
            },
            11..=13 => Operation::Members {
                group: Selector::GroupName(self.group_name()),
                expected_version: None,
                add: self.members(),
                remove: self.members(),
            },
            0..=4 => Operation::Create {
                id: random_id(&mut self.chance),
                kind: match self.chance.percent(20) {
                    true => Kind::Service,
                    false => Kind::Person,
                },
                edits: vec![
                    Edit::login_name(&self.login_name()),
                    Edit::real_name(&self.real_name()),
                    self.edit(),
                ],
                verifier: self.chance.percent(30).then(|| self.verifier()),
            },
            5..=7 => Operation::Change {
                target: Selector::LoginName(self.login_name()),
                expected_version: None,
                edits: (0..self.chance.within(0..=3))
                    .map(|_| self.edit())
                    .collect(),
                verifier: match self.chance.within(0..=2) {
                    0 => VerifierChange::Keep,
                    1 => VerifierChange::Remove,
                    _ => VerifierChange::Set(self.verifier()),
                },
            },
            _ => Operation::Delete {
                target: self.member(),
                expected_version: None,
            },
        }
    }

    /// One of the last entries: a change, where it is the one of a command that changed something.
    fn lately(&mut self) -> Revision {
        let oldest = self.entries.saturating_sub(12);
        Revision(self.chance.within(oldest..=self.entries))
    }

    /// Any setting, to its default or to any value that it takes.
    fn setting_change(&mut self) -> SettingChange {
        let setting = *self.chance.one_of(&Setting::ALL);
        match setting {
            Setting::Tombstones | Setting::ReservedNames => self.change_of(setting),
            Setting::History | Setting::HistoryBytes => {
                let value = self.chance.within(setting.least()..=setting.most());
                let value = self.chance.percent(80).then_some(value);
                SettingChange::new(setting, value).expect("a value within the setting's bounds")
            }
        }
    }

    /// For some commands, each of which is a millisecond later than the one before.
    fn change_of(&mut self, setting: Setting) -> SettingChange {
        let value = Some(self.chance.within(0..=30));
        SettingChange::new(setting, value).expect("a value within the setting's bounds")
    }

    /// One of few attributes of the site, most of which are there soon.
    fn define(&mut self) -> Operation {
        let number = self.chance.within(1..=SITE_ATTRIBUTES);
        let definition = Definition::new(Properties {
            name: format!("site_{number}"),
            accounts: true,
            groups: number == 1,
            syntax: "line".to_owned(),
            values_max: 2,
            unique: number == 2,
            indexed: number == 3,
            changed_by: ChangedBy::Manager,
            read_by: ReadBy::Everyone,
        });
        let definition = definition.expect("a site may add it");
        Operation::DefineAttribute { definition }
    }

    /// Of any attribute, with one of few values.
    fn edit(&mut self) -> Edit {
        if self.chance.percent(10) {
            let number = AttributeNumber::OF_SITE_FROM.0;
            let number = u64::from(number) + self.chance.within(0..=SITE_ATTRIBUTES - 1);
            let number = AttributeNumber(u32::try_from(number).expect("small"));
            let value = format!("value {}", self.chance.within(1..=NAMES));
            return Edit::set(number, Value::Text(value));
        }
        let attribute = self.chance.one_of(Schema::builtin().rows());
        let values: Vec<_> = (0..self.chance.within(1..=2))
            .map(|_| self.value(attribute))
            .collect();
        let action = match self.chance.within(0..=9) {
            _ if attribute.counted && self.chance.percent(50) => EditAction::Assign,
            0 => EditAction::Clear,
            1 | 2 => EditAction::Remove(values),
            3 | 4 => EditAction::Add(values),
            _ => EditAction::Replace(values),
        };
        Edit {
            attribute: attribute.number,
            action,
        }
    }

    fn value(&mut self, attribute: &Attribute) -> Value {
        Value::Text(match attribute.syntax {
            Syntax::PosixNumber => {
                return Value::Number(NUMBERS_FROM + self.chance.within(0..=NAMES));
            }
            Syntax::LoginName | Syntax::Reference => self.login_name().as_str().to_owned(),
            Syntax::RealName => self.real_name().as_str().to_owned(),
            Syntax::GroupName => self.group_name().as_str().to_owned(),
            Syntax::Role => self.chance.one_of(&Role::ALL).as_str().to_owned(),
            Syntax::Line { .. }
            | Syntax::Text { .. }
            | Syntax::Mail
            | Syntax::Phone
            | Syntax::Language
            | Syntax::Zone
            | Syntax::Flag
            | Syntax::Time
            | Syntax::Path
            | Syntax::Gecos
            | Syntax::SshKey => format!("{}-{}", attribute.name, self.chance.within(1..=NAMES)),
        })
    }

    /// Often none, so that a change of members is not always refused for one that is missing.
    fn members(&mut self) -> Vec<Selector> {
        let members = self.chance.within(0..=2);
        (0..members).map(|_| self.member()).collect()
    }

    fn member(&mut self) -> Selector {
        match self.chance.percent(70) {
            true => Selector::LoginName(self.login_name()),
            false => Selector::GroupName(self.group_name()),
        }
    }

    fn group_name(&mut self) -> GroupName {
        let name = format!("group {}", self.chance.within(1..=GROUPS));
        GroupName::parse(&name).expect("a valid name")
    }

    fn login_name(&mut self) -> LoginName {
        let name = format!("name{}", self.chance.within(1..=NAMES));
        LoginName::parse(&name).expect("a valid name")
    }

    fn real_name(&mut self) -> RealName {
        let words = usize::try_from(self.chance.within(1..=12)).expect("few");
        RealName::parse("Somebody ".repeat(words).trim()).expect("a valid name")
    }

    fn verifier(&mut self) -> Verifier {
        let text = format!("$argon2id$v=19$x${:016x}", self.chance.next());
        Verifier::parse(&text).expect("a valid verifier")
    }
}

fn random_id(chance: &mut Chance) -> ObjectId {
    let mut bytes = [0; 16];
    chance.fill(&mut bytes);
    ObjectId::new(Uuid::from_bytes(bytes))
}
