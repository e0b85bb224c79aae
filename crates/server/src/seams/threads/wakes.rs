//! Wake-ups that come from another thread, many at a time.
//!
//! Whoever wakes a task of another thread's runtime pays a system call, and so does that thread. The thread of
//! consensus answers a whole batch of requests at once, whose tasks wait on a few threads: so those tasks are
//! put on the lane of their thread, and only the first of them wakes it.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    mem,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;

thread_local! {
    /// Of a thread that serves connections.
    static LANE: RefCell<Option<Arc<Lane>>> = const { RefCell::new(None) };
}

/// The tasks of one thread that others have woken.
#[derive(Default)]
struct Lane {
    woken: Mutex<Vec<Waker>>,
    thread: AtomicWaker,
}

impl Lane {
    fn of_this_thread() -> Option<Arc<Self>> {
        LANE.with_borrow(Option::clone)
    }

    fn woken(&self) -> MutexGuard<'_, Vec<Waker>> {
        // A list of wakers is whole whenever somebody could panic.
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, task: Waker) {
        let mut woken = self.woken();
        let first = woken.is_empty();
        woken.push(task);
        drop(woken);
        // Those after the first find the thread woken, until it has taken them all.
        if first {
            self.thread.wake();
        }
    }
}

/// Gives this thread a lane, and wakes the tasks on it. For the thread's runtime to run, without end.
pub(super) fn lane_of_this_thread() -> impl Future<Output = ()> + Send {
    let lane = Arc::new(Lane::default());
    LANE.set(Some(Arc::clone(&lane)));
    let mut taken = Vec::new();
    poll_fn(move |context| {
        lane.thread.register(context.waker());
        mem::swap(&mut *lane.woken(), &mut taken);
        // This thread's own tasks: no system call.
        taken.drain(..).for_each(Waker::wake);
        Poll::Pending
    })
}

/// A task, as others wake it.
struct OnLane {
    lane: Arc<Lane>,
    task: Waker,
}

impl Wake for OnLane {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let here = LANE.with_borrow(|lane| {
            let lane = lane.as_ref();
            lane.is_some_and(|lane| Arc::ptr_eq(lane, &self.lane))
        });
        match here {
            true => self.task.wake_by_ref(),
            false => self.lane.add(self.task.clone()),
        }
    }
}

/// What comes of something that another thread answers, many at a time. Where the caller's thread has no
/// lane, each is woken by itself.
pub(crate) async fn woken_together<T>(answer: impl Future<Output = T>) -> T {
    let Some(lane) = Lane::of_this_thread() else {
        return answer.await;
    };
    let mut answer = pin!(answer);
    let mut last: Option<Arc<OnLane>> = None;
    poll_fn(move |context| {
        let on_lane = match last.take() {
            Some(last) if last.task.will_wake(context.waker()) => last,
            Some(_) | None => Arc::new(OnLane {
                lane: Arc::clone(&lane),
                task: context.waker().clone(),
            }),
        };
        let waker = Waker::from(Arc::clone(&on_lane));
        last = Some(on_lane);
        answer.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use tokio::sync::oneshot;

    use super::*;

    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_thread_is_woken_once_for_all_that_another_answers_meanwhile() {
        let (lane, task) = (Counted(AtomicUsize::new(0)), Counted(AtomicUsize::new(0)));
        let (lane, task) = (Arc::new(lane), Arc::new(task));
        let (lane_waker, task_waker) = (
            Waker::from(Arc::clone(&lane)),
            Waker::from(Arc::clone(&task)),
        );
        let mut serving = pin!(lane_of_this_thread());
        let mut poll_lane = || serving.as_mut().poll(&mut Context::from_waker(&lane_waker));
        assert!(poll_lane().is_pending());
        let (tells, tolds): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel()).unzip();
        let mut answers: Vec<_> = tolds
            .into_iter()
            .map(|told| Box::pin(woken_together(told)))
            .collect();
        let mut context = Context::from_waker(&task_waker);
        for answer in &mut answers {
            assert!(answer.as_mut().poll(&mut context).is_pending());
        }
        let woken = |counted: &Counted| counted.0.load(Ordering::SeqCst);
        thread::spawn(|| {
            for tell in tells {
                tell.send(7).expect("it waits");
            }
        })
        .join()
        .expect("no panic");
        assert_eq!((woken(&lane), woken(&task)), (1, 0));
        assert!(poll_lane().is_pending());
        assert_eq!((woken(&lane), woken(&task)), (1, 3));
        for answer in &mut answers {
            assert_eq!(answer.as_mut().poll(&mut context), Poll::Ready(Ok(7)));
        }
        LANE.set(None);
    }

    #[test]
    fn a_task_is_woken_at_once_by_its_own_thread_and_where_there_is_no_lane() {
        let task = Arc::new(Counted(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&task));
        let mut context = Context::from_waker(&waker);
        for (lanes, woken) in [(0, 1), (1, 2)] {
            let _lane = (lanes == 1).then(lane_of_this_thread);
            let (tell, told) = oneshot::channel();
            let mut answer = pin!(woken_together(told));
            assert!(answer.as_mut().poll(&mut context).is_pending());
            tell.send(7).expect("it waits");
            assert_eq!(task.0.load(Ordering::SeqCst), woken);
        }
        LANE.set(None);
    }
}
