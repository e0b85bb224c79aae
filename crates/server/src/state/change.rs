//! Records of changes, by their revisions, and in whose history they are besides.

use std::collections::{BTreeMap, VecDeque};

use prost::Message as _;
use quorid_directory::{
    AttributeNumber, ChangeRecord, DirectoryChange, DirectoryRecord, Done, GroupLeft, KeptChange,
    Level, MemberChange, ObjectId, Origin, PasswordRecord, Recorded, Revision, SettingRecord,
    Value, ValuesChange,
};
use quorid_storage::{Batch, Digested, Fault, OrFault as _, Rows, Shape, StoreView, Table};

use super::{
    command::{setting, setting_message},
    field::{decode_value, missing, object_id, value},
    numbers::{CHANGES_BYTES, CHANGES_FLOOR},
    object, proto,
    rejection::{attribute, attribute_message},
    tombstone,
};

/// Revision (8 bytes, big-endian) to `ChangeRecord`, also of a change of the directory as a whole.
pub(super) const TABLE: Table = Table {
    number: 13,
    name: "changes",
    shape: Shape::BytesToBytes,
    digested: Digested::Rows,
    check_row,
    check_whole,
};

/// Id of an object (16 bytes) and, counted down from the greatest, the revision of a change that concerns
/// it (8 bytes, big-endian), to nothing: the newest first. Changes of an object itself are found from its
/// version on, so that only those of others are here, and its end.
pub(super) const MENTIONS: Table = Table {
    number: 14,
    name: "mentions",
    shape: Shape::BytesToBytes,
    digested: Digested::Rows,
    check_row: check_mention,
    check_whole: check_mentions,
};

const STORING: &str = "storing a received snapshot";

fn check_row(_: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    revision_of(key)?;
    decode(value)?;
    Ok(())
}

/// Changes come before those whom they concern.
fn check_mention(batch: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    let (id, revision) = mention_of(key)?;
    let record = find(batch, revision)?;
    let mentions = record.is_some_and(|record| record.mentions().any(|it| it == id));
    if !mentions || !value.is_empty() {
        return Err(Fault::new(STORING, "a change does not concern its object"));
    }
    Ok(())
}

/// Changes are as many bytes as counted, none of them is forgotten, and the last one of every object is
/// there, unless it is forgotten.
fn check_whole(view: &StoreView) -> Result<(), Fault> {
    let wrong = |why: String| Err(Fault::new("reading the state", why));
    let floor = Revision(view.number(CHANGES_FLOOR)?);
    let mut bytes = 0;
    let mut first = None;
    view.scan(&TABLE, None, |key, record| {
        let revision = revision_of(key)?;
        first.get_or_insert(revision);
        bytes += decode(record)?.bytes();
        Ok(true)
    })?;
    if first.is_some_and(|first| first <= floor) {
        return wrong(format!("changes up to {floor} are said to be forgotten"));
    }
    let counted = view.number(CHANGES_BYTES)?;
    if bytes != counted {
        return wrong(format!(
            "changes take {bytes} bytes, but {counted} are counted"
        ));
    }
    let mut lacking = None;
    view.scan(&object::TABLE, None, |_, object| {
        let object = object::decode(object)?;
        if object.version > floor {
            let record = find(view, object.version)?.and_then(Recorded::into_object);
            if !record.is_some_and(|record| record.changed(&object.id)) {
                lacking = Some(object.id);
            }
        }
        Ok(lacking.is_none())
    })?;
    tombstone::scan(view, None, |tombstone, _| {
        if tombstone.revision > floor {
            let id = tombstone.object.id;
            let record = find(view, tombstone.revision)?.and_then(Recorded::into_object);
            if !record.is_some_and(|record| record.changed(&id)) {
                lacking = Some(id);
            }
        }
        Ok(lacking.is_none())
    })?;
    match lacking {
        Some(id) => wrong(format!("the last change of {id} is missing")),
        None => Ok(()),
    }
}

