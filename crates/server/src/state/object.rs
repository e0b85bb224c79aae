//! Objects, by their ids. A UUID of version 7 begins with its time, so new objects are added at
//! the end.

use std::collections::BTreeMap;

use prost::Message as _;
use quorid_directory::{
    Actor, AttributeNumber, GROUP_NAME, IndexKey, Kind, Object, ObjectId, OperatorName, Revision,
    Schema, Stamp, Time, Value,
};
use quorid_storage::{Batch, Digested, Fault, OrFault as _, Rows, Shape, StoreView, Table};

use super::{
    field::{client_address, decode_value, missing, object_id, value},
    index, proto, schema,
};

/// Object id (16 bytes, UUID, big-endian) to `Object`.
pub(super) const TABLE: Table = Table {
    number: 3,
    name: "objects",
    shape: Shape::IdToBytes,
    digested: Digested::Rows,
    check_row,
    check_whole: |_: &StoreView| Ok(()),
};

fn check_row(batch: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    const STORING: &str = "storing a received snapshot";
    let object = decode(value)?;
    if object.id.as_bytes().as_slice() != key {
        return Err(Fault::new(STORING, "an object is not that of its id"));
    }
    let schema = schema::of(batch, &object)?;
    match object.violation(&schema) {
        Some((attribute, violation)) => {
            let attribute = schema.name(attribute);
            let why = format!("{attribute} of {}: {violation}", object.id);
            Err(Fault::new(STORING, why))
        }
        None => Ok(()),
    }
}

pub(super) fn find(rows: &impl Rows, id: &ObjectId) -> Result<Option<Object>, Fault> {
    rows.get(&TABLE, id.as_bytes(), decode)
}

pub(super) fn is_there(rows: &impl Rows, id: &ObjectId) -> Result<bool, Fault> {
    let found = rows.get(&TABLE, id.as_bytes(), |_| Ok(()))?;
    Ok(found.is_some())
}

/// The name of a group, if there is one of this id. Reads nothing else of it, because an account may be in
/// a thousand groups.
pub(super) fn group_name(rows: &impl Rows, id: &ObjectId) -> Result<Option<String>, Fault> {
    rows.get(&TABLE, id.as_bytes(), |bytes| {
        let read = proto::ObjectAttributes::decode(bytes).or_fault("reading a stored object")?;
        let names = read.attributes.into_iter();
        let mut names = names.filter(|it| AttributeNumber(it.number) == GROUP_NAME);
        let name = names.next().and_then(|mut name| name.values.pop());
        match decode_value(name.ok_or_else(|| missing("group name"))?)? {
            Value::Text(name) => Ok(name),
            Value::Number(_) => Err(missing("group name")),
        }
    })
}

/// With its rows of the index.
pub(super) fn put(batch: &mut Batch<'_>, schema: &Schema, object: &Object) -> Result<(), Fault> {
    index::keep(batch, schema, &object.id, Some(object))?;
    batch.insert(&TABLE, object.id.as_bytes(), &encode(object))
}

/// With its rows of the index.
pub(super) fn remove(batch: &mut Batch<'_>, schema: &Schema, id: &ObjectId) -> Result<(), Fault> {
    index::keep(batch, schema, id, None)?;
    batch.remove(&TABLE, id.as_bytes())
}

/// How long a stretch of objects may be.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// The most objects in it.
    pub objects: usize,
    /// The most bytes, as they are stored; but one object at least.
    pub bytes: usize,
    /// The most objects that are looked at for it.
    pub looked_at: usize,
    /// The most bytes of them, as they are stored; but one object at least.
    pub bytes_looked_at: usize,
}

impl Stretch {
    /// All there are.
    pub const ALL: Self = Self {
        objects: usize::MAX,
        bytes: usize::MAX,
        looked_at: usize::MAX,
        bytes_looked_at: usize::MAX,
    };
}

/// Objects that fit, in the order of their ids, from the first one after `after`; and where to go on,
/// if there may be more.
pub(super) fn list(
    rows: &impl Rows,
    after: Option<ObjectId>,
    stretch: Stretch,
    mut fits: impl FnMut(&Object) -> bool,
) -> Result<(Vec<Object>, Option<ObjectId>), Fault> {
    let mut page = Page::new(after, stretch);
    let after = after.as_ref().map(|id| id.as_bytes().as_slice());
    rows.scan(&TABLE, after, |_, value| {
        Ok(!page.is_full() && page.take(decode(value)?, value.len(), &mut fits))
    })?;
    Ok(page.whole())
}

/// A stretch of objects that is being filled.
struct Page {
    stretch: Stretch,
    objects: Vec<Object>,
    bytes: usize,
    looked_at: usize,
    bytes_looked_at: usize,
    last: Option<ObjectId>,
    more: bool,
}

impl Page {
    fn new(after: Option<ObjectId>, stretch: Stretch) -> Self {
        Self {
            stretch,
            objects: Vec::new(),
            bytes: 0,
            looked_at: 0,
            bytes_looked_at: 0,
            last: after,
            more: false,
        }
    }

    /// To be asked when there is one more object: then there are more than the stretch has.
    fn is_full(&mut self) -> bool {
        self.more = self.looked_at == self.stretch.looked_at
            || self.bytes_looked_at >= self.stretch.bytes_looked_at
            || self.objects.len() == self.stretch.objects;
        self.more
    }

