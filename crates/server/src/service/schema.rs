//! Use cases of the schema: whoever reads the directory reads it, and operators add to it.

use quorid_directory::{
    Accepted, Action, Attribute, Definition, Objects as _, Operation, RequestId, Schema,
};
use quorid_storage::Fault;
use tracing::info;

use super::{Answer, Caller, Consistency, Error, Service, who::Strangers};

impl Service {
    /// The attributes that objects have, as far as this server knows.
    #[must_use]
    pub fn schema(&self) -> Schema {
        self.node.schema()
    }

    /// The attributes that objects have, as a read of this consistency sees them.
    pub async fn fresh_schema(&self, consistency: Consistency) -> Result<Schema, Error> {
        self.settle(consistency).await?;
        Ok(self.schema())
    }

    /// The attributes that objects have, for who reads the directory.
    pub async fn attributes(
        &self,
        caller: &Caller,
        consistency: Consistency,
    ) -> Result<Answer<Schema>, Error> {
        let (view, _) = self.reader(caller, consistency).await?;
        Ok(Answer {
            value: view.schema().clone(),
            revision: view.revision()?,
        })
    }

    /// Adds an attribute that the site defines. The answer is the attribute with its number.
    pub async fn add_attribute(
        &self,
        caller: &Caller,
        definition: Definition,
        request: Option<RequestId>,
    ) -> Result<Answer<Attribute>, Error> {
        let what = "adding an attribute";
        let principal = self
            .principal(caller, Strangers::MayNot, Action::Operate, what)
            .await?;
        let name = definition.name().to_owned();
        let actor = principal.actor();
        let operation = Operation::DefineAttribute { definition };
        let proposed = self.propose_any(caller, principal, request, operation);
        let Answer { value, revision } = proposed.await?;
        let unknown = || Fault::new(what, "the schema does not have it afterwards");
        match value.accepted {
            Accepted::Directory => {}
            Accepted::Object(_) => return Err(unknown().into()),
        }
        let schema = self.schema();
        let row = schema.by_name(&name).map_err(|_| unknown())?;
        info!(event = "attribute_added", attribute = %name, number = row.number.0, by = %actor, "attribute added");
        Ok(Answer {
            value: row.clone(),
            revision,
        })
    }
}