/// Every change is found from all whom it concerns, given that it concerns all who say so.
fn check_mentions(view: &StoreView) -> Result<(), Fault> {
    let mut mentions = 0;
    view.scan(&TABLE, None, |_, record| {
        mentions += decode(record)?.mentions().count() as u64;
        Ok(true)
    })?;
    let rows = view.count(&MENTIONS)?;
    if mentions != rows {
        return Err(Fault::new(
            "reading the state",
            format!("changes concern {mentions} others, but there are {rows} rows of these"),
        ));
    }
    Ok(())
}

pub(super) fn find(rows: &impl Rows, revision: Revision) -> Result<Option<Recorded>, Fault> {
    rows.get(&TABLE, &revision.0.to_be_bytes(), decode)
}

/// Changes in their order, from the first one after `after`, for as long as `row` returns true.
pub(super) fn scan(
    rows: &impl Rows,
    after: Revision,
    mut row: impl FnMut(Revision, Recorded) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    rows.scan(&TABLE, Some(&after.0.to_be_bytes()), |key, record| {
        row(revision_of(key)?, decode(record)?)
    })
}

/// Changes that concern an object besides its own, the newest first, from the first one before `before`.
pub(super) fn mentions(
    rows: &impl Rows,
    id: &ObjectId,
    before: Option<Revision>,
    limit: usize,
) -> Result<Vec<Revision>, Fault> {
    let mut revisions = Vec::new();
    let after = match before {
        Some(before) => mention_key(id, before),
        None => id.as_bytes().to_vec(),
    };
    rows.scan(&MENTIONS, Some(&after), |key, _| {
        let (of, revision) = mention_of(key)?;
        let more = of == *id && revisions.len() < limit;
        if more {
            revisions.push(revision);
        }
        Ok(more)
    })?;
    Ok(revisions)
}

/// The oldest changes, at most `limit`.
pub(super) fn oldest(rows: &impl Rows, limit: usize) -> Result<VecDeque<KeptChange>, Fault> {
    let mut oldest = VecDeque::new();
    if limit == 0 {
        return Ok(oldest);
    }
    scan(rows, Revision(0), |revision, record| {
        oldest.push_back(kept(revision, &record));
        Ok(oldest.len() < limit)
    })?;
    Ok(oldest)
}

/// What is to be known of a change to forget it in time.
pub(super) fn kept(revision: Revision, record: &Recorded) -> KeptChange {
    KeptChange {
        revision,
        time: record.stamp().time,
        bytes: record.bytes(),
    }
}

pub(super) fn put(
    batch: &mut Batch<'_>,
    revision: Revision,
    record: &Recorded,
) -> Result<(), Fault> {
    for id in record.mentions() {
        batch.insert(&MENTIONS, &mention_key(&id, revision), &[])?;
    }
    batch.insert(&TABLE, &revision.0.to_be_bytes(), &encode(record))
}

/// Forgets a change. Returns how much room it took.
pub(super) fn remove(batch: &mut Batch<'_>, revision: Revision) -> Result<u64, Fault> {
    let record = find(batch, revision)?.ok_or_else(|| missing("change"))?;
    for id in record.mentions() {
        batch.remove(&MENTIONS, &mention_key(&id, revision))?;
    }
    batch.remove(&TABLE, &revision.0.to_be_bytes())?;
    Ok(record.bytes())
}

/// Keeps of a change that it was, and not what it was about. Returns how much less room it takes.
pub(super) fn redact(batch: &mut Batch<'_>, revision: Revision) -> Result<u64, Fault> {
    let record = find(batch, revision)?.and_then(Recorded::into_object);
    let record = record.ok_or_else(|| missing("change of an object"))?;
    let redacted = Recorded::Object(record.redacted());
    batch.insert(&TABLE, &revision.0.to_be_bytes(), &encode(&redacted))?;
    Ok(record.bytes().saturating_sub(redacted.bytes()))
}

fn revision_of(key: &[u8]) -> Result<Revision, Fault> {
    let key = key.try_into().map(u64::from_be_bytes);
    key.map(Revision).or_fault("reading a stored revision")
}

