//! Calls that have one answer: the same for whoever asks one at a time and for whoever asks on a stream.

use tonic::{Request, Response, Status};

use super::{answer, caller};
use crate::{
    frontend::Frontend,
    service::{Answer, Caller},
};

/// The request of a call.
pub(super) trait Call: Sized {
    /// The message that answers it.
    type Answer;

    /// Decodes the request, asks the service, and encodes its answer.
    fn answer(
        self,
        frontend: &Frontend,
        caller: &Caller,
    ) -> impl Future<Output = Result<Answer<Self::Answer>, Status>> + Send;
}

/// Answers a request that came as a gRPC call of its own.
pub(super) async fn unary<C: Call>(
    frontend: &Frontend,
    request: Request<C>,
) -> Result<Response<C::Answer>, Status> {
    let caller = caller(&request)?;
    let answered = request.into_inner().answer(frontend, &caller).await?;
    Ok(answer(answered.value, answered.revision))
}
