//! The calls about the attributes that there are.

use uuid::Uuid;

use crate::{
    Client, Error, Read,
    client::request_id,
    proto::{AddAttributeRequest, AttributeDefinition, ListAttributesRequest},
};

/// An attribute to be added. The server gives it its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewAttribute {
    /// What is asked for. `number` and `bytes_max` are the server's to fill.
    pub attribute: AttributeDefinition,
    /// As [`Client::new_request_id`](crate::Client::new_request_id) makes it. None: the library makes one, the same
    /// for every retry.
    pub request_id: Option<Uuid>,
}

impl Client {
    /// All attributes: the built-in ones, and those that the site has added.
    pub async fn list_attributes(&self, read: Read) -> Result<Vec<AttributeDefinition>, Error> {
        let request = ListAttributesRequest {
            read: Some(read.options(self.session_revision())),
        };
        Ok(self.read(read, request).await?.attributes)
    }

    /// Adds an attribute and returns it with its number.
    pub async fn add_attribute(&self, new: NewAttribute) -> Result<AttributeDefinition, Error> {
        let request = AddAttributeRequest {
            attribute: Some(new.attribute),
            request_id: request_id(new.request_id),
        };
        self.write(request).await
    }
}
