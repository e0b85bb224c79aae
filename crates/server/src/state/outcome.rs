//! Outcomes of requests, so that a request that comes again gets its first answer. The oldest
//! request is the first row.

use std::collections::VecDeque;

use prost::Message as _;
use quorid_directory::{Accepted, Change, Fingerprint, Outcome, RequestId, Revision};
use quorid_storage::{Batch, Digested, Fault, OrFault as _, Rows, Shape, StoreView, Table};

use super::{
    change::{done, done_message},
    field::{missing, object_id, request_id, sixteen},
    object, proto,
    rejection::{rejection, rejection_message},
};

/// Request id (16 bytes, UUID of version 8) to `Outcome`.
pub(super) const TABLE: Table = Table {
    number: 15,
    name: "outcomes",
    shape: Shape::IdToBytes,
    digested: Digested::Rows,
    check_row,
    check_whole: |_: &StoreView| Ok(()),
};

fn check_row(_: &Batch<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
    request_id(key)?;
    decode(value)?;
    Ok(())
}

pub(super) fn find(rows: &impl Rows, request: &RequestId) -> Result<Option<Outcome>, Fault> {
    rows.get(&TABLE, request.as_bytes(), decode)
}

pub(super) fn put(
    batch: &mut Batch<'_>,
    request: &RequestId,
    outcome: &Outcome,
) -> Result<(), Fault> {
    batch.insert(&TABLE, request.as_bytes(), &encode(outcome))
}

pub(super) fn remove(batch: &mut Batch<'_>, request: &RequestId) -> Result<(), Fault> {
    batch.remove(&TABLE, request.as_bytes())
}

/// The oldest requests, at most `limit`.
pub(super) fn oldest(rows: &impl Rows, limit: usize) -> Result<VecDeque<RequestId>, Fault> {
    let mut requests = VecDeque::new();
    if limit == 0 {
        return Ok(requests);
    }
    rows.scan(&TABLE, None, |key, _| {
        requests.push_back(request_id(key)?);
        Ok(requests.len() < limit)
    })?;
    Ok(requests)
}

pub(super) fn encode(outcome: &Outcome) -> Vec<u8> {
    let result = match &outcome.result {
        Ok(Accepted::Object(change)) => proto::outcome::Result::Change(change_message(change)),
        Ok(Accepted::Directory) => proto::outcome::Result::Directory(proto::Nothing {}),
        Err(rejection) => proto::outcome::Result::Rejection(rejection_message(rejection)),
    };
    proto::Outcome {
        fingerprint: outcome.fingerprint.as_bytes().to_vec(),
        revision: outcome.revision.0,
        result: Some(result),
    }
    .encode_to_vec()
}

pub(super) fn decode(bytes: &[u8]) -> Result<Outcome, Fault> {
    let message = proto::Outcome::decode(bytes).or_fault("reading a stored outcome")?;
    let result = match message.result.ok_or_else(|| missing("outcome.result"))? {
        proto::outcome::Result::Change(it) => Ok(Accepted::Object(change(it)?)),
        proto::outcome::Result::Directory(_) => Ok(Accepted::Directory),
        proto::outcome::Result::Rejection(it) => Err(rejection(it)?),
    };
    Ok(Outcome {
        fingerprint: Fingerprint::from_bytes(sixteen(&message.fingerprint, "fingerprint")?),
        revision: Revision(message.revision),
        result,
    })
}

fn change_message(change: &Change) -> proto::Change {
    proto::Change {
        done: done_message(change.done).into(),
        kind: object::kind_message(change.kind).into(),
        id: change.id.as_bytes().to_vec(),
        version: change.version.0,
    }
}

fn change(message: proto::Change) -> Result<Change, Fault> {
    Ok(Change {
        done: done(message.done)?,
        kind: object::kind(message.kind)?,
        id: object_id(&message.id)?,
        version: Revision(message.version),
    })
}
