//! The disk of PostgreSQL is full: what cannot be stored is refused with the reason, and taken once there is room.

use super::PROGRAM;
use application::caller::Role;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;
use tests::app::Client;
use tests::dice::Dice;
use tests::process::{Process, Run, run};
use tests::small_disk::{SmallDisk, fill};
use tests::wait::until;
use uuid::Uuid;

const MEBIBYTES: u32 = 256;
/// Characters of a description, by chance, so that they cannot be stored in less.
const DESCRIPTION: usize = 8_000;

/// `milepost dev` on a small disk.
struct Demo {
    process: Process,
    client: Client,
    database_url: String,
}

impl Demo {
    async fn start(disk: &SmallDisk) -> Self {
        let words = disk.start(PROGRAM);
        let folder = disk.folder.join("data").display().to_string();
        let mut run = Run::of(&["dev", "--data-dir", &folder, "--no-seed", "--listen", "127.0.0.1:0"]);
        run.arguments = [&words[1..], &run.arguments].concat();
        run.environment.push(("MILEPOST_AUTH_HS256_SECRET", String::new()));
        let mut process = Process::start(&words[0], run);
        process.printed("Press Ctrl-C to stop").await;
        let about = std::fs::read_to_string(disk.seen_through(process.pid(), "data/dev.json")).expect("dev.json is there once it is ready");
        let about: Value = serde_json::from_str(&about).expect("JSON");
        let text = |name: &str| about[name].as_str().unwrap_or_else(|| panic!("{name} is missing")).to_owned();
        let base = text("graphql").strip_suffix("/graphql").expect("a URL of the endpoint").to_owned();
        let mut client = Client::new(&base, text("workspace").parse().expect("a UUID"), Uuid::now_v7(), Role::Owner);
        client.token = text("token");
        Self { process, client, database_url: text("database_url") }
    }

    async fn notices(&self) -> Value {
        let (_, body) = self.client.get("/readyz").await;
        serde_json::from_str::<Value>(&body).expect("JSON")["notices"].clone()
    }

    /// Sends a command that creates a task.
    async fn create(&self, input: &Value) -> Value {
        let query = "mutation($i: TaskCreateInput!) { r: taskCreate(input: $i) { version replayed userErrors { message } } }";
        self.client.ask(query, json!({ "i": input })).await
    }
}

/// As many bytes of log as tests write must be there before the disk is full: a server that cannot write its log ends.
async fn make_log_ahead(pool: &PgPool) {
    for _ in 0..2 {
        sqlx::query("SELECT pg_switch_wal()").execute(pool).await.expect("a superuser may");
        sqlx::query("CHECKPOINT").execute(pool).await.expect("a superuser may");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_named_and_nothing_is_lost() {
    let Some(disk) = SmallDisk::new(MEBIBYTES) else {
        eprintln!("this system lets no disk be made for a test: what happens on a full one is not tested");
        return;
    };
    let mut dice = Dice::thrown();
    let mut demo = Demo::start(&disk).await;
    let pool = PgPool::connect(&demo.database_url).await.expect("its PostgreSQL answers");
    let project = demo.client.project().await;
    make_log_ahead(&pool).await;
    let ballast = disk.seen_through(demo.process.pid(), "ballast");
    fill(&ballast);

    let mut taken = vec![];
    let (refused, error) = loop {
        let description: String = (0..DESCRIPTION).map(|_| char::from(b'!' + dice.below(90) as u8)).collect();
        let input = json!({ "commandId": Uuid::now_v7(), "projectId": project, "title": "Fills the disk", "description": description });
        let answer = demo.create(&input).await;
        match answer["errors"].get(0) {
            None => taken.push(input),
            Some(error) => break (input, error.clone()),
        }
    };
    assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{error}");
    assert!(error["message"].as_str().is_some_and(|message| message.contains("the disk of its database is full")), "{error}");
    let notices = demo.notices().await.to_string();
    assert!(notices.contains("the database does not accept events") && notices.contains("No space left on device"), "{notices}");
    let found = demo.client.data("query($id: ID!) { project(id: $id) { id } }", json!({ "id": project })).await;
    assert_eq!(found["project"]["id"], json!(project), "what is stored can be read all the same");

    std::fs::remove_file(&ballast).expect("it is ours");
    let answer = until("there is room again", || async {
        let answer = demo.create(&refused).await;
        answer.get("errors").is_none().then_some(answer)
    })
    .await;
    assert_eq!(answer["data"]["r"], json!({ "version": 1, "replayed": false, "userErrors": [] }), "nothing of it was stored before");
    taken.push(refused);
    assert_eq!(demo.notices().await, json!([]));
    for input in &taken {
        let again = demo.create(input).await;
        assert_eq!(again["data"]["r"]["replayed"], true, "{again}");
    }
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM milepost.events").fetch_one(&pool).await.expect("the log can be read");
    assert_eq!(events, 1 + taken.len() as i64, "the project, and each task once");
    until("read models come after", || async {
        let behind =
            "SELECT (SELECT min(position) FROM milepost.projections WHERE state = 'live') < (SELECT max(position) FROM milepost.events)";
        let behind: bool = sqlx::query_scalar(behind).fetch_one(&pool).await.ok()?;
        (!behind).then_some(())
    })
    .await;
    let mut verify = Run::of(&["projections", "verify"]);
    verify.environment.push(("DATABASE_URL", demo.database_url.clone()));
    let verified = run(PROGRAM, verify, None).await;
    assert_eq!(verified.status, 0, "{}\n{}", verified.stdout, verified.stderr);
    pool.close().await;
    demo.process.signal(Signal::SIGINT);
    assert_eq!(demo.process.ended().await, 0, "{}", demo.process.log());
}
