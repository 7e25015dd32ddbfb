//! The one writer: everybody's writes in one line, many of them in one commit.
//!
//! Whoever finds nobody writing starts the writer on a blocking thread; while it commits, others
//! line up, and it takes all of them into its next transaction. So there is one writer at a time,
//! a commit is shared by those who waited for the same disk, and no thread waits idle.

use std::any::Any;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::damage::{self, Health};
use super::schema;
use super::values::failed;
use crate::Error;

/// The most writes in line; one more waits outside it, holding nothing but its own batch.
const LINE: usize = 1_024;

/// The most writes in one transaction, so that the first of them does not wait for ever.
const GROUP: usize = 64;

/// What a write answered, until its transaction is committed.
type Answer = Box<dyn Any + Send>;

/// What a write does.
type Act = Box<dyn FnOnce(&Connection) -> Result<Answer, Error> + Send>;

/// One write in line.
struct Job {
    act: Act,
    reply: oneshot::Sender<Result<Answer, Error>>,
    /// Whether what it removed must also leave the write-ahead log.
    scrub: bool,
    _place: OwnedSemaphorePermit,
}

/// The line of writes to one database.
pub(super) struct Queue {
    line: Arc<Line>,
    places: Arc<Semaphore>,
    /// Why nothing is written: the database is open for reading alone.
    refuses: Option<Error>,
}

struct Line {
    path: PathBuf,
    health: Arc<Health>,
    waiting: Mutex<Waiting>,
    /// Held by the one whose turn it is; the next one may wait for its last few instructions.
    writer: Mutex<Slot>,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    writing: bool,
}

struct Slot {
    connection: Option<Connection>,
    health: Arc<Health>,
    /// A commit failed: what it wrote may be seen and yet not be durable.
    suspect: bool,
}

impl Queue {
    pub(super) fn new(path: PathBuf, connection: Connection, health: Arc<Health>) -> Self {
        Queue::over(path, Some(connection), health)
    }

    /// A line that takes nothing, and says why.
    pub(super) fn refusing(path: PathBuf, why: Error, health: Arc<Health>) -> Self {
        Queue {
            refuses: Some(why),
            ..Queue::over(path, None, health)
        }
    }

    fn over(path: PathBuf, connection: Option<Connection>, health: Arc<Health>) -> Self {
        Queue {
            line: Arc::new(Line {
                path,
                health: Arc::clone(&health),
                waiting: Mutex::default(),
                writer: Mutex::new(Slot {
                    connection,
                    health,
                    suspect: false,
                }),
            }),
            places: Arc::new(Semaphore::new(LINE)),
            refuses: None,
        }
    }

    /// Does `act` in a transaction, and answers after its commit.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.submit(act, false).await
    }

    /// As [`Queue::write`], and leaves nothing of what was removed in the write-ahead log, unless
    /// another process is reading it just then.
    pub(super) async fn remove<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.submit(act, true).await
    }

    async fn submit<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
        scrub: bool,
    ) -> Result<T, Error> {
        if let Some(why) = self.line.health.known().or_else(|| self.refuses.clone()) {
            return Err(why);
        }
        let place = Arc::clone(&self.places).acquire_owned().await;
        let (reply, answer) = oneshot::channel();
        self.line.enter(Job {
            act: Box::new(move |connection| act(connection).map(|value| Box::new(value) as Answer)),
            reply,
            scrub,
            _place: place.map_err(Error::unavailable)?,
        });
        let answer = answer
            .await
            .map_err(|_| Error::unavailable("the writer stopped"))??;
        let value = answer.downcast::<T>();
        value.map_or_else(
            |_| Err(Error::unavailable("a wrong answer")),
            |value| Ok(*value),
        )
    }

    /// Waits for the writer's turn to end and closes its connection; the next write opens one anew.
    pub(super) async fn close(&self) {
        let line = Arc::clone(&self.line);
        let close = tokio::task::spawn_blocking(move || line.slot().let_go());
        // It only fails when the process is ending, which closes it too.
        let _ = close.await;
    }

    /// Lets a test reach the writer's connection.
    #[cfg(test)]
    pub(super) fn with_connection<T>(&self, act: impl FnOnce(&mut Connection) -> T) -> T {
        act(self.line.slot().connection.as_mut().unwrap())
    }
}