fn mention_key(id: &ObjectId, revision: Revision) -> Vec<u8> {
    let down = u64::MAX - revision.0;
    [id.as_bytes().as_slice(), &down.to_be_bytes()].concat()
}

fn mention_of(key: &[u8]) -> Result<(ObjectId, Revision), Fault> {
    let (id, down) = key.split_at_checked(16).unwrap_or_default();
    let Revision(down) = revision_of(down)?;
    Ok((object_id(id)?, Revision(u64::MAX - down)))
}

pub(super) fn encode(recorded: &Recorded) -> Vec<u8> {
    match recorded {
        Recorded::Object(record) => message(record),
        Recorded::Directory(record) => proto::ChangeRecord {
            stamp: Some(object::stamp_message(&record.stamp)),
            directory: Some(directory_message(&record.change)),
            ..proto::ChangeRecord::default()
        },
    }
    .encode_to_vec()
}

fn directory_message(change: &DirectoryChange) -> proto::DirectoryChange {
    use proto::directory_change::Change as Kind;
    let change = match change {
        DirectoryChange::Settings(records) => Kind::Settings(proto::SettingRecords {
            records: records
                .iter()
                .map(|record| proto::SettingRecord {
                    setting: setting_message(record.setting).into(),
                    before: record.before,
                    after: record.after,
                })
                .collect(),
        }),
        DirectoryChange::AttributeDefined(attribute) => {
            Kind::AttributeDefined(attribute_message(attribute))
        }
        DirectoryChange::LevelRaised { before, after } => Kind::LevelRaised(proto::LevelRecord {
            before: before.0,
            after: after.0,
        }),
        DirectoryChange::NameFreed { owner } => Kind::NameFreed(owner.as_bytes().to_vec()),
    };
    proto::DirectoryChange {
        change: Some(change),
    }
}

fn directory_change(message: proto::DirectoryChange) -> Result<DirectoryChange, Fault> {
    use proto::directory_change::Change as Kind;
    Ok(
        match message.change.ok_or_else(|| missing("change.directory"))? {
            Kind::Settings(settings) => {
                let records = settings.records.into_iter().map(|record| {
                    Ok(SettingRecord {
                        setting: setting(record.setting)?,
                        before: record.before,
                        after: record.after,
                    })
                });
                DirectoryChange::Settings(records.collect::<Result<_, Fault>>()?)
            }
            Kind::AttributeDefined(it) => DirectoryChange::AttributeDefined(attribute(it)),
            Kind::LevelRaised(it) => DirectoryChange::LevelRaised {
                before: Level(it.before),
                after: Level(it.after),
            },
            Kind::NameFreed(owner) => DirectoryChange::NameFreed {
                owner: object_id(&owner)?,
            },
        },
    )
}

