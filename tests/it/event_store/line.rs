//! A line to PostgreSQL that loses questions and answers when it is told to.

use infrastructure::clock::{SystemClock, TimeOrderedIds};
use infrastructure::event_store::PostgresEventLog;
use infrastructure::postgres::{Database, connect_options};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Listens on a port of its own and passes everything on to a server, until a message is to be lost.
pub(super) struct Line {
    port: u16,
    losses: Arc<Losses>,
    _listening: Aborting,
}

struct Aborting(JoinHandle<()>);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How many messages pass in each direction before one is lost, and its connection with it. Negative: none is lost.
struct Losses {
    questions: AtomicI64,
    answers: AtomicI64,
    lost: AtomicU64,
    /// Whether nobody gets through any more.
    cut: AtomicBool,
    /// The connection whose client says this passes nothing on any more, and is not closed. It happens once.
    silent_at: Mutex<Option<&'static str>>,
}

impl Losses {
    /// Counts a message. True if it is the one to lose.
    fn take(&self, direction: &AtomicI64) -> bool {
        let lost = direction.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| (left >= 0).then_some(left - 1)) == Ok(0);
        self.lost.fetch_add(u64::from(lost), Ordering::SeqCst);
        lost
    }

    /// Whether a question is the one at which a connection falls silent.
    fn is_silent_at(&self, question: &[u8]) -> bool {
        let mut silent_at = self.silent_at.lock().unwrap_or_else(PoisonError::into_inner);
        silent_at.take_if(|text| question.windows(text.len()).any(|window| window == text.as_bytes())).is_some()
    }
}

impl Line {
    /// To the server of a URL.
    pub(super) async fn to(url: &str) -> Self {
        let server = connect_options(url).expect("a URL");
        let server = (server.get_host().to_owned(), server.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let losses = Arc::new(Losses {
            questions: AtomicI64::new(-1),
            answers: AtomicI64::new(-1),
            lost: AtomicU64::new(0),
            cut: AtomicBool::new(false),
            silent_at: Mutex::new(None),
        });
        let here = Arc::clone(&losses);
        let listening = tokio::spawn(async move {
            let mut calls = JoinSet::new();
            while let Ok((caller, _)) = listener.accept().await {
                if !here.cut.load(Ordering::SeqCst)
                    && let Ok(server) = TcpStream::connect(&server).await
                {
                    calls.spawn(pass_on(caller, server, Arc::clone(&here)));
                }
            }
        });
        Self { port, losses, _listening: Aborting(listening) }
    }

    /// Loses the question after so many, before the server sees it.
    pub(super) fn lose_question_after(&self, questions: u32) {
        self.losses.questions.store(i64::from(questions), Ordering::SeqCst);
    }

    /// Loses the answer after so many, when the server has done what was asked.
    pub(super) fn lose_answer_after(&self, answers: u32) {
        self.losses.answers.store(i64::from(answers), Ordering::SeqCst);
    }

    /// Lets the connection whose client asks for a text fall silent.
    pub(super) fn be_silent_at(&self, text: &'static str) {
        *self.losses.silent_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }

    /// Whether it has fallen silent.
    pub(super) fn is_silent(&self) -> bool {
        self.losses.silent_at.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Lets no new connection through.
    pub(super) fn cut(&self) {
        self.losses.cut.store(true, Ordering::SeqCst);
    }

    /// Lets everybody through again.
    pub(super) fn mend(&self) {
        self.losses.cut.store(false, Ordering::SeqCst);
    }

    /// How many messages were lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.losses.lost.load(Ordering::SeqCst)
    }

    /// A log whose appends go over this line; its reads do not. And the application on it.
    pub(super) async fn log(&self, database: &Database) -> (Arc<PostgresEventLog>, application::Application) {
        let options = database.options.clone().host("127.0.0.1").port(self.port);
        let log = PostgresEventLog::open(Database { options, ..database.clone() }).await.expect("the log opens");
        let log = Arc::new(log);
        (log.clone(), application::Application::new(log, Arc::new(SystemClock), Arc::new(TimeOrderedIds)))
    }
}

async fn pass_on(mut caller: TcpStream, mut server: TcpStream, losses: Arc<Losses>) {
    let (mut questions, mut answers) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    // Both ends are closed when this returns.
    loop {
        let passed = tokio::select! {
            read = caller.read(&mut questions) => match read {
                Ok(1..) if losses.take(&losses.questions) => return,
                Ok(n @ 1..) if losses.is_silent_at(&questions[..n]) => std::future::pending().await,
                Ok(n @ 1..) => server.write_all(&questions[..n]).await,
                Ok(0) | Err(_) => return,
            },
            read = server.read(&mut answers) => match read {
                Ok(1..) if losses.take(&losses.answers) => return,
                Ok(n @ 1..) => caller.write_all(&answers[..n]).await,
                Ok(0) | Err(_) => return,
            },
        };
        if passed.is_err() {
            return;
        }
    }
}
