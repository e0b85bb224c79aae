//! Deleted objects that can be restored, and names that stay reserved, once more and apart from the rules that
//! decided: nobody else gets what is kept for somebody.

use std::collections::BTreeMap;

use quorid_directory::{
    Command, Done, Event, LOGIN_NAME, Level, Object, ObjectId, Operation, Retention, Schema,
    Setting, Time, UniqueKey,
};

/// What is kept for whom, and until when.
#[derive(Default)]
pub(super) struct Kept {
    settings: BTreeMap<Setting, u64>,
    clock: Time,
    objects: BTreeMap<ObjectId, Object>,
    /// Deleted objects, and until when they can be restored.
    deleted: BTreeMap<ObjectId, (Object, Time)>,
    /// Login names that somebody gave up, and for whom they stay reserved until when.
    reserved: BTreeMap<UniqueKey, (ObjectId, Time)>,
}

impl Kept {
    fn setting(&self, setting: Setting) -> u64 {
        let set = self.settings.get(&setting).copied();
        set.unwrap_or(setting.default_value())
    }

    /// What a command ends that was not refused, before it does anything else.
    pub(super) fn begin(&mut self, command: &Command, refused: bool) {
        // A clock that is a little behind is waited for; one that is more is right.
        let behind = self.clock.0.saturating_sub(command.time.0);
        self.clock = match behind > Retention::STANDARD.behind_max_ms {
            true => command.time,
            false => self.clock.max(command.time),
        };
        // What may have ended has ended, also if the clock that said so was wrong.
        let deleted = self.deleted.values_mut().map(|(_, until)| until);
        let reserved = self.reserved.values_mut().map(|(_, until)| until);
        for until in deleted.chain(reserved) {
            if *until <= self.clock {
                *until = Time(0);
            }
        }
        if let (Operation::FreeName { name }, false) = (&command.operation, refused) {
            self.reserved.remove(&UniqueKey::login_name(name));
        }
    }

    /// Whether the directory keeps this deleted object.
    pub(super) fn has(&self, id: &ObjectId) -> bool {
        self.deleted.contains_key(id)
    }

    /// Who a value is kept for that is given to somebody else.
    pub(super) fn breaks_a_rule(
        &self,
        schema: &Schema,
        key: &UniqueKey,
        holder: ObjectId,
    ) -> Option<String> {
        let is_kept = |(id, (object, until)): (&ObjectId, &(Object, Time))| {
            let mut keys = object.unique_keys(schema);
            let keeps = *id != holder && *until > self.clock && keys.any(|(has, _)| has == *key);
            keeps.then(|| format!("{key:?} is of the deleted {id}, and {holder} gets it"))
        };
        let reserved = self.reserved.get(key);
        let reserved = reserved.filter(|(id, until)| *id != holder && *until > self.clock);
        self.deleted.iter().find_map(is_kept).or_else(|| {
            reserved.map(|(id, _)| format!("{key:?} is reserved for {id}, and {holder} gets it"))
        })
    }

    pub(super) fn note(&mut self, level: Level, event: &Event) {
        if let Event::SettingChanged(change) = event {
            let value = change.value().unwrap_or(change.setting().default_value());
            self.settings.insert(change.setting(), value);
        }
        if let Event::ObjectStored(object) = event {
            let before = self.objects.insert(object.id, object.clone());
            let renamed = before.filter(|before| login_name(before) != login_name(object));
            if let Some(before) = renamed {
                self.reserve(level, &before);
            }
            self.deleted.remove(&object.id);
            self.reserved.remove(&login_name(object));
        }
        if let Event::ObjectRemoved { id } = event
            && let Some(object) = self.objects.remove(id)
        {
            let kept_ms = self.setting(Setting::Tombstones);
            if level > Level::BASE && kept_ms > 0 {
                let until = Time(self.clock.0.saturating_add(kept_ms));
                self.deleted.insert(*id, (object, until));
            } else {
                self.reserve(level, &object);
            }
        }
        if let Event::ChangeRecorded { record, .. } = event
            && let Some(record) = record.object()
            && record.done == Done::Purged
        {
            self.deleted.remove(&record.id);
            self.reserved.retain(|_, (owner, _)| *owner != record.id);
        }
    }

    /// Nobody has the login name of an object any more.
    fn reserve(&mut self, level: Level, before: &Object) {
        let ms = self.setting(Setting::ReservedNames);
        if before.kind.is_account() && level > Level::BASE && ms > 0 {
            let until = Time(self.clock.0.saturating_add(ms));
            self.reserved.insert(login_name(before), (before.id, until));
        }
    }
}

fn login_name(object: &Object) -> UniqueKey {
    UniqueKey {
        attribute: LOGIN_NAME,
        key: object.login_name().as_bytes().to_vec(),
    }
}
