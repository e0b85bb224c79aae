//! What is remembered of a command that changed something: of an object, or of the directory as a whole.

use crate::change_record::ChangeRecord;
use crate::id::ObjectId;
use crate::level::Level;
use crate::model::Stamp;
use crate::schema::AttributeName;
use crate::settings::Setting;

/// One change, as it is kept under its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// An object is another one.
    Object(ChangeRecord),
    /// The directory as a whole is.
    Directory(DirectoryRecord),
}

/// A change of the directory as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryRecord {
    /// When, by whom, and from where.
    pub stamp: Stamp,
    /// The change.
    pub change: DirectoryChange,
}

/// What of the directory as a whole is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectoryChange {
    /// Settings: at least one.
    Settings(Vec<SettingRecord>),
    /// The site has an attribute more.
    AttributeDefined(AttributeName),
    /// The feature level.
    LevelRaised {
        /// The level before.
        before: Level,
        /// The level afterwards.
        after: Level,
    },
    /// A reserved login name was freed. Which one is not kept: it is in the history of who had it, and goes from
    /// there with a purge.
    NameFreed {
        /// For whom it was reserved.
        owner: ObjectId,
    },
}

/// A setting that has another value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingRecord {
    /// Which.
    pub setting: Setting,
    /// Its value before.
    pub before: u64,
    /// Its value afterwards.
    pub after: u64,
}

impl Recorded {
    /// When, by whom, and from where.
    pub fn stamp(&self) -> &Stamp {
        match self {
            Self::Object(record) => &record.stamp,
            Self::Directory(record) => &record.stamp,
        }
    }

    /// The change of an object, if it is one.
    pub fn object(&self) -> Option<&ChangeRecord> {
        match self {
            Self::Object(record) => Some(record),
            Self::Directory(_) => None,
        }
    }

    /// The same, without a copy.
    pub fn into_object(self) -> Option<ChangeRecord> {
        match self {
            Self::Object(record) => Some(record),
            Self::Directory(_) => None,
        }
    }

    /// As [`ChangeRecord::mentions`]; of the directory as a whole, none.
    pub fn mentions(&self) -> impl Iterator<Item = ObjectId> {
        self.object().into_iter().flat_map(ChangeRecord::mentions)
    }

    /// How much room it takes: about its bytes on disk. All servers count the same.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Object(record) => record.bytes(),
            Self::Directory(record) => record.change.bytes(),
        }
    }
}

impl DirectoryChange {
    fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::Settings(settings) => 24 * settings.len(),
            Self::AttributeDefined(attribute) => 8 + attribute.name.len(),
            Self::LevelRaised { .. } => 8,
            Self::NameFreed { .. } => 24,
        };
        96 + bytes as u64
    }
}