    /// Takes an object if it fits. Whether the next one is wanted.
    fn take(
        &mut self,
        object: Object,
        bytes: usize,
        fits: &mut impl FnMut(&Object) -> bool,
    ) -> bool {
        let id = object.id;
        if fits(&object) {
            self.bytes += bytes;
            self.more = self.bytes > self.stretch.bytes && !self.objects.is_empty();
            if self.more {
                return false;
            }
            self.objects.push(object);
        }
        self.looked_at += 1;
        self.bytes_looked_at += bytes;
        self.last = Some(id);
        true
    }

    fn whole(self) -> (Vec<Object>, Option<ObjectId>) {
        (self.objects, self.last.filter(|_| self.more))
    }
}

/// As [`list`], of the objects that have a value of an indexed attribute: no others are looked at.
pub(super) fn list_by_index(
    rows: &impl Rows,
    key: &IndexKey,
    after: Option<ObjectId>,
    stretch: Stretch,
    mut fits: impl FnMut(&Object) -> bool,
) -> Result<(Vec<Object>, Option<ObjectId>), Fault> {
    let mut page = Page::new(after, stretch);
    index::scan(rows, key, after, |id| {
        if page.is_full() {
            return Ok(false);
        }
        let read = |value: &[u8]| Ok((decode(value)?, value.len()));
        match rows.get(&TABLE, id.as_bytes(), read)? {
            Some((object, bytes)) => Ok(page.take(object, bytes, &mut fits)),
            None => Err(Fault::new("reading the index", "an object is missing")),
        }
    })?;
    Ok(page.whole())
}

pub(super) fn encode(object: &Object) -> Vec<u8> {
    to_message(object).encode_to_vec()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Object, Fault> {
    from_message(proto::Object::decode(bytes).or_fault("reading a stored object")?)
}

pub(super) fn to_message(object: &Object) -> proto::Object {
    proto::Object {
        id: object.id.as_bytes().to_vec(),
        kind: kind_message(object.kind).into(),
        created: Some(stamp_message(&object.created)),
        changed: Some(stamp_message(&object.changed)),
        version: object.version.0,
        password_version: object.password_version.map(|version| version.0),
        attributes: object
            .attributes
            .iter()
            .map(|(number, values)| proto::Attribute {
                number: number.0,
                values: values.iter().map(value).collect(),
            })
            .collect(),
    }
}

pub(super) fn from_message(message: proto::Object) -> Result<Object, Fault> {
    let mut attributes = BTreeMap::new();
    for attribute in message.attributes {
        let values = attribute.values.into_iter().map(decode_value);
        let number = AttributeNumber(attribute.number);
        attributes.insert(number, values.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(Object {
        id: object_id(&message.id)?,
        kind: kind(message.kind)?,
        created: stamp(message.created)?,
        changed: stamp(message.changed)?,
        version: Revision(message.version),
        password_version: message.password_version.map(Revision),
        attributes,
    })
}

pub(super) fn kind_message(kind: Kind) -> proto::Kind {
    match kind {
        Kind::Person => proto::Kind::Person,
        Kind::Group => proto::Kind::Group,
        Kind::Service => proto::Kind::Service,
    }
}

pub(super) fn kind(number: i32) -> Result<Kind, Fault> {
    match proto::Kind::try_from(number).or_fault("reading a stored kind of object")? {
        proto::Kind::Person => Ok(Kind::Person),
        proto::Kind::Group => Ok(Kind::Group),
        proto::Kind::Service => Ok(Kind::Service),
        proto::Kind::Unspecified => Err(missing("object.kind")),
    }
}

pub(super) fn stamp_message(stamp: &Stamp) -> proto::Stamp {
    proto::Stamp {
        time_ms: stamp.time.0,
        client: stamp.client.as_str().to_owned(),
        actor: Some(actor_message(&stamp.actor)),
    }
}

pub(super) fn stamp(message: Option<proto::Stamp>) -> Result<Stamp, Fault> {
    let message = message.ok_or_else(|| missing("stamp"))?;
    Ok(Stamp {
        time: Time(message.time_ms),
        client: client_address(&message.client)?,
        actor: actor(message.actor)?,
    })
}

fn actor_message(actor: &Actor) -> proto::Actor {
    use proto::actor::Actor as Kind;
    let actor = match actor {
        Actor::Anyone => Kind::Anyone(proto::Nothing {}),
        Actor::Operator(name) => Kind::Operator(name.as_str().to_owned()),
        Actor::Account(id) => Kind::Account(id.as_bytes().to_vec()),
    };
    proto::Actor { actor: Some(actor) }
}

fn actor(message: Option<proto::Actor>) -> Result<Actor, Fault> {
    use proto::actor::Actor as Kind;
    let actor = message.and_then(|message| message.actor);
    Ok(match actor.ok_or_else(|| missing("stamp.actor"))? {
        Kind::Anyone(_) => Actor::Anyone,
        Kind::Operator(name) => Actor::Operator(OperatorName::of_certificate(&name)),
        Kind::Account(id) => Actor::Account(object_id(&id)?),
    })
}
