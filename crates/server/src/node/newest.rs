//! Messages of which only the newest counts.

use futures_util::{Stream, stream};
use tokio::sync::watch;

/// What is to be sent: the newest message now, and each newer one, unless another one took its place
/// before it was sent. Ends when the sender is dropped.
pub(super) fn newest<T: Clone + Send + Sync + 'static>(
    mut messages: watch::Receiver<T>,
) -> impl Stream<Item = T> + Send + use<T> {
    messages.mark_changed();
    stream::unfold(messages, |mut messages| async move {
        messages.changed().await.ok()?;
        let message = messages.borrow_and_update().clone();
        Some((message, messages))
    })
}