/// Ends the writer's turn, also when it panics, so that the next write starts a new one.
struct Turn<'a>(&'a Line);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.writing = false;
        if std::thread::panicking() {
            waiting.jobs.clear();
        }
    }
}

impl Line {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: &Arc<Self>, job: Job) {
        let mut waiting = self.waiting();
        waiting.jobs.push_back(job);
        let first = !std::mem::replace(&mut waiting.writing, true);
        drop(waiting);
        if first {
            let line = Arc::clone(self);
            drop(tokio::task::spawn_blocking(move || line.drain()));
        }
    }

    /// Writes until nobody is in line.
    fn drain(&self) {
        let mut slot = self.slot();
        loop {
            let mut waiting = self.waiting();
            let group: Vec<_> = take(&mut waiting.jobs, GROUP);
            if group.is_empty() {
                // Said before the line is let go: who enters next starts a new turn.
                waiting.writing = false;
                return;
            }
            drop(waiting);
            let turn = Turn(self);
            slot.commit(&self.path, group);
            std::mem::forget(turn);
        }
    }
}

fn take(jobs: &mut VecDeque<Job>, most: usize) -> Vec<Job> {
    let mut group = Vec::new();
    while group.len() < most
        && let Some(job) = jobs.pop_front()
    {
        // Nobody waits for it any more: its log is closed, and what it holds is unconfirmed anyway.
        if !job.reply.is_closed() {
            group.push(job);
        }
    }
    group
}

impl Slot {
    /// Does a group of writes in one transaction and answers each.
    fn commit(&mut self, path: &std::path::Path, group: Vec<Job>) {
        let scrub = group.iter().any(|job| job.scrub);
        let (mut acts, mut replies) = (Vec::new(), Vec::new());
        for job in group {
            acts.push(job.act);
            replies.push((job.reply, job._place));
        }
        let written = match self.health.known() {
            Some(damage) => Err(damage),
            None => self.transact(path, acts),
        };
        let answers = match written.map_err(|error| self.health.note(error)) {
            Ok(answers) => answers,
            Err(error) => replies.iter().map(|_| Err(error.clone())).collect(),
        };
        let is_well = self.health.known().is_none();
        if scrub
            && is_well
            && let Some(connection) = &self.connection
        {
            // Best effort: a reader of another process may hold the old pages for a moment; the
            // next checkpoint then takes them.
            if let Err(error) = schema::checkpoint(connection) {
                tracing::warn!(%error, "deleted text stays in the write-ahead log for now");
            }
        }
        for ((reply, _place), answer) in replies.into_iter().zip(answers) {
            // Who asked may have gone; the write stands.
            let _ = reply.send(answer);
        }
    }

    fn transact(
        &mut self,
        path: &std::path::Path,
        acts: Vec<Act>,
    ) -> Result<Vec<Result<Answer, Error>>, Error> {
        let connection = self.ready(path)?;
        connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(failed)?;
        let mut answers = Vec::with_capacity(acts.len());
        for act in acts {
            let answer = alone(connection, act);
            if connection.is_autocommit() {
                // SQLite gave the whole transaction up: the disk is full, or it failed.
                let reason = answer
                    .err()
                    .unwrap_or_else(|| Error::unavailable("rolled back"));
                return Err(reason);
            }
            if let Err(Error::Damaged { .. }) = answer {
                // Nothing is written to a damaged file, also not what another one of the group did.
                let _ = connection.execute_batch("ROLLBACK");
                return answer.map(|_| Vec::new());
            }
            answers.push(answer);
        }
        if let Err(error) = connection.execute_batch("COMMIT") {
            // What was written may now be visible without being durable: this connection is not
            // asked again, and the next one first makes everything durable anew.
            let error = failed(error);
            if matches!(error, Error::Damaged { .. }) {
                damage::leave_alone(connection);
            }
            self.connection = None;
            self.suspect = true;
            return Err(error);
        }
        Ok(answers)
    }

    /// Closes the connection; a file known to be damaged is left as it is.
    fn let_go(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        if self.health.known().is_some() {
            damage::leave_alone(&connection);
        }
    }

