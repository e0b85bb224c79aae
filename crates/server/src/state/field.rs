//! Fields that several kinds of records have: the directory's types to what is kept on disk, and
//! back.
//!
//! Whatever is read was checked before it was written; text that no longer parses means a
//! damaged file or a program older than the data, and is a [`Fault`].

use quorid_directory::{
    ClientAddress, GroupName, LoginName, ObjectId, RequestId, Selector, Value, Verifier,
};
use quorid_storage::{Fault, OrFault as _};

use super::proto;

pub(super) fn selector(selector: &Selector) -> proto::Selector {
    let selector = match selector {
        Selector::Id(id) => proto::selector::Selector::Id(id.as_bytes().to_vec()),
        Selector::LoginName(name) => proto::selector::Selector::LoginName(name.as_str().to_owned()),
        Selector::GroupId(id) => proto::selector::Selector::GroupId(id.as_bytes().to_vec()),
        Selector::GroupName(name) => proto::selector::Selector::GroupName(name.as_str().to_owned()),
    };
    proto::Selector {
        selector: Some(selector),
    }
}

pub(super) fn decode_selector(message: Option<proto::Selector>) -> Result<Selector, Fault> {
    match message
        .and_then(|it| it.selector)
        .ok_or_else(|| missing("selector"))?
    {
        proto::selector::Selector::Id(id) => Ok(Selector::Id(object_id(&id)?)),
        proto::selector::Selector::LoginName(name) => Ok(Selector::LoginName(login_name(&name)?)),
        proto::selector::Selector::GroupId(id) => Ok(Selector::GroupId(object_id(&id)?)),
        proto::selector::Selector::GroupName(name) => GroupName::from_stored(name)
            .map(Selector::GroupName)
            .or_fault("reading a stored name of a group"),
    }
}

pub(super) fn verifier_text(verifier: Option<&Verifier>) -> String {
    verifier.map_or_else(String::new, |verifier| verifier.as_str().to_owned())
}

pub(super) fn decode_verifier(text: String) -> Result<Option<Verifier>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    Verifier::parse(&text)
        .map(Some)
        .or_fault("reading a stored verifier")
}

pub(super) fn login_name(text: &str) -> Result<LoginName, Fault> {
    LoginName::from_stored(text.to_owned()).or_fault("reading a stored login name")
}

pub(super) fn value(value: &Value) -> proto::Value {
    let value = match value {
        Value::Text(text) => proto::value::Value::Text(text.clone()),
        Value::Number(number) => proto::value::Value::Number(*number),
    };
    proto::Value { value: Some(value) }
}

pub(super) fn decode_value(message: proto::Value) -> Result<Value, Fault> {
    Ok(match message.value.ok_or_else(|| missing("value"))? {
        proto::value::Value::Text(text) => Value::Text(text),
        proto::value::Value::Number(number) => Value::Number(number),
    })
}

pub(super) fn client_address(text: &str) -> Result<ClientAddress, Fault> {
    ClientAddress::parse(text).or_fault("reading a stored client address")
}

pub(super) fn object_id(bytes: &[u8]) -> Result<ObjectId, Fault> {
    Ok(ObjectId::from_bytes(sixteen(bytes, "object id")?))
}

pub(super) fn request_id(bytes: &[u8]) -> Result<RequestId, Fault> {
    RequestId::from_bytes(sixteen(bytes, "request id")?).or_fault("reading a stored request id")
}

pub(super) fn sixteen(bytes: &[u8], what: &'static str) -> Result<[u8; 16], Fault> {
    bytes.try_into().map_err(|_| {
        Fault::new(
            format!("reading a {what}"),
            format!("{} bytes, not 16", bytes.len()),
        )
    })
}

pub(super) fn missing(field: &'static str) -> Fault {
    Fault::new(format!("reading {field}"), "it is missing")
}