fn message(record: &ChangeRecord) -> proto::ChangeRecord {
    let origin = record.origin.as_deref();
    proto::ChangeRecord {
        stamp: Some(object::stamp_message(&record.stamp)),
        done: done_message(record.done).into(),
        id: record.id.as_bytes().to_vec(),
        kind: object::kind_message(record.kind).into(),
        name: record.name.clone(),
        previous: record.previous.map_or(0, |previous| previous.0),
        attributes: record.attributes.iter().map(values_message).collect(),
        password: password_message(record.password),
        members: record.members.iter().map(member_message).collect(),
        groups: record.groups.iter().map(group_message).collect(),
        created: origin.map(|origin| object::stamp_message(&origin.created)),
        changed: origin.map(|origin| object::stamp_message(&origin.changed)),
        reverts: record.reverts.map_or(0, |revision| revision.0),
        directory: None,
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<Recorded, Fault> {
    let message = proto::ChangeRecord::decode(bytes).or_fault("reading a stored change")?;
    if let Some(change) = message.directory {
        return Ok(Recorded::Directory(DirectoryRecord {
            stamp: object::stamp(message.stamp)?,
            change: directory_change(change)?,
        }));
    }
    let mut attributes = BTreeMap::new();
    for it in message.attributes {
        let change = ValuesChange {
            before: values(it.before)?,
            after: values(it.after)?,
        };
        attributes.insert(AttributeNumber(it.number), change);
    }
    let members = message.members.iter().map(member);
    let groups = message.groups.iter().map(group);
    Ok(Recorded::Object(ChangeRecord {
        stamp: object::stamp(message.stamp)?,
        done: done(message.done)?,
        id: object_id(&message.id)?,
        kind: object::kind(message.kind)?,
        name: message.name,
        previous: some_revision(message.previous),
        attributes,
        password: password(message.password),
        members: members.collect::<Result<_, _>>()?,
        groups: groups.collect::<Result<_, _>>()?,
        origin: match (message.created, message.changed) {
            (None, None) => None,
            (created, changed) => Some(Box::new(Origin {
                created: object::stamp(created)?,
                changed: object::stamp(changed)?,
            })),
        },
        reverts: some_revision(message.reverts),
    }))
}

fn some_revision(revision: u64) -> Option<Revision> {
    (revision != 0).then_some(Revision(revision))
}

pub(super) fn done_message(done: Done) -> proto::Done {
    match done {
        Done::Created => proto::Done::Created,
        Done::Changed => proto::Done::Changed,
        Done::Deleted => proto::Done::Deleted,
        Done::Restored => proto::Done::Restored,
        Done::Purged => proto::Done::Purged,
    }
}

pub(super) fn done(number: i32) -> Result<Done, Fault> {
    match proto::Done::try_from(number).or_fault("reading a stored change")? {
        proto::Done::Created => Ok(Done::Created),
        proto::Done::Changed => Ok(Done::Changed),
        proto::Done::Deleted => Ok(Done::Deleted),
        proto::Done::Restored => Ok(Done::Restored),
        proto::Done::Purged => Ok(Done::Purged),
        proto::Done::Unspecified => Err(missing("change.done")),
    }
}

fn values_message((number, change): (&AttributeNumber, &ValuesChange)) -> proto::ValuesChange {
    proto::ValuesChange {
        number: number.0,
        before: change.before.iter().map(value).collect(),
        after: change.after.iter().map(value).collect(),
    }
}

fn values(messages: Vec<proto::Value>) -> Result<Vec<Value>, Fault> {
    messages.into_iter().map(decode_value).collect()
}

fn password_message(password: PasswordRecord) -> Option<proto::PasswordRecord> {
    use proto::password_record::Password as Kind;
    let password = match password {
        PasswordRecord::Kept => return None,
        PasswordRecord::Set { before } => Kind::Set(before.map_or(0, |before| before.0)),
        PasswordRecord::Removed { before } => Kind::Removed(before.0),
    };
    Some(proto::PasswordRecord {
        password: Some(password),
    })
}

fn password(message: Option<proto::PasswordRecord>) -> PasswordRecord {
    use proto::password_record::Password as Kind;
    match message.and_then(|message| message.password) {
        None => PasswordRecord::Kept,
        Some(Kind::Set(before)) => PasswordRecord::Set {
            before: some_revision(before),
        },
        Some(Kind::Removed(before)) => PasswordRecord::Removed {
            before: Revision(before),
        },
    }
}

fn member_message(change: &MemberChange) -> proto::MemberChange {
    proto::MemberChange {
        kind: object::kind_message(change.kind).into(),
        member: change.member.as_bytes().to_vec(),
        added: change.added,
    }
}

fn member(message: &proto::MemberChange) -> Result<MemberChange, Fault> {
    Ok(MemberChange {
        kind: object::kind(message.kind)?,
        member: object_id(&message.member)?,
        added: message.added,
    })
}

fn group_message(left: &GroupLeft) -> proto::GroupLeft {
    proto::GroupLeft {
        group: left.group.as_bytes().to_vec(),
        previous: left.previous.0,
    }
}

fn group(message: &proto::GroupLeft) -> Result<GroupLeft, Fault> {
    Ok(GroupLeft {
        group: object_id(&message.group)?,
        previous: Revision(message.previous),
    })
}