    /// Returns a connection on which a commit means what it says.
    fn ready(&mut self, path: &std::path::Path) -> Result<&Connection, Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => schema::open_writer(path).map_err(|error| match error {
                Error::Damaged { .. } => self.health.note_told(error),
                error => Error::unavailable(format!("reopening: {error}")),
            })?,
        };
        let connection = self.connection.insert(connection);
        if self.suspect {
            // After a failed fsync the system may hold a page for written that is not. Moving all
            // of the log into the database writes those pages again, and syncs them.
            schema::checkpoint(connection)?;
            self.suspect = false;
        }
        Ok(connection)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Does one write so that its failure takes nothing of the others along.
fn alone(
    connection: &Connection,
    act: impl FnOnce(&Connection) -> Result<Answer, Error>,
) -> Result<Answer, Error> {
    let run = |sql| connection.execute_batch(sql).map_err(failed);
    run("SAVEPOINT alone")?;
    match act(connection) {
        Ok(answer) => run("RELEASE alone").map(|()| answer),
        Err(error) => {
            // When SQLite has already given the transaction up there is no savepoint to go back to.
            let _ = run("ROLLBACK TO alone; RELEASE alone");
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(folder: &std::path::Path) -> Queue {
        let path = folder.join("test.db");
        let connection = schema::open_writer(&path).unwrap();
        connection
            .execute_batch("CREATE TABLE t (x TEXT UNIQUE)")
            .unwrap();
        let health = Arc::new(Health::new(path.clone()));
        Queue::new(path, connection, health)
    }

    fn insert(x: &str) -> impl FnOnce(&Connection) -> Result<i64, Error> + Send + use<> {
        let x = x.to_owned();
        move |connection| {
            let inserted = connection.execute("INSERT INTO t VALUES (?1)", [x]);
            inserted.map_err(Error::unavailable)?;
            Ok(connection.last_insert_rowid())
        }
    }

    fn count(queue: &Queue) -> i64 {
        queue.with_connection(|c| {
            c.query_row("SELECT count(*) FROM t", [], |r| r.get(0))
                .unwrap()
        })
    }

    #[tokio::test]
    async fn those_who_wait_share_a_commit_and_one_failure_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path());
        let commits = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let seen = Arc::clone(&commits);
        queue.with_connection(|connection| {
            let hook = move || {
                seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                false
            };
            connection.commit_hook(Some(hook)).unwrap();
        });
        let writes = (0..100).map(|n| queue.write(insert(&format!("{}", n.min(98)))));
        let answers = futures_util::future::join_all(writes).await;
        assert!(answers[..99].iter().all(Result::is_ok));
        assert!(answers[99].is_err(), "the second 98 breaks the constraint");
        assert_eq!(count(&queue), 99);
        let commits = commits.load(std::sync::atomic::Ordering::SeqCst);
        assert!(commits < 20, "{commits} commits for 100 writes");
    }

    #[tokio::test]
    async fn a_failed_commit_fails_all_and_the_next_uses_a_new_connection() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path());
        queue.with_connection(|connection| {
            connection.commit_hook(Some(|| true)).unwrap();
        });
        let answers = tokio::join!(queue.write(insert("a")), queue.write(insert("b")));
        assert!(matches!(answers.0, Err(Error::Unavailable { .. })));
        assert!(answers.1.is_err());
        queue.write(insert("a")).await.unwrap();
        assert_eq!(count(&queue), 1);
    }

    #[tokio::test]
    async fn a_full_disk_fails_the_write_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path());
        queue.write(insert("kept")).await.unwrap();
        let pages = |most: i64| {
            queue.with_connection(|connection| {
                connection
                    .pragma_update_and_check(None, "max_page_count", most, |_| Ok(()))
                    .unwrap();
            });
        };
        pages(1);
        let large = "x".repeat(1 << 20);
        let refused = queue.write(insert(&large)).await.unwrap_err();
        assert!(refused.is_temporary(), "{refused}");
        pages(i64::from(i32::MAX));
        queue.write(insert(&large)).await.unwrap();
        assert_eq!(count(&queue), 2);
    }

    #[tokio::test]
    async fn a_database_locked_by_another_process_is_tried_again_later() {
        let folder = tempfile::tempdir().unwrap();
        let queue = queue(folder.path());
        let other = schema::open_writer(&folder.path().join("test.db")).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let refused = queue.write(insert("a")).await.unwrap_err();
        assert!(refused.is_temporary(), "{refused}");
        other.execute_batch("ROLLBACK").unwrap();
        queue.write(insert("a")).await.unwrap();
    }
}
