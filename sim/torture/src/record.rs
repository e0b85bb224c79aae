//! What clients asked and were answered in one campaign.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use quorid_history::{Answer, Operation, World};

/// Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Orders questions and answers as they were made: two for each operation.
    moments: AtomicU64,
    cell: AtomicU64,
    acknowledged: AtomicU64,
    over: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    operations: Vec<Operation>,
    violations: Vec<String>,
}

impl Record {
    /// From now on clients use other names: a strike has names of its own, so that the search
    /// for a linear order stays small.
    pub(crate) fn next_cell(&self) {
        self.0.cell.fetch_add(1, Ordering::SeqCst);
    }

    /// Changes that were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.0.acknowledged.load(Ordering::SeqCst)
    }

    /// Clients begin nothing any more.
    pub(crate) fn end(&self) {
        self.0.over.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.over.load(Ordering::SeqCst)
    }

    /// Everything, once all clients are done. A question without an end would be missing in
    /// the history, and that is a violation too.
    pub(crate) fn take(&self) -> (Vec<Operation>, Vec<String>) {
        let kept = std::mem::take(&mut *self.lock());
        let mut violations = kept.violations;
        let moments = self.0.moments.load(Ordering::SeqCst);
        if moments != 2 * kept.operations.len() as u64 {
            violations.push(format!(
                "the history is not complete: {} operations, but {moments} moments",
                kept.operations.len()
            ));
        }
        (kept.operations, violations)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Unix time, ms.
pub(crate) fn unix_ms(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl World for Record {
    fn now_ms(&self) -> u64 {
        unix_ms(SystemTime::now())
    }

    fn moment(&self) -> u64 {
        self.0.moments.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Nobody sees into real servers while they run.
    fn highest_committed(&self) -> u64 {
        u64::MAX
    }

    fn cell(&self) -> u64 {
        self.0.cell.load(Ordering::SeqCst)
    }

    fn record(&self, operation: Operation) {
        let look_up = operation.asked.request().is_none();
        let done = matches!(
            operation.answer,
            Answer::Account { .. } | Answer::Deleted { .. }
        );
        if done && !look_up {
            self.0.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
        self.lock().operations.push(operation);
    }

    /// The history tells it all in the end.
    fn note(&self, _what: fmt::Arguments<'_>) {}

    fn violated(&self, what: String) {
        self.lock().violations.push(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_has_no_end_is_a_violation() {
        let record = Record::default();
        assert!(record.take().1.is_empty());
        record.moment();
        assert_eq!(record.take().1.len(), 1);
    }
}
