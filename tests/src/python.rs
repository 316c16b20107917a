//! Python with a few packages, in a folder of its own: for programs that others would write against the service.

use crate::servers::target;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// What the programs import, and a program of its own that tests servers by their schema.
const PACKAGES: [&str; 3] = ["confluent-kafka==2.16.1", "jsonschema[format]==4.26.0", "schemathesis==4.32.5"];

/// The interpreter. It is prepared once for each set of packages, by whichever process comes first.
pub fn python() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let venv = target().join("test-venv");
        std::fs::create_dir_all(&venv).expect("the target folder can be written");
        let lock = OpenOptions::new().create(true).append(true).open(venv.join("lock")).expect("a file can be made");
        lock.lock().expect("files can be locked");
        let (python, ready) = (venv.join("bin/python"), venv.join("packages"));
        let wanted = PACKAGES.join("\n");
        if std::fs::read_to_string(&ready).ok().as_deref() != Some(&wanted) {
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES));
            std::fs::write(&ready, wanted).expect("the target folder can be written");
        }
        python
    })
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; install it (Debian: apt-get install python3-venv)"));
    assert!(output.status.success(), "{command:?}\n{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}
